/**
 * Whether messages of the world's clients are taken now. While they are not, nothing is lost: each
 * publisher's messages wait, unacknowledged, until it is not read any more.
 */
export class Intake {
  #reason: string | undefined
  readonly #waiters = new Set<() => void>()

  /** Why messages wait; undefined where they do not. */
  get reason(): string | undefined {
    return this.#reason
  }

  hold(reason: string): void {
    this.#reason = reason
  }

  free(): void {
    this.#reason = undefined
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake()
  }

  /** Calls `wake` when messages are taken again. */
  wait(wake: () => void): void {
    this.#waiters.add(wake)
  }
  forget(wake: () => void): void {
    this.#waiters.delete(wake)
  }
}
