/** What a stage gives when its slice of time is over; ask again later. */
export const PAUSE: unique symbol = Symbol('pause')

/**
 * A step of a query or pipeline: documents are pulled from it one by one. Nobody holds a read
 * transaction between slices: `suspend` gives it up, and the next call goes on behind the last
 * document.
 */
export interface Stage {
  /** The next document (owned by the caller), PAUSE, or undefined behind the last. */
  next(): Buffer | typeof PAUSE | undefined
  suspend(): void
  /** How many bytes of documents it holds in memory. */
  heldBytes(): number
}

/** Documents that are there already. */
export class ListStage implements Stage {
  readonly #documents: readonly Buffer[]
  #index = 0
  #bytes = 0
  constructor(documents: readonly Buffer[]) {
    this.#documents = documents
    for (const doc of documents) this.#bytes += doc.length
  }
  next(): Buffer | undefined {
    const doc = this.#documents[this.#index++]
    if (!doc) this.#bytes = 0
    return doc
  }
  suspend(): void {}
  heldBytes(): number {
    return this.#bytes
  }
}

/** A stage that looks at one document at a time; `map` gives undefined to leave one out. */
export class MapStage implements Stage {
  readonly #input: Stage
  readonly #map: (doc: Buffer) => Buffer | undefined
  constructor(input: Stage, map: (doc: Buffer) => Buffer | undefined) {
    this.#input = input
    this.#map = map
  }
  next(): Buffer | typeof PAUSE | undefined {
    for (;;) {
      const doc = this.#input.next()
      if (doc === undefined || doc === PAUSE) return doc
      const mapped = this.#map(doc)
      if (mapped) return mapped
    }
  }
  suspend(): void {
    this.#input.suspend()
  }
  heldBytes(): number {
    return this.#input.heldBytes()
  }
}

/** Leaves out the first `count` documents. */
export class SkipStage implements Stage {
  readonly #input: Stage
  #left: number
  constructor(input: Stage, count: number) {
    this.#input = input
    this.#left = count
  }
  next(): Buffer | typeof PAUSE | undefined {
    for (;;) {
      const doc = this.#input.next()
      if (doc === undefined || doc === PAUSE || this.#left <= 0) return doc
      this.#left--
    }
  }
  suspend(): void {
    this.#input.suspend()
  }
  heldBytes(): number {
    return this.#input.heldBytes()
  }
}

/** Ends behind `count` documents. */
export class LimitStage implements Stage {
  readonly #input: Stage
  #left: number
  constructor(input: Stage, count: number) {
    this.#input = input
    this.#left = count
  }
  /** Whether the limit was reached, so that no more can come. */
  get isReached(): boolean {
    return this.#left <= 0
  }
  next(): Buffer | typeof PAUSE | undefined {
    if (this.#left <= 0) return undefined
    const doc = this.#input.next()
    if (doc !== undefined && doc !== PAUSE) this.#left--
    return doc
  }
  suspend(): void {
    this.#input.suspend()
  }
  heldBytes(): number {
    return this.#input.heldBytes()
  }
}

/** Takes all of its input, a slice at a time, and then gives what `finish` makes of it. */
export class CollectStage implements Stage {
  readonly #input: Stage
  readonly #take: (doc: Buffer) => void
  readonly #finish: () => Stage
  #output: Stage | undefined
  constructor(input: Stage, take: (doc: Buffer) => void, finish: () => Stage) {
    this.#input = input
    this.#take = take
    this.#finish = finish
  }
  next(): Buffer | typeof PAUSE | undefined {
    while (!this.#output) {
      const doc = this.#input.next()
      if (doc === PAUSE) return PAUSE
      if (doc === undefined) this.#output = this.#finish()
      else this.#take(doc)
    }
    return this.#output.next()
  }
  suspend(): void {
    this.#input.suspend()
    this.#output?.suspend()
  }
  heldBytes(): number {
    return this.#input.heldBytes() + (this.#output?.heldBytes() ?? 0)
  }
}

/** Runs a stage to its end or until `take` gives false, a slice at a time. */
export async function drainStage(
  stage: Stage,
  take: (doc: Buffer) => boolean | undefined,
  checkTime?: () => void,
): Promise<void> {
  try {
    for (;;) {
      const doc = stage.next()
      if (doc === undefined) return
      if (doc !== PAUSE) {
        if (take(doc) === false) return
        continue
      }
      stage.suspend()
      checkTime?.()
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
    }
  } finally {
    stage.suspend()
  }
}
