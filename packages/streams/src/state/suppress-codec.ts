import { Reader, Writer } from '@khlong/core/bytes'
import { StreamsError } from '../errors.ts'
import { type CarriedHeaders, headersOf, type RecordHeader, type RecordHeaders } from '../record.ts'

// The value of a suppress buffer's changelog, version 3 (header `v` = 3), big-endian:
//
//   timestamp int64 | offset int64 | topic length int32, bytes | partition int32
//   headers: count int32, then each: key length int32, bytes, value length int32 (-1: null), bytes
//   prior value | old value | new value: length int32 (-1: null; -2 for the old one: as the prior), bytes
//   buffer time int64

/** The record that last changed a key in a suppress buffer. */
export interface BufferedContext {
  readonly timestampMs: number
  readonly offset: number
  readonly topic: string
  readonly partition: number
  readonly headers: CarriedHeaders
}

/** What a suppress buffer's changelog says of a key. */
export interface BufferedBytes {
  readonly context: BufferedContext
  /** The value before the key came into the buffer. */
  readonly priorValue: Buffer | null
  readonly oldValue: Buffer | null
  readonly newValue: Buffer | null
  readonly timeMs: number
}

const isNull = -1
const isPriorValue = -2

/** The header that every buffered value in the changelog carries. */
export const suppressVersionHeaders: RecordHeaders = [['v', Buffer.of(3)]]

/** Writes what a suppress buffer's changelog says of a key. */
export function encodeBuffered(buffered: BufferedBytes): Buffer {
  const { context } = buffered
  const writer = new Writer(128)
  writer.int64(context.timestampMs).int64(context.offset)
  const topic = Buffer.from(context.topic)
  writer.int32(topic.byteLength).raw(topic).int32(context.partition)
  const headers = headersOf(context.headers)
  writer.int32(headers.length)
  for (const [name, value] of headers) {
    const key = Buffer.from(name)
    writer.int32(key.byteLength).raw(key)
    writeNullable(writer, value)
  }
  writeNullable(writer, buffered.priorValue)
  if (isSame(buffered.priorValue, buffered.oldValue)) writer.int32(isPriorValue)
  else writeNullable(writer, buffered.oldValue)
  writeNullable(writer, buffered.newValue)
  writer.int64(buffered.timeMs)
  return writer.take()
}

/**
 * Reads a value of a suppress buffer's changelog. Slices borrow `bytes`.
 *
 * @throws StreamsError `STREAMS_CHANGELOG_INVALID`
 */
export function decodeBuffered(bytes: Buffer, headers: RecordHeaders): BufferedBytes {
  const version = headers.findLast(([key]) => key === 'v')?.[1]?.[0]
  // Version 2 was given by 2.4 and 2.5 to what is version 3.
  if (version !== 3 && version !== 2)
    throw new StreamsError(
      'STREAMS_CHANGELOG_INVALID',
      `suppress changelog: expected version 3, found ${version ?? 'none'} (written by Kafka Streams before 2.4?)`,
    )
  const reader = new Reader(bytes)
  const timestampMs = reader.int64()
  const offset = reader.int64()
  const topic = reader.utf8(reader.int32())
  const partition = reader.int32()
  const headerCount = reader.int32()
  const recordHeaders: RecordHeader[] = []
  for (let left = headerCount < 0 ? 0 : reader.count(headerCount, 8); left > 0; left--) {
    const key = reader.utf8(reader.int32())
    const value = readNullable(reader)
    recordHeaders.push([key, value && Buffer.from(value)])
  }
  const priorValue = readNullable(reader)
  const oldLength = reader.int32()
  const oldValue =
    oldLength === isPriorValue ? priorValue : oldLength === isNull ? null : reader.slice(oldLength)
  const newValue = readNullable(reader)
  const timeMs = reader.int64()
  try {
    reader.finish()
  } catch (cause) {
    throw new StreamsError('STREAMS_CHANGELOG_INVALID', 'suppress changelog', { cause })
  }
  const context = { timestampMs, offset, topic, partition, headers: recordHeaders }
  return { context, priorValue, oldValue, newValue, timeMs }
}

function writeNullable(writer: Writer, bytes: Buffer | null): void {
  if (bytes === null) writer.int32(isNull)
  else writer.int32(bytes.byteLength).raw(bytes)
}

function readNullable(reader: Reader): Buffer | null {
  const length = reader.int32()
  return length === isNull ? null : reader.slice(length)
}

/** Two nulls are not the same here: Java writes -1 for both. */
const isSame = (a: Buffer | null, b: Buffer | null): boolean =>
  a !== null && b !== null && a.equals(b)
