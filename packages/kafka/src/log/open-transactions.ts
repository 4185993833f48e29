/** A transaction that a marker ended. */
export interface EndedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
  /** Of the marker. */
  readonly lastOffset: number
  readonly isAborted: boolean
  /** Up to here everything is decided once the marker is in the log. */
  readonly lastStableOffset: number
}

/**
 * The transactions of one partition whose end consumers may not see yet: those without a marker, and
 * those whose marker is not below the high watermark.
 */
export class OpenTransactions {
  /** First offsets by producer id. They begin in the order of offsets, so the first is the oldest. */
  readonly #open = new Map<bigint, number>()
  #ended: EndedTransaction[] = []

  /** Where the oldest undecided transaction begins. */
  get firstOffset(): number | undefined {
    let first: number | undefined
    for (const offset of this.#open.values()) {
      first = offset
      break
    }
    for (const { firstOffset } of this.#ended)
      if (first === undefined || firstOffset < first) first = firstOffset
    return first
  }

  /** The first offset of a producer's open transaction; undefined where it has none. */
  of(producerId: bigint): number | undefined {
    return this.#open.get(producerId)
  }

  producerIds(): IterableIterator<bigint> {
    return this.#open.keys()
  }

  begin(producerId: bigint, firstOffset: number): void {
    if (!this.#open.has(producerId)) this.#open.set(producerId, firstOffset)
  }

  /** Ends a producer's transaction with the marker at `lastOffset`; undefined where none is open. */
  end(producerId: bigint, lastOffset: number, isAborted: boolean): EndedTransaction | undefined {
    const firstOffset = this.#open.get(producerId)
    if (firstOffset === undefined) return undefined
    this.#open.delete(producerId)
    let lastStableOffset = lastOffset + 1
    for (const offset of this.#open.values()) {
      lastStableOffset = offset
      break
    }
    const ended = { producerId, firstOffset, lastOffset, isAborted, lastStableOffset }
    this.#ended.push(ended)
    return ended
  }

  /** The high watermark has moved: what ended below it is decided for everybody. */
  settle(highWatermark: number): void {
    if (this.#ended.length > 0)
      this.#ended = this.#ended.filter(({ lastOffset }) => lastOffset >= highWatermark)
  }

  /** Takes the open transactions of a snapshot. */
  load(open: readonly (readonly [producerId: bigint, firstOffset: number])[]): void {
    this.clear()
    for (const [producerId, firstOffset] of open.toSorted((a, b) => a[1] - b[1]))
      this.#open.set(producerId, firstOffset)
  }

  clear(): void {
    this.#open.clear()
    this.#ended = []
  }
}
