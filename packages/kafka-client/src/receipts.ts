import type { BatchOutcome, Receipt } from './batch-receipts.ts'
import type { KafkaClientError } from './errors.ts'
import type { RecordMetadata } from './record.ts'

/** Called once for a record: with an error, or with where it was written. */
export type Acknowledge = (
  error: KafkaClientError | undefined,
  metadata: RecordMetadata | undefined,
) => void

const metadataOf = (outcome: BatchOutcome, offset: number, timestamp: number): RecordMetadata => ({
  topic: outcome.topic,
  partition: outcome.partition,
  offset,
  timestamp,
})

/** The receipt of one record, for a callback. */
export class CallbackReceipt implements Receipt {
  readonly #acknowledge: Acknowledge
  constructor(acknowledge: Acknowledge) {
    this.#acknowledge = acknowledge
  }
  settle(_index: number, outcome: BatchOutcome, offset: number, timestamp: number): void {
    if (outcome.error) this.#acknowledge(outcome.error, undefined)
    else this.#acknowledge(undefined, metadataOf(outcome, offset, timestamp))
  }
}

/** One receipt for many records, whose promise resolves when the last of them is settled. */
export class ListReceipt implements Receipt {
  readonly promise: Promise<RecordMetadata[]>
  readonly #results: RecordMetadata[]
  #left: number
  #error: KafkaClientError | undefined
  #resolve!: (results: RecordMetadata[]) => void
  #reject!: (error: KafkaClientError) => void

  constructor(count: number) {
    this.#left = count
    this.#results = new Array<RecordMetadata>(count)
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    if (count === 0) this.#resolve([])
  }
  settle(index: number, outcome: BatchOutcome, offset: number, timestamp: number): void {
    if (outcome.error) this.#error ??= outcome.error
    else this.#results[index] = metadataOf(outcome, offset, timestamp)
    this.#finish(1)
  }
  /** Settles `count` records that never reached a batch. */
  fail(count: number, error: KafkaClientError): void {
    this.#error ??= error
    this.#finish(count)
  }
  #finish(count: number): void {
    this.#left -= count
    if (this.#left > 0) return
    if (this.#error) this.#reject(this.#error)
    else this.#resolve(this.#results)
  }
}
