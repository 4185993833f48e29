import type { Clock, TimerHandle } from '@khlong/core'
import { KafkaError } from '../errors.ts'
import type { Committer } from '../log/committer.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'

/**
 * A time in which the broker acknowledges no record and changes no topic. It ends by itself at its
 * deadline, so that whoever asked for it and is gone stops nobody.
 */
export class BrokerHold {
  readonly #committer: Committer
  readonly #metadata: MetadataStore
  readonly #clock: Clock
  readonly #over = Promise.withResolvers<void>()
  #releases: (() => void)[] = []
  #timer: TimerHandle | undefined
  #isOver = false
  #isLate = false

  constructor(committer: Committer, metadata: MetadataStore, clock: Clock) {
    this.#committer = committer
    this.#metadata = metadata
    this.#clock = clock
  }

  /** Resolves when the hold is over. */
  get ended(): Promise<void> {
    return this.#over.promise
  }

  /** @throws KafkaError `KAFKA_HOLD_ENDED` where the deadline comes before everything stands still */
  async begin(deadlineMs: number): Promise<void> {
    this.#timer = this.#clock.setTimer(() => {
      this.#isLate = true
      this.cancel()
    }, deadlineMs)
    // Changes of topics first: while one is under way it may have to write records.
    for (const begin of [() => this.#metadata.pause(), () => this.#committer.hold()]) {
      const release = begin().then((end) => {
        if (this.#isOver) end()
        else this.#releases.push(end)
      })
      await Promise.race([release, this.#over.promise])
      if (this.#isLate) throw late()
    }
  }

  /** @throws KafkaError `KAFKA_HOLD_ENDED` where the deadline had passed before */
  end(): void {
    this.cancel()
    if (this.#isLate) throw late()
  }

  /** Ends the hold whatever it had reached. */
  cancel(): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#timer) this.#clock.clearTimer(this.#timer)
    for (const release of this.#releases.splice(0)) release()
    this.#over.resolve()
  }
}

function late(): KafkaError {
  return new KafkaError('KAFKA_HOLD_ENDED', 'the broker was held for too long and goes on', {
    retriable: true,
  })
}
