/** Does work one after another, in the order in which it came; what fails stops nobody behind it. */
export class WorkQueue {
  #last: Promise<void> = Promise.resolve()

  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#last.then(work)
    this.#last = done.then(
      () => {},
      () => {},
    )
    return done
  }

  /** Resolves when all that came before is done, and lets nothing begin until what it gives is called. */
  async pause(): Promise<() => void> {
    const paused = Promise.withResolvers<void>()
    const resumed = Promise.withResolvers<void>()
    void this.run(() => {
      paused.resolve()
      return resumed.promise
    })
    await paused.promise
    return resumed.resolve
  }

  /** Resolves when all that came before is done. */
  idle(): Promise<void> {
    return this.#last
  }
}
