import type { BatchHeader } from '@khlong/kafka-protocol/records'
import type { PartitionLog } from './partition-log.ts'
import { abortedTransactions } from './segment-read.ts'
import type { AbortedTransaction } from './transaction-index.ts'

/**
 * What compaction must know of transactions while it walks over a log from its start: records of aborted
 * ones go, and a marker goes when nothing of its transaction was there any more before this cleaning.
 */
export class CleanedTransactions {
  readonly #aborted = new Map<bigint, AbortedTransaction[]>()
  /** Producers with data since their last marker. */
  readonly #withData = new Set<bigint>()
  readonly #horizonMs: number

  /** For the offsets below `endOffset`, where every transaction is decided. */
  constructor(log: PartitionLog, endOffset: number, horizonMs: number) {
    this.#horizonMs = horizonMs
    for (const entry of abortedTransactions(log, log.segments[0]!.baseOffset, endOffset)) {
      const known = this.#aborted.get(entry.producerId)
      if (known) known.push(entry)
      else this.#aborted.set(entry.producerId, [entry])
    }
  }

  isAborted({ isTransactional, isControl, producerId, baseOffset }: BatchHeader): boolean {
    if (!isTransactional || isControl) return false
    const entries = this.#aborted.get(producerId)
    return (
      entries?.some(
        ({ firstOffset, lastOffset }) => firstOffset <= baseOffset && baseOffset < lastOffset,
      ) ?? false
    )
  }

  /** Passes a batch, in the order of the log; true for a marker that nothing needs any more. */
  passes({ isTransactional, isControl, producerId, maxTimestamp }: BatchHeader): boolean {
    if (!isTransactional) return false
    if (!isControl) {
      this.#withData.add(producerId)
      return false
    }
    return !this.#withData.delete(producerId) && maxTimestamp < this.#horizonMs
  }
}
