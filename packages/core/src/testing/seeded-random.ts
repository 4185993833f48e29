import type { Random } from '../random.ts'

/** Randomness that a seed replays (mulberry32); never for secrets. */
export class SeededRandom implements Random {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let value = this.#state
    value = Math.imul(value ^ (value >>> 15), value | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return ((value ^ (value >>> 14)) >>> 0) / 0x1_0000_0000
  }
  bytes(byteCount: number): Buffer {
    const bytes = Buffer.allocUnsafe(byteCount)
    for (let index = 0; index < byteCount; index++) bytes[index] = this.next() * 256
    return bytes
  }
}
