import type { Random } from '@khlong/core'

/** Waits that double from `minMs` to `maxMs`, with a random part so that many do not come at once. */
export class Backoff {
  readonly #minMs: number
  readonly #maxMs: number
  readonly #random: Random
  #attempts = 0

  constructor(options: { minMs: number; maxMs: number; random: Random }) {
    this.#minMs = options.minMs
    this.#maxMs = options.maxMs
    this.#random = options.random
  }

  /** How long to wait before the next attempt. */
  nextMs(): number {
    const limit = Math.min(this.#maxMs, this.#minMs * 2 ** Math.min(this.#attempts++, 30))
    return Math.round(limit * (0.8 + 0.2 * this.#random.next()))
  }

  reset(): void {
    this.#attempts = 0
  }
}
