import type { Clock, Logger } from '@khlong/core'
import type { Admin, OffsetToCommit } from '@khlong/kafka-client'

/** Java's `repartition.purge.interval.ms`. */
const purgeIntervalMs = 30_000

/**
 * Deletes from repartition topics what has been processed. Nothing else deletes it: they keep their
 * records for ever, since a record may wait for as long as the application is down.
 */
export class RepartitionPurge {
  readonly #admin: Admin
  readonly #topics: ReadonlySet<string>
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #waiting = new Map<string, OffsetToCommit>()
  #nextMs: number
  #isBusy = false

  constructor(admin: Admin, topics: ReadonlySet<string>, clock: Clock, logger: Logger) {
    this.#admin = admin
    this.#topics = topics
    this.#clock = clock
    this.#logger = logger
    this.#nextMs = clock.nowMs() + purgeIntervalMs
  }

  /** Takes committed offsets, and purges from time to time; does not wait for it. */
  note(offsets: readonly OffsetToCommit[]): void {
    for (const one of offsets)
      if (this.#topics.has(one.topic)) this.#waiting.set(`${one.topic}/${one.partition}`, one)
    const nowMs = this.#clock.nowMs()
    if (this.#isBusy || nowMs < this.#nextMs || this.#waiting.size === 0) return
    this.#nextMs = nowMs + purgeIntervalMs
    void this.#purge()
  }

  async #purge(): Promise<void> {
    this.#isBusy = true
    const partitions = [...this.#waiting.values()].map(({ topic, partition, offset }) => ({
      topic,
      partition,
      beforeOffset: offset,
    }))
    this.#waiting.clear()
    try {
      await this.#admin.deleteRecords(partitions)
    } catch (error) {
      this.#logger.debug({ err: error }, 'repartition topics could not be purged now')
    }
    this.#isBusy = false
  }
}
