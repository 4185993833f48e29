import { readInt64, writeInt64 } from '../serdes/windowed.ts'

// Kafka Streams keeps a partition's time in the metadata of its committed offset: base64 of a
// version (1, or 2 with more behind it) and the time as int64.

/** Writes a partition's time as the metadata of an offset. */
export function encodePartitionTime(timeMs: number): string {
  const bytes = Buffer.allocUnsafe(9)
  bytes[0] = 1
  writeInt64(bytes, timeMs, 1)
  return bytes.toString('base64')
}

/** Reads a partition's time; -1 where the metadata has none. */
export function decodePartitionTime(metadata: string): number {
  const bytes = Buffer.from(metadata, 'base64')
  const isKnown = bytes.byteLength >= 9 && (bytes[0] === 1 || bytes[0] === 2)
  return isKnown ? readInt64(bytes, 1) : -1
}
