/** What went in and out on one topic since the broker started. */
export interface TopicCount {
  readonly topic: string
  recordsIn: number
  recordsOut: number
}

const topicsMax = 100

/** Counts for the first hundred topics that are used; the flow page shows them. */
export class TopicCounts {
  readonly #counts = new Map<string, TopicCount>()

  add(topic: string, recordsOut: number): void {
    let count = this.#counts.get(topic)
    if (!count) {
      if (this.#counts.size >= topicsMax) return
      count = { topic, recordsIn: 0, recordsOut: 0 }
      this.#counts.set(topic, count)
    }
    count.recordsIn++
    count.recordsOut += recordsOut
  }

  values(): IterableIterator<TopicCount> {
    return this.#counts.values()
  }
}
