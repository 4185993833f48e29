import { type BatchHeader, batchHeaderBytes, noTimestamp, readBatchHeader } from './batch-header.ts'
import { Compression, decompress } from './compression.ts'
import { RecordsError } from './errors.ts'
import { HeaderBlock, noHeaders } from './headers.ts'

/** One record. Key, value and headers borrow the batch's bytes (or its decompressed ones). */
export interface KafkaRecord {
  readonly offset: number
  /** Milliseconds since the epoch, or -1. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: HeaderBlock
}

export interface DecodeRecordsOptions {
  /** Bytes that the records may take after decompression. Default 128 MiB. */
  readonly outputBytesMax?: number
}

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
  return readAll(recordCursor(bytes, header, options))
}

/**
 * Reads the records of a batch one after another; the checksum is not looked at.
 *
 * @throws RecordsError as {@link decodeRecords}
 */
export function recordCursor(
  bytes: Buffer,
  header: BatchHeader,
  options: DecodeRecordsOptions = {},
): RecordCursor {
  const end = header.position + header.byteCount
  if (end > bytes.byteLength)
    throw new RecordsError(
      'RECORDS_TRUNCATED',
      `expected ${header.byteCount} bytes, ${bytes.byteLength - header.position} remain`,
      header.position,
    )
  const start = header.position + batchHeaderBytes
  if (header.compression === Compression.none) return new RecordCursor(bytes, start, end, header)
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
  return new RecordCursor(records, 0, records.byteLength, header)
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

function readAll(cursor: RecordCursor): KafkaRecord[] {
  const records = new Array<KafkaRecord>(cursor.recordCount)
  for (let index = 0; cursor.next(); index++) {
    const { offset, timestamp, key, value, headers } = cursor
    records[index] = { offset, timestamp, key, value, headers }
  }
  return records
}

/**
 * Stands at one record of a batch after another; a plain loop over bytes, since this is where
 * consumers spend their time. The record's fields hold until the next {@link next}; key, value and
 * headers are made when they are asked for.
 */
export class RecordCursor implements KafkaRecord {
  /** What the places below are places in: the batch's bytes, or those that it was decompressed to. */
  readonly bytes: Buffer
  readonly recordCount: number
  offset = -1
  timestamp: number = noTimestamp
  /** Where the record begins, and ends. */
  start = 0
  end = 0
  /** Where the key begins, and its length; -1 for null. */
  keyAt = 0
  keyBytes = -1
  valueAt = 0
  valueBytes = -1
  headerCount = 0
  /** Where the first header begins, behind their count; the last ends with the record. */
  headersAt = 0
  readonly #end: number
  readonly #header: BatchHeader
  #at: number
  #left: number

  /** @throws RecordsError `RECORDS_CORRUPT` where the records cannot lie in these bytes */
  constructor(bytes: Buffer, start: number, end: number, header: BatchHeader) {
    const { recordCount } = header
    if (recordCount < 0 || recordCount * smallestRecordBytes > end - start)
      throw new RecordsError(
        'RECORDS_CORRUPT',
        `${recordCount} records in ${end - start} bytes`,
        header.position,
      )
    this.bytes = bytes
    this.#at = start
    this.#end = end
    this.#header = header
    this.recordCount = recordCount
    this.#left = recordCount
  }

  get key(): Buffer | null {
    return this.keyBytes < 0 ? null : this.bytes.subarray(this.keyAt, this.keyAt + this.keyBytes)
  }
  get value(): Buffer | null {
    if (this.valueBytes < 0) return null
    return this.bytes.subarray(this.valueAt, this.valueAt + this.valueBytes)
  }
  get headers(): HeaderBlock {
    if (this.headerCount === 0) return noHeaders
    return new HeaderBlock(this.headerCount, this.bytes, this.headersAt, this.end)
  }

  /** Whether there is no next record. */
  get isAtEnd(): boolean {
    return this.#left === 0
  }

  /** Goes on to the next record; false behind the last. @throws RecordsError `RECORDS_CORRUPT` */
  next(): boolean {
    if (this.#left === 0) return false
    this.#left--
    const header = this.#header
    this.start = this.#at
    const length = this.#varint()
    const end = this.#at + length
    if (length < 0 || end > this.#end) throw this.#corrupt(`record of ${length} bytes`)
    this.end = end
    this.#at++
    const timestampDelta = this.#varlong()
    this.offset = header.baseOffset + this.#varint()
    this.keyBytes = this.#fieldLength()
    this.keyAt = this.#at
    if (this.keyBytes > 0) this.#at += this.keyBytes
    this.valueBytes = this.#fieldLength()
    this.valueAt = this.#at
    if (this.valueBytes > 0) this.#at += this.valueBytes
    this.headerCount = this.#varint()
    if (this.headerCount !== 0) this.#skipHeaders(this.headerCount)
    if (this.#at !== end) throw this.#corrupt(`record of ${length} bytes ends elsewhere`)
    this.timestamp = header.isLogAppendTime
      ? header.maxTimestamp
      : header.baseTimestamp === noTimestamp
        ? noTimestamp
        : header.baseTimestamp + timestampDelta
    return true
  }

  /** Walks over the headers, so that those who decode them later need no checks. */
  #skipHeaders(count: number): void {
    if (count < 0 || count * 2 > this.#end - this.#at) throw this.#corrupt(`${count} headers`)
    this.headersAt = this.#at
    for (let index = 0; index < count; index++) {
      const keyBytes = this.#fieldLength()
      if (keyBytes < 0) throw this.#corrupt('header without a key')
      this.#at += keyBytes
      const valueBytes = this.#fieldLength()
      if (valueBytes > 0) this.#at += valueBytes
    }
  }

  /** The length of the field that begins here; -1 for null. */
  #fieldLength(): number {
    const length = this.#varint()
    if (length < -1 || length > this.#end - this.#at)
      throw this.#corrupt(`field of ${length} bytes`)
    return length
  }

  #varint(): number {
    const { bytes } = this
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
    const { bytes } = this
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
