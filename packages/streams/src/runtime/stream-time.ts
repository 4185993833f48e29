import { Reader, Writer } from '@khlong/core/bytes'

// Kafka Streams keeps a partition's time in the metadata of its committed offset: base64 of a
// version (2), the time as int64 and, where processors keep times of their own, their count as int32
// and each as name length int32, name, time int64. Version 1 has the time alone.

/** What is known of a partition's records that were processed. */
export interface PartitionTime {
  /** The highest timestamp; -1 where none is known. */
  readonly timeMs: number
  readonly processorTimes: ReadonlyMap<string, number>
}

/** Writes a partition's time as the metadata of an offset. */
export function encodePartitionTime({ timeMs, processorTimes }: PartitionTime): string {
  const writer = new Writer(16).uint8(2).int64(timeMs)
  if (processorTimes.size > 0) writer.int32(processorTimes.size)
  for (const [name, processorMs] of processorTimes) {
    const bytes = Buffer.from(name)
    writer.int32(bytes.byteLength).raw(bytes).int64(processorMs)
  }
  return writer.take().toString('base64')
}

/** Reads a partition's time; the time is -1 where the metadata has none. */
export function decodePartitionTime(metadata: string): PartitionTime {
  const reader = new Reader(Buffer.from(metadata, 'base64'))
  const version = reader.uint8()
  const timeMs = reader.int64()
  const processorTimes = new Map<string, number>()
  if (version === 2 && reader.remaining > 0)
    for (let left = reader.count(reader.int32(), 12); left > 0; left--)
      processorTimes.set(reader.utf8(reader.int32()), reader.int64())
  try {
    reader.finish(true)
  } catch {
    return { timeMs: -1, processorTimes: new Map() }
  }
  return version === 1 || version === 2
    ? { timeMs, processorTimes }
    : { timeMs: -1, processorTimes: new Map() }
}
