/** Appends bits, most significant first. */
export class BitWriter {
  bytes: Buffer
  /** Bits written. */
  length = 0

  constructor(initialBytes = 64) {
    this.bytes = Buffer.alloc(initialBytes)
  }

  /** The lowest `count` bits of `value`; at most 32. */
  write(value: number, count: number): void {
    const needed = (this.length + count + 7) >>> 3
    if (needed > this.bytes.length) {
      const grown = Buffer.alloc(Math.max(needed, this.bytes.length * 2))
      this.bytes.copy(grown)
      this.bytes = grown
    }
    let left = count
    while (left > 0) {
      const free = 8 - (this.length & 7)
      const take = Math.min(free, left)
      const bits = (value >>> (left - take)) & ((1 << take) - 1)
      this.bytes[this.length >>> 3]! |= bits << (free - take)
      this.length += take
      left -= take
    }
  }
}

/** Reads bits, most significant first. */
export class BitReader {
  readonly #bytes: Uint8Array
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  bit(): number {
    const bit = (this.#bytes[this.#position >>> 3]! >>> (7 - (this.#position & 7))) & 1
    this.#position++
    return bit
  }

  /** `count` bits, at most 32, unsigned. */
  read(count: number): number {
    let value = 0
    let left = count
    while (left > 0) {
      const free = 8 - (this.#position & 7)
      const take = Math.min(free, left)
      const bits = (this.#bytes[this.#position >>> 3]! >>> (free - take)) & ((1 << take) - 1)
      value = value * 2 ** take + bits
      this.#position += take
      left -= take
    }
    return value
  }
}
