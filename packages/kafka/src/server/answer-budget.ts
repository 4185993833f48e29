/** However little is left, an answer may be this large, so that nobody stands still. */
const answerBytesMin = 65_536

/**
 * What the answers of all connections together may hold in memory while their clients have not taken them. A fetch asks
 * how much it may bring; a quarter of what is left, so that a few slow consumers leave room for the quick ones.
 */
export class AnswerBudget {
  readonly #bytesMax: number
  #heldBytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get heldBytes(): number {
    return this.#heldBytes
  }
  /** Nothing is left: who has an answer that he did not take gets no other one. */
  get isSpent(): boolean {
    return this.#heldBytes >= this.#bytesMax
  }
  /** The largest answer that may be made now. */
  get answerBytesMax(): number {
    return Math.max(answerBytesMin, Math.floor((this.#bytesMax - this.#heldBytes) / 4))
  }

  hold(byteCount: number): void {
    this.#heldBytes += byteCount
  }
  release(byteCount: number): void {
    this.#heldBytes -= byteCount
  }
}
