import { zigzag32 } from './varint.ts'

/**
 * Appends values to a buffer that grows, big-endian unless the name ends in `Le`.
 *
 * One writer can serve many messages: `reset()` keeps the memory. What `bytes()` gives is borrowed
 * until the next `reset()` or growth; `copy()` owns.
 */
export class Writer {
  #buffer: Buffer
  #view: DataView
  position = 0
  readonly #borrowFromBytes: number
  #borrowed: { readonly at: number; readonly bytes: Uint8Array }[] = []

  /**
   * Where `borrowFromBytes` is given, {@link raw} borrows pieces of that size and larger: they are not copied, must not
   * change any more, and what was written is got by {@link takePieces} alone.
   */
  constructor(
    initialBytes = 256,
    { borrowFromBytes = Number.POSITIVE_INFINITY }: { borrowFromBytes?: number } = {},
  ) {
    this.#borrowFromBytes = borrowFromBytes
    this.#buffer = Buffer.allocUnsafeSlow(initialBytes)
    this.#view = new DataView(this.#buffer.buffer)
  }

  reset(): this {
    this.position = 0
    if (this.#borrowed.length > 0) this.#borrowed = []
    return this
  }
  /** Drops what was written behind `position`. */
  truncate(position: number): void {
    this.position = position
    // A piece at the very position comes before what was written there.
    this.#borrowed = this.#borrowed.filter(({ at }) => at <= position)
  }
  /** What was written, borrowed. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.position)
  }
  /** What was written, owned by the caller. */
  copy(): Buffer {
    const owned = Buffer.allocUnsafe(this.position)
    this.#buffer.copy(owned, 0, 0, this.position)
    return owned
  }
  /** Gives the memory away with what was written, and starts anew. */
  take(): Buffer {
    const bytes = this.bytes()
    this.#grow(Math.max(256, Math.min(this.position, 65_536)))
    this.position = 0
    return bytes
  }

  /** What was written, in order: our own bytes, owned by the caller, and between them the borrowed pieces. */
  takePieces(): Uint8Array[] {
    const own = this.copy()
    if (this.#borrowed.length === 0) {
      this.reset()
      return [own]
    }
    const pieces: Uint8Array[] = []
    let from = 0
    for (const { at, bytes } of this.#borrowed) {
      if (at > from) pieces.push(own.subarray(from, at))
      pieces.push(bytes)
      from = at
    }
    if (own.byteLength > from) pieces.push(own.subarray(from))
    this.reset()
    return pieces
  }
  /** The bytes of the pieces borrowed since the position was `start`. */
  borrowedSince(start: number): number {
    let byteCount = 0
    for (const { at, bytes } of this.#borrowed) if (at >= start) byteCount += bytes.byteLength
    return byteCount
  }

  /** Makes room for `byteCount` bytes and gives the position where they begin. */
  reserve(byteCount: number): number {
    const at = this.position
    const needed = at + byteCount
    if (needed > this.#buffer.byteLength) {
      const old = this.#buffer
      this.#grow(Math.max(needed, this.#buffer.byteLength * 2))
      old.copy(this.#buffer, 0, 0, at)
    }
    this.position = needed
    return at
  }
  #grow(byteCount: number): void {
    this.#buffer = Buffer.allocUnsafeSlow(byteCount)
    this.#view = new DataView(this.#buffer.buffer)
  }

  uint8(value: number): this {
    const at = this.reserve(1)
    this.#buffer[at] = value
    return this
  }
  int8(value: number): this {
    return this.uint8(value & 0xff)
  }
  boolean(value: boolean): this {
    return this.uint8(value ? 1 : 0)
  }
  int16(value: number): this {
    const at = this.reserve(2)
    this.#view.setInt16(at, value)
    return this
  }
  uint16(value: number): this {
    const at = this.reserve(2)
    this.#view.setUint16(at, value)
    return this
  }
  int32(value: number): this {
    const at = this.reserve(4)
    this.#view.setInt32(at, value)
    return this
  }
  int32Le(value: number): this {
    const at = this.reserve(4)
    this.#view.setInt32(at, value, true)
    return this
  }
  uint32(value: number): this {
    const at = this.reserve(4)
    this.#view.setUint32(at, value)
    return this
  }
  /** A safe integer as int64. */
  int64(value: number): this {
    const at = this.reserve(8)
    this.setInt64(at, value)
    return this
  }
  bigint64(value: bigint): this {
    const at = this.reserve(8)
    this.#view.setBigInt64(at, value)
    return this
  }
  bigint64Le(value: bigint): this {
    const at = this.reserve(8)
    this.#view.setBigInt64(at, value, true)
    return this
  }
  float64(value: number): this {
    const at = this.reserve(8)
    this.#view.setFloat64(at, value)
    return this
  }
  float64Le(value: number): this {
    const at = this.reserve(8)
    this.#view.setFloat64(at, value, true)
    return this
  }

  /** An unsigned 32-bit varint. */
  uvarint(value: number): this {
    let rest = value >>> 0
    while (rest >= 0x80) {
      this.uint8((rest & 0x7f) | 0x80)
      rest >>>= 7
    }
    return this.uint8(rest)
  }
  /** A 32-bit zigzag varint. */
  varint(value: number): this {
    return this.uvarint(zigzag32(value))
  }
  /** A safe integer as zigzag varint. */
  varlong(value: number): this {
    // Above 2^53 the folded value is not exact as a number, so it is split before it is folded.
    if (value >= -0x8000_0000 && value <= 0x7fff_ffff) return this.varint(value)
    let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
    while (rest >= 0x80n) {
      this.uint8(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    return this.uint8(Number(rest))
  }

  /** Copies `bytes` in, or borrows them where they are large and the writer does that. */
  raw(bytes: Uint8Array): this {
    if (bytes.byteLength >= this.#borrowFromBytes) {
      this.#borrowed.push({ at: this.position, bytes })
      return this
    }
    const at = this.reserve(bytes.byteLength)
    this.#buffer.set(bytes, at)
    return this
  }
  /** UTF-8 without a length; gives the number of bytes written. */
  utf8(text: string): number {
    const byteCount = Buffer.byteLength(text)
    const at = this.reserve(byteCount)
    this.#buffer.write(text, at, byteCount, 'utf8')
    return byteCount
  }

  // Values whose place was reserved earlier.
  setInt32(at: number, value: number): void {
    this.#view.setInt32(at, value)
  }
  setUint32(at: number, value: number): void {
    this.#view.setUint32(at, value)
  }
  setInt32Le(at: number, value: number): void {
    this.#view.setInt32(at, value, true)
  }
  setInt64(at: number, value: number): void {
    const high = Math.floor(value / 0x1_0000_0000)
    this.#view.setInt32(at, high)
    this.#view.setUint32(at + 4, value - high * 0x1_0000_0000)
  }
}
