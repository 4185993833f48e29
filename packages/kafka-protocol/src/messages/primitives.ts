import type { Reader } from '@khlong/core/bytes'
import { Writer } from '@khlong/core/bytes'
import { KafkaProtocolError } from '../errors.ts'

// The primitive types of the protocol beyond those that Reader and Writer have. `flexible` chooses
// the compact form (KIP-482): lengths are unsigned varints, one more than the length, 0 for null.

/**
 * A 16-byte id in Kafka's own text form: 22 characters of base64url without padding, as tools print
 * it and as ZooKeeper and `partition.metadata` keep it.
 */
export type Uuid = string

/** The id that stands for "none". */
export const zeroUuid: Uuid = 'AAAAAAAAAAAAAAAAAAAAAA'

/** Bytes of records: one piece, or several that are written one after the other. */
export type RecordBytes = Uint8Array | readonly Uint8Array[]

const stringBytesMax = 0x7fff

/** Reads a length; -1 for null. */
function readLength16(reader: Reader, flexible: boolean): number {
  return flexible ? reader.uvarint() - 1 : reader.int16()
}
function readLength32(reader: Reader, flexible: boolean): number {
  return flexible ? reader.uvarint() - 1 : reader.int32()
}

export function readString(reader: Reader, flexible: boolean): string {
  return reader.utf8(readLength16(reader, flexible))
}
export function readNullableString(reader: Reader, flexible: boolean): string | null {
  const length = readLength16(reader, flexible)
  return length === -1 ? null : reader.utf8(length)
}
/** Borrowed. */
export function readBytes(reader: Reader, flexible: boolean): Buffer {
  return reader.slice(readLength32(reader, flexible))
}
/** Borrowed. */
export function readNullableBytes(reader: Reader, flexible: boolean): Buffer | null {
  const length = readLength32(reader, flexible)
  return length === -1 ? null : reader.slice(length)
}
export function readUuid(reader: Reader): Uuid {
  const at = reader.position
  reader.skip(16)
  return reader.failed ? zeroUuid : reader.bytes.toString('base64url', at, at + 16)
}
/** An int64 whose exact value means nothing beyond 2^53: it is cut there. */
export function readClampedInt64(reader: Reader): number {
  const value = reader.bigint64()
  if (value > maxSafe) return Number.MAX_SAFE_INTEGER
  return value < -maxSafe ? Number.MIN_SAFE_INTEGER : Number(value)
}
const maxSafe = BigInt(Number.MAX_SAFE_INTEGER)

/** Reads an element count, checked against what remains. */
export function readArrayLength(reader: Reader, flexible: boolean, bytesEach: number): number {
  return reader.count(readLength32(reader, flexible), bytesEach)
}
/** Reads an element count, checked against what remains; -1 for null. */
export function readNullableArrayLength(
  reader: Reader,
  flexible: boolean,
  bytesEach: number,
): number {
  const length = readLength32(reader, flexible)
  return length === -1 ? -1 : reader.count(length, bytesEach)
}
/** Reads the marker before a struct that may be null. */
export function readPresence(reader: Reader): boolean {
  return reader.int8() >= 0
}

/** Reads the number of tagged fields; each takes two bytes or more. */
export function readTagCount(reader: Reader): number {
  return reader.count(reader.uvarint(), 2)
}
/** Reads the size of one tagged field and gives the position where it ends. */
export function readTagEnd(reader: Reader): number {
  const size = reader.count(reader.uvarint())
  return reader.position + size
}
/** Holds a tagged field to the size that stands before it. */
export function finishTag(reader: Reader, end: number): void {
  if (!reader.failed && reader.position !== end) reader.fail('tagged field of another size')
}
/** Skips a tagged field that nobody here knows. */
export function skipTag(reader: Reader, end: number): void {
  reader.skip(Math.max(0, end - reader.position))
}
/** Skips all tagged fields of a struct that knows none. */
export function skipTags(reader: Reader): void {
  for (let left = readTagCount(reader); left > 0 && !reader.failed; left--) {
    reader.uvarint()
    skipTag(reader, readTagEnd(reader))
  }
}

export function writeString(writer: Writer, text: string, flexible: boolean): void {
  const byteCount = Buffer.byteLength(text)
  if (byteCount > stringBytesMax)
    throw new KafkaProtocolError(
      'KAFKA_PROTOCOL_STRING_TOO_LONG',
      `a string of ${byteCount} bytes, at most ${stringBytesMax} fit: ${text.slice(0, 40)}…`,
    )
  if (flexible) writer.uvarint(byteCount + 1)
  else writer.int16(byteCount)
  writer.utf8(text)
}
export function writeNullableString(writer: Writer, text: string | null, flexible: boolean): void {
  if (text !== null) writeString(writer, text, flexible)
  else if (flexible) writer.uvarint(0)
  else writer.int16(-1)
}
function writeLength32(writer: Writer, length: number, flexible: boolean): void {
  if (flexible) writer.uvarint(length + 1)
  else writer.int32(length)
}
export function writeBytes(writer: Writer, bytes: Uint8Array, flexible: boolean): void {
  writeLength32(writer, bytes.byteLength, flexible)
  writer.raw(bytes)
}
export function writeNullableBytes(
  writer: Writer,
  bytes: Uint8Array | null,
  flexible: boolean,
): void {
  if (bytes === null) writeLength32(writer, -1, flexible)
  else writeBytes(writer, bytes, flexible)
}
export function writeRecords(writer: Writer, records: RecordBytes | null, flexible: boolean): void {
  if (records === null) {
    writeLength32(writer, -1, flexible)
  } else if (records instanceof Uint8Array) {
    writeBytes(writer, records, flexible)
  } else {
    let byteCount = 0
    for (const piece of records) byteCount += piece.byteLength
    writeLength32(writer, byteCount, flexible)
    for (const piece of records) writer.raw(piece)
  }
}
export function writeUuid(writer: Writer, uuid: Uuid): void {
  if (uuid === zeroUuid) {
    writer.int64(0).int64(0)
    return
  }
  const bytes = Buffer.from(uuid, 'base64url')
  if (bytes.byteLength !== 16)
    throw new KafkaProtocolError('KAFKA_PROTOCOL_UUID_MALFORMED', `not an id of 16 bytes: ${uuid}`)
  writer.raw(bytes)
}
/** Writes the length of an array, or the sign of null. */
export function writeArrayLength(
  writer: Writer,
  array: readonly unknown[] | null,
  flexible: boolean,
): void {
  writeLength32(writer, array === null ? -1 : array.length, flexible)
}
/** Writes the marker before a struct that may be null. */
export function writePresence(writer: Writer, present: boolean): void {
  writer.int8(present ? 1 : -1)
}
/** Writes one tagged field: its tag, its size and what `write` appends. */
export function writeTag(writer: Writer, tag: number, write: (writer: Writer) => void): void {
  const field = new Writer(64)
  write(field)
  writer.uvarint(tag).uvarint(field.position).raw(field.bytes())
}

/** @throws KafkaProtocolError where `value` is null although this version has no null. */
export function notNull<T>(value: T | null, field: string): T {
  if (value !== null) return value
  throw new KafkaProtocolError(
    'KAFKA_PROTOCOL_UNSUPPORTED_FIELD',
    `${field} cannot be null in this version`,
    { fields: { field } },
  )
}
/** Says that a request carries a field that its version has no place for. */
export function unsupportedField(field: string, version: number): never {
  throw new KafkaProtocolError(
    'KAFKA_PROTOCOL_UNSUPPORTED_FIELD',
    `${field} cannot be sent in version ${version}; the other side is too old or too new for it`,
    { fields: { field, version } },
  )
}

/** The default of fields of bytes. */
export const emptyBytes: Buffer = Buffer.alloc(0)
