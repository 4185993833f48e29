import type { Cancellable } from '../topology/processor-node.ts'

interface Punctuation {
  nextMs: number
  readonly intervalMs: number
  readonly call: (timestampMs: number) => void
}

/** Calls that come due as a time moves on. One that missed several intervals is called once. */
export class PunctuationQueue {
  readonly #punctuations = new Set<Punctuation>()

  get isEmpty(): boolean {
    return this.#punctuations.size === 0
  }

  add(firstMs: number, intervalMs: number, call: (timestampMs: number) => void): Cancellable {
    const punctuation: Punctuation = { nextMs: firstMs, intervalMs, call }
    this.#punctuations.add(punctuation)
    return { cancel: () => void this.#punctuations.delete(punctuation) }
  }

  /** Calls what is due at `timeMs`, and says whether anything was. */
  punctuate(timeMs: number): boolean {
    let called = false
    for (const punctuation of this.#punctuations) {
      if (punctuation.nextMs > timeMs) continue
      const missed = Math.floor((timeMs - punctuation.nextMs) / punctuation.intervalMs)
      punctuation.nextMs += (missed + 1) * punctuation.intervalMs
      punctuation.call(timeMs)
      called = true
    }
    return called
  }
}
