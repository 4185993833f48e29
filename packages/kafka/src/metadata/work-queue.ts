/**
 * Does work one after another, in the order in which it came, but for work that says of what alone it is: that
 * goes beside other such work. What fails stops nobody behind it.
 */
export class WorkQueue {
  /** The last work that nothing may go beside. */
  #alone: Promise<void> = Promise.resolve()
  /** All that has come. */
  #all: Promise<void> = Promise.resolve()
  readonly #byKey = new Map<string, Promise<void>>()

  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#all.then(work)
    this.#alone = settled(done)
    this.#all = this.#alone
    return done
  }

  /** Work that touches nothing that work of other keys does. */
  runBeside<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const done = Promise.all([this.#alone, this.#byKey.get(key)]).then(work)
    const end = settled(done).then(() => {
      if (this.#byKey.get(key) === end) this.#byKey.delete(key)
    })
    this.#byKey.set(key, end)
    this.#all = Promise.all([this.#all, end]).then(nothing)
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
    return this.#all
  }
}

function settled(work: Promise<unknown>): Promise<void> {
  return work.then(nothing, nothing)
}

function nothing(): void {}
