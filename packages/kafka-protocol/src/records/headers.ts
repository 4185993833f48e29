import { varintSize, zigzag32 } from '@khlong/core/bytes'

/** Bytes of a key, a value or a header value; text is written as UTF-8. */
export type RecordBytes = Uint8Array | string | null

/** A header that was read. Its value borrows the batch's bytes. */
export type RecordHeader = readonly [key: string, value: Buffer | null]

/** A header to write. */
export type RecordHeaderInput = readonly [key: string, value: RecordBytes]

/** Headers to write: given one by one, or carried over from a record that was read. */
export type HeadersInput = readonly RecordHeaderInput[] | HeaderBlock

/**
 * The headers of a record as they lie in its batch: decoded when they are asked for, and written
 * to another batch as bytes. Most records that pass through carry headers that nobody looks at.
 *
 * It borrows the batch's bytes, whose lengths have been checked.
 */
export class HeaderBlock {
  readonly count: number
  readonly #bytes: Buffer
  /** Of the first header, behind the count. */
  readonly #start: number
  readonly #end: number
  #entries: readonly RecordHeader[] | undefined

  constructor(count: number, bytes: Buffer, start: number, end: number) {
    this.count = count
    this.#bytes = bytes
    this.#start = start
    this.#end = end
  }

  get byteCount(): number {
    return this.#end - this.#start
  }

  get entries(): readonly RecordHeader[] {
    this.#entries ??= this.#decode()
    return this.#entries
  }

  /** The same in bytes of its own, for who keeps it longer than what was read with it. */
  copy(): HeaderBlock {
    const bytes = Buffer.from(this.#bytes.subarray(this.#start, this.#end))
    return new HeaderBlock(this.count, bytes, 0, bytes.byteLength)
  }

  /** Writes the headers behind each other, without their count, and gives where they end. */
  copyTo(target: Buffer, at: number): number {
    return at + this.#bytes.copy(target, at, this.#start, this.#end)
  }

  #decode(): readonly RecordHeader[] {
    const bytes = this.#bytes
    let at = this.#start
    const length = (): number => {
      let byte = bytes[at++]!
      let value = byte & 0x7f
      for (let shift = 7; byte >= 0x80; shift += 7) {
        byte = bytes[at++]!
        value |= (byte & 0x7f) << shift
      }
      return (value >>> 1) ^ -(value & 1)
    }
    const entries = new Array<RecordHeader>(this.count)
    for (let index = 0; index < this.count; index++) {
      const keyEnd = length() + at
      const key = bytes.toString('utf8', at, keyEnd)
      at = keyEnd
      const valueBytes = length()
      const value = valueBytes < 0 ? null : bytes.subarray(at, at + valueBytes)
      at += Math.max(0, valueBytes)
      entries[index] = [key, value]
    }
    return entries
  }
}

export const noHeaders: HeaderBlock = new HeaderBlock(0, Buffer.alloc(0), 0, 0)

/** The bytes of headers with their count. */
export function headersSize(headers: HeadersInput): number {
  if (headers instanceof HeaderBlock) return varintSize(zigzag32(headers.count)) + headers.byteCount
  let size = varintSize(zigzag32(headers.length))
  for (const [key, value] of headers) size += fieldSize(key) + fieldSize(value)
  return size
}

/** The bytes of a field with its length. */
export function fieldSize(field: RecordBytes): number {
  if (field === null) return 1
  const byteCount = typeof field === 'string' ? Buffer.byteLength(field) : field.byteLength
  return varintSize(zigzag32(byteCount)) + byteCount
}
