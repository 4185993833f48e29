import type { Random } from '@khlong/core'

/** Randomness that a seed repeats (xorshift32), for fleets that behave the same way twice. */
export class RepeatableRandom implements Random {
  #state: number

  constructor(seed: number) {
    // Neighbouring seeds must not begin alike, and 0 would stay 0.
    this.#state = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) | 1
    for (let round = 0; round < 8; round++) this.next()
  }

  next(): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return (state >>> 0) / 0x1_0000_0000
  }

  bytes(byteCount: number): Buffer {
    return Buffer.from(Array.from({ length: byteCount }, () => Math.floor(this.next() * 256)))
  }
}
