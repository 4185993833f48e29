import { type BatchHeader, batchHeaderBytes, noTimestamp, readBatchHeader } from './batch-header.ts'
import { Compression, decompress } from './compression.ts'
import { RecordsError } from './errors.ts'

export interface RecordHeader {
  readonly key: string
  /** Borrowed from the batch. */
  readonly value: Buffer | null
}

/** One record. Key, value and header values borrow the batch's bytes (or its decompressed ones). */
export interface KafkaRecord {
  readonly offset: number
  /** Milliseconds since the epoch, or -1. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

export interface DecodeRecordsOptions {
  /** Bytes that the records may take after decompression. Default 128 MiB. */
  readonly outputBytesMax?: number
}

const noHeaders: readonly RecordHeader[] = Object.freeze([])
const defaultOutputBytesMax = 128 * 1024 * 1024
/** Of the smallest record: length, attributes, two deltas, three lengths. */
const smallestRecordBytes = 7

/**
 * Decodes the records of the batch that begins at `position`. The checksum is not looked at; see
 * `checkBatch`. Records of a control batch are markers, not data: see `decodeControlRecord`.
 *
 * @throws RecordsError `RECORDS_TRUNCATED`, `RECORDS_CORRUPT`, `RECORDS_TOO_LARGE`
 */
export function decodeRecords(
  bytes: Buffer,
  position = 0,
  options: DecodeRecordsOptions = {},
): KafkaRecord[] {
  const header = readBatchHeader(bytes, position)
  return decodeRecordsOf(bytes, header, options)
}

/** As {@link decodeRecords}, where the header is known already. */
export function decodeRecordsOf(
  bytes: Buffer,
  header: BatchHeader,
  options: DecodeRecordsOptions = {},
): KafkaRecord[] {
  const end = header.position + header.byteCount
  if (end > bytes.byteLength)
    throw new RecordsError(
      'RECORDS_TRUNCATED',
      `expected ${header.byteCount} bytes, ${bytes.byteLength - header.position} remain`,
      header.position,
    )
  const start = header.position + batchHeaderBytes
  if (header.compression === Compression.none) return readRecords(bytes, start, end, header)
  const outputBytesMax = options.outputBytesMax ?? defaultOutputBytesMax
  let records: Buffer
  try {
    records = decompress(header.compression, bytes.subarray(start, end), outputBytesMax)
  } catch (error) {
    const isTooLarge =
      (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ||
      (error instanceof RangeError && error.message.includes('at most'))
    throw new RecordsError(
      isTooLarge ? 'RECORDS_TOO_LARGE' : 'RECORDS_CORRUPT',
      isTooLarge
        ? `records take more than ${outputBytesMax} bytes decompressed`
        : 'records cannot be decompressed',
      header.position,
      error,
    )
  }
  return readRecords(records, 0, records.byteLength, header)
}

/** A marker that ends a transaction. */
export interface ControlRecord {
  readonly type: 'abort' | 'commit'
  readonly coordinatorEpoch: number
}

/** What a record of a control batch says; undefined for kinds that are not transaction markers. */
export function decodeControlRecord(record: KafkaRecord): ControlRecord | undefined {
  const { key, value } = record
  if (!key || key.byteLength < 4 || !value || value.byteLength < 6) return undefined
  const type = key.readInt16BE(2)
  if (type !== 0 && type !== 1) return undefined
  return { type: type === 0 ? 'abort' : 'commit', coordinatorEpoch: value.readInt32BE(2) }
}

function readRecords(
  bytes: Buffer,
  start: number,
  end: number,
  header: BatchHeader,
): KafkaRecord[] {
  const { recordCount } = header
  if (recordCount < 0 || recordCount * smallestRecordBytes > end - start)
    throw new RecordsError(
      'RECORDS_CORRUPT',
      `${recordCount} records in ${end - start} bytes`,
      header.position,
    )
  const cursor = new RecordCursor(bytes, start, end, header)
  const records = new Array<KafkaRecord>(recordCount)
  for (let index = 0; index < recordCount; index++) records[index] = cursor.next()
  return records
}

/** Reads records one after another; a plain loop over bytes, since this is where consumers spend their time. */
class RecordCursor {
  readonly #bytes: Buffer
  readonly #end: number
  readonly #header: BatchHeader
  #at: number

  constructor(bytes: Buffer, start: number, end: number, header: BatchHeader) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
    this.#header = header
  }

  next(): KafkaRecord {
    const header = this.#header
    const length = this.#varint()
    const end = this.#at + length
    if (length < 0 || end > this.#end) throw this.#corrupt(`record of ${length} bytes`)
    this.#at++
    const timestampDelta = this.#varlong()
    const offset = header.baseOffset + this.#varint()
    const key = this.#nullableBytes()
    const value = this.#nullableBytes()
    const headerCount = this.#varint()
    const headers = headerCount === 0 ? noHeaders : this.#headers(headerCount)
    if (this.#at !== end) throw this.#corrupt(`record of ${length} bytes ends elsewhere`)
    const timestamp = header.isLogAppendTime
      ? header.maxTimestamp
      : header.baseTimestamp === noTimestamp
        ? noTimestamp
        : header.baseTimestamp + timestampDelta
    return { offset, timestamp, key, value, headers }
  }

  #headers(count: number): readonly RecordHeader[] {
    if (count < 0 || count * 2 > this.#end - this.#at) throw this.#corrupt(`${count} headers`)
    const headers = new Array<RecordHeader>(count)
    for (let index = 0; index < count; index++) {
      const key = this.#nullableBytes()
      if (!key) throw this.#corrupt('header without a key')
      headers[index] = { key: key.toString('utf8'), value: this.#nullableBytes() }
    }
    return headers
  }

  #nullableBytes(): Buffer | null {
    const length = this.#varint()
    if (length === -1) return null
    const at = this.#at
    if (length < 0 || length > this.#end - at) throw this.#corrupt(`field of ${length} bytes`)
    this.#at = at + length
    return this.#bytes.subarray(at, at + length)
  }

  #varint(): number {
    const bytes = this.#bytes
    let byte = bytes[this.#at++]!
    // Most are one byte: deltas and lengths below 64.
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
    let value = byte & 0x7f
    for (let shift = 7; shift < 35; shift += 7) {
      byte = bytes[this.#at++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        if (this.#at > this.#end) break
        return (value >>> 1) ^ -(value & 1)
      }
    }
    throw this.#corrupt('varint is cut or too long')
  }

  #varlong(): number {
    const bytes = this.#bytes
    let value = 0
    let scale = 1
    for (let count = 0; count < 8; count++) {
      const byte = bytes[this.#at++]!
      value += (byte & 0x7f) * scale
      scale *= 0x80
      if (byte < 0x80) {
        if (this.#at > this.#end || !Number.isSafeInteger(value)) break
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      }
    }
    throw this.#corrupt('time is cut or beyond 2^52')
  }

  #corrupt(what: string): RecordsError {
    return new RecordsError(
      'RECORDS_CORRUPT',
      `${what} at byte ${this.#at} of the records`,
      this.#header.position,
    )
  }
}
