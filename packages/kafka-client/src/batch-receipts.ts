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
   * @param kept of records that were not written, where it asks for that: what would be told of each
   */
  settleMany?(count: number, outcome: BatchOutcome, lastOffset: number, kept?: KeptRecords): void
  /** Whether indexes are kept for {@link settleMany}: 8 bytes a record, none while they count up by one. */
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
  readonly firstIndex: number
  /** Where they are asked for, and do not count up from the first. */
  indexes: number[] | undefined
  readonly receipts?: undefined
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
      if (last && !last.receipts && last.receipt === receipt) {
        if (receipt?.isKeeping) keepIndex(last, index)
        last.count++
      } else this.#runs.push({ receipt, count: 1, firstIndex: index, indexes: undefined })
    } else if (last?.receipts) {
      last.receipts.push(receipt)
      last.indexes.push(index)
      last.timestamps.push(timestamp)
    } else this.#runs.push({ receipts: [receipt], indexes: [index], timestamps: [timestamp] })
  }

  /**
   * Tells all of them. `baseOffset` and `logAppendTimeMs` are -1 where they are not known; `timestamps` gives the
   * times of all records as they were sent.
   */
  settle(
    outcome: BatchOutcome,
    baseOffset: number,
    logAppendTimeMs: number,
    timestamps: () => readonly number[],
  ): void {
    let before = 0
    let sent: readonly number[] | undefined
    const sentMs = (): readonly number[] => {
      sent ??= timestamps()
      return sent
    }
    const offsetOf = (record: number): number => (baseOffset < 0 ? -1 : baseOffset + record)
    for (const run of this.#runs)
      if (run.receipts)
        for (const [at, receipt] of run.receipts.entries())
          receipt.settle(
            run.indexes[at]!,
            outcome,
            offsetOf(before++),
            logAppendTimeMs < 0 ? run.timestamps[at]! : logAppendTimeMs,
          )
      else {
        const first = before
        before += run.count
        const kept =
          outcome.error && run.receipt?.isKeeping
            ? { indexes: indexesOf(run), timestamps: sentMs().slice(first, before) }
            : undefined
        run.receipt?.settleMany?.(run.count, outcome, offsetOf(before - 1), kept)
      }
  }

  /** The receipt of each record, with its index. */
  *[Symbol.iterator](): Generator<readonly [receipt: Receipt | undefined, index: number]> {
    for (const run of this.#runs)
      if (run.receipts)
        for (const [at, receipt] of run.receipts.entries()) yield [receipt, run.indexes[at]!]
      else for (const index of indexesOf(run)) yield [run.receipt, index]
  }
}

function keepIndex(run: CountedRun, index: number): void {
  if (!run.indexes && index !== run.firstIndex + run.count) run.indexes = indexesOf(run)
  run.indexes?.push(index)
}

/** The indexes of a run's records, true only where they are kept. */
function indexesOf({ indexes, count, firstIndex }: CountedRun): number[] {
  return indexes ?? Array.from({ length: count }, (_, at) => firstIndex + at)
}
