import { cutBatches } from './batch-cut.ts'
import type { PartitionLog } from './partition-log.ts'
import type { AbortedTransaction } from './transaction-index.ts'

export interface LogRead {
  readonly offset: number
  /** Batches at or above it are left out. */
  readonly limitOffset: number
  readonly byteCount: number
  /** The first batch comes whatever its size. */
  readonly isFirstWhole: boolean
}

/** Reads batches from a log's files; see `PartitionLog.read`. */
export async function readSegments(log: PartitionLog, wanted: LogRead): Promise<Buffer[]> {
  const { offset, limitOffset, byteCount, isFirstWhole } = wanted
  for (let index = log.segmentIndexOf(offset); index < log.segments.length; index++) {
    const segment = log.segments[index]!
    let position = segment.floorPosition(offset)
    let readBytes = byteCount + log.config.indexIntervalBytes * 2
    while (position < segment.byteCount) {
      log.assertOpen()
      const bytes = await segment.read(position, readBytes)
      const found = cutBatches(bytes, offset, limitOffset, byteCount)
      if (found.batches.byteLength > 0) return [found.batches]
      if (found.isAtLimit) return []
      if (found.neededBytes > 0) {
        if (found.isFirst && !isFirstWhole) return []
        readBytes = Math.max(readBytes, found.neededBytes)
      }
      if (found.skippedBytes === 0 && bytes.byteLength >= readBytes && found.neededBytes === 0)
        break
      position += found.skippedBytes
      if (found.skippedBytes === 0 && found.neededBytes === 0) break
    }
  }
  return []
}

/** The aborted transactions that have records from `startOffset` on and below `endOffset`. */
export function abortedTransactions(
  log: PartitionLog,
  startOffset: number,
  endOffset: number,
): AbortedTransaction[] {
  const found: AbortedTransaction[] = []
  for (let index = log.segmentIndexOf(startOffset); index < log.segments.length; index++)
    for (const entry of log.segments[index]!.transactionIndex.entries) {
      if (entry.lastOffset >= startOffset && entry.firstOffset < endOffset) found.push(entry)
      if (entry.lastStableOffset >= endOffset) return found
    }
  return found
}
