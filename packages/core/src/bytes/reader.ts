import { CodedError } from '../errors.ts'
import { unzigzag32 } from './varint.ts'

/** Bytes that end too early or hold a value that cannot be. */
export class ReadError extends CodedError {
  constructor(what: string, position: number) {
    super('BYTES_MALFORMED', `${what} at byte ${position}`, { fields: { position } })
  }
}

/**
 * Reads values from bytes in memory, from front to back, big-endian unless the name ends in `Le`.
 *
 * It is sticky: past the end, or at a bad value, every read gives a zero value, and `finish()` turns
 * the first problem into one {@link ReadError}. A decoder therefore needs no checks of its own, but
 * a count from the bytes must be taken with {@link count}, so that nothing is allocated for elements
 * that cannot be there.
 */
export class Reader {
  readonly bytes: Buffer
  position: number
  readonly end: number
  readonly #view: DataView
  #problem: string | undefined
  #problemPosition = 0

  /** `bytes` is borrowed; slices that the reader gives borrow it too. */
  constructor(bytes: Uint8Array, start = 0, end: number = bytes.byteLength) {
    this.bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.position = start
    this.end = end
  }

  get remaining(): number {
    return this.end - this.position
  }
  get failed(): boolean {
    return this.#problem !== undefined
  }

  /** Remembers a problem; the first one counts. All later reads give zero values. */
  fail(problem: string): void {
    if (this.#problem !== undefined) return
    this.#problem = problem
    this.#problemPosition = this.position
    this.position = this.end
  }

  /** @throws ReadError `BYTES_MALFORMED` where a read failed, or bytes are left over and `allowRest` is not set. */
  finish(allowRest = false): void {
    if (this.#problem !== undefined) throw new ReadError(this.#problem, this.#problemPosition)
    if (!allowRest && this.position !== this.end)
      throw new ReadError(`${this.remaining} bytes left over`, this.position)
  }

  #take(byteCount: number): number {
    const at = this.position
    if (this.#problem !== undefined || byteCount > this.end - at) {
      this.fail(`expected ${byteCount} bytes, ${this.end - at} remain`)
      return -1
    }
    this.position = at + byteCount
    return at
  }

  uint8(): number {
    const at = this.#take(1)
    return at < 0 ? 0 : this.bytes[at]!
  }
  int8(): number {
    const at = this.#take(1)
    return at < 0 ? 0 : this.#view.getInt8(at)
  }
  boolean(): boolean {
    return this.uint8() !== 0
  }
  int16(): number {
    const at = this.#take(2)
    return at < 0 ? 0 : this.#view.getInt16(at)
  }
  uint16(): number {
    const at = this.#take(2)
    return at < 0 ? 0 : this.#view.getUint16(at)
  }
  int32(): number {
    const at = this.#take(4)
    return at < 0 ? 0 : this.#view.getInt32(at)
  }
  int32Le(): number {
    const at = this.#take(4)
    return at < 0 ? 0 : this.#view.getInt32(at, true)
  }
  uint32(): number {
    const at = this.#take(4)
    return at < 0 ? 0 : this.#view.getUint32(at)
  }
  /** An int64 that is an offset or a time: a number, checked to be safe. */
  int64(): number {
    const at = this.#take(8)
    if (at < 0) return 0
    const value = this.#view.getInt32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4)
    if (Number.isSafeInteger(value)) return value
    this.position = at
    this.fail('int64 beyond 2^53')
    return 0
  }
  /** An int64 that is an opaque id. */
  bigint64(): bigint {
    const at = this.#take(8)
    return at < 0 ? 0n : this.#view.getBigInt64(at)
  }
  bigint64Le(): bigint {
    const at = this.#take(8)
    return at < 0 ? 0n : this.#view.getBigInt64(at, true)
  }
  float64(): number {
    const at = this.#take(8)
    return at < 0 ? 0 : this.#view.getFloat64(at)
  }
  float64Le(): number {
    const at = this.#take(8)
    return at < 0 ? 0 : this.#view.getFloat64(at, true)
  }

  /** An unsigned varint of at most 32 bits. */
  uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.uint8()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) {
        if (value <= 0xffff_ffff) return value
        break
      }
    }
    this.fail('varint beyond 32 bits')
    return 0
  }
  /** A zigzag varint of at most 32 bits. */
  varint(): number {
    return unzigzag32(this.uvarint())
  }
  /** A zigzag varint of a value within ±2^52; what lies beyond is a problem, not a rounded value. */
  varlong(): number {
    let low = 0
    let scale = 1
    for (let count = 0; count < 10; count++) {
      const byte = this.uint8()
      low += (byte & 0x7f) * scale
      scale *= 0x80
      if (byte < 0x80) {
        if (Number.isSafeInteger(low)) return low % 2 === 0 ? low / 2 : -(low + 1) / 2
        break
      }
    }
    this.fail('varlong beyond 2^52')
    return 0
  }

  /** The next `byteCount` bytes, borrowed. */
  slice(byteCount: number): Buffer {
    if (byteCount < 0) this.fail(`length ${byteCount}`)
    const at = this.#take(byteCount)
    return at < 0 ? empty : this.bytes.subarray(at, at + byteCount)
  }
  utf8(byteCount: number): string {
    if (byteCount < 0) this.fail(`length ${byteCount}`)
    const at = this.#take(byteCount)
    return at < 0 ? '' : this.bytes.toString('utf8', at, at + byteCount)
  }
  skip(byteCount: number): void {
    if (byteCount < 0) this.fail(`length ${byteCount}`)
    else this.#take(byteCount)
  }

  /** Checks a count of elements of at least `bytesEach` bytes against what remains; 0 where it cannot be. */
  count(elements: number, bytesEach = 1): number {
    if (elements >= 0 && elements * bytesEach <= this.remaining) return elements
    this.fail(`${elements} elements of ${bytesEach} bytes or more, ${this.remaining} bytes remain`)
    return 0
  }
}

const empty = Buffer.alloc(0)
