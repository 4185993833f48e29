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
   *
   * @param kept where it asks for that, what would be told of each
   */
  settleMany?(count: number, outcome: BatchOutcome, lastOffset: number, kept?: KeptRecords): void
  /** Whether indexes and times are kept for {@link settleMany}, 16 bytes a record. */
  readonly isKeeping?: boolean
}

/** The indexes of records that followed each other, and their times as they were sent. */
export interface KeptRecords {
  readonly indexes: number[]
  readonly timestamps: number[]
}

/** Records one after the other that one receipt is told of at once. */
interface CountedRun {
  readonly receipt: Receipt | undefined
  count: number
  readonly kept: KeptRecords | undefined
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
      let kept: KeptRecords | undefined
      if (last && !last.indexes && last.receipt === receipt) {
        last.count++
        kept = last.kept
      } else {
        kept = receipt?.isKeeping ? { indexes: [], timestamps: [] } : undefined
        this.#runs.push({ receipt, count: 1, kept })
      }
      if (!kept) return
      kept.indexes.push(index)
      kept.timestamps.push(timestamp)
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
        run.receipt?.settleMany?.(run.count, outcome, offsetOf(before - 1), run.kept)
      }
  }

  /** The receipt of each record, with its index. */
  *[Symbol.iterator](): Generator<readonly [receipt: Receipt | undefined, index: number]> {
    for (const run of this.#runs)
      if (run.indexes)
        for (const [at, receipt] of run.receipts.entries()) yield [receipt, run.indexes[at]!]
      else for (let at = 0; at < run.count; at++) yield [run.receipt, run.kept?.indexes[at] ?? 0]
  }
}
