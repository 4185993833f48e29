import type { KafkaClientError } from './errors.ts'

/** How a batch ended. */
export interface BatchOutcome {
  readonly topic: string
  readonly partition: number
  readonly error?: KafkaClientError
}

/** Is told, once per record, how it ended. One receipt may stand for many records. */
export interface Receipt {
  settle(index: number, outcome: BatchOutcome, offset: number, timestamp: number): void
  /**
   * Is told at once of records that followed each other in a batch, where it can do without their
   * indexes and times: nothing is kept of each of them until then. `lastOffset` is -1 where it is not known.
   */
  settleMany?(count: number, outcome: BatchOutcome, lastOffset: number): void
}

/** Records one after the other, of which only their number is kept. */
interface CountedRun {
  readonly receipt: Receipt | undefined
  count: number
  readonly indexes?: undefined
}

/** Records one after the other that are told apart. */
interface ListedRun {
  readonly receipts: Receipt[]
  readonly indexes: number[]
  readonly timestamps: number[]
}

/** Who is told of the records of a batch, in their order. */
export class BatchReceipts {
  readonly #runs: (CountedRun | ListedRun)[] = []
  count = 0

  add(receipt: Receipt | undefined, index: number, timestamp: number): void {
    this.count++
    const last = this.#runs.at(-1)
    if (!receipt || receipt.settleMany) {
      if (last && !last.indexes && last.receipt === receipt) last.count++
      else this.#runs.push({ receipt, count: 1 })
    } else if (last?.indexes) {
      last.receipts.push(receipt)
      last.indexes.push(index)
      last.timestamps.push(timestamp)
    } else this.#runs.push({ receipts: [receipt], indexes: [index], timestamps: [timestamp] })
  }

  /** Tells all of them. `baseOffset` and `logAppendTimeMs` are -1 where they are not known. */
  settle(outcome: BatchOutcome, baseOffset: number, logAppendTimeMs: number): void {
    let before = 0
    const offsetOf = (record: number): number => (baseOffset < 0 ? -1 : baseOffset + record)
    for (const run of this.#runs)
      if (run.indexes)
        for (const [at, receipt] of run.receipts.entries())
          receipt.settle(
            run.indexes[at]!,
            outcome,
            offsetOf(before++),
            logAppendTimeMs < 0 ? run.timestamps[at]! : logAppendTimeMs,
          )
      else {
        before += run.count
        run.receipt?.settleMany?.(run.count, outcome, offsetOf(before - 1))
      }
  }

  /** The receipt of each record, with its index. */
  *[Symbol.iterator](): Generator<readonly [receipt: Receipt | undefined, index: number]> {
    for (const run of this.#runs)
      if (run.indexes)
        for (const [at, receipt] of run.receipts.entries()) yield [receipt, run.indexes[at]!]
      else for (let left = run.count; left > 0; left--) yield [run.receipt, 0]
  }
}
