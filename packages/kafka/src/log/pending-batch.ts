import type { BatchHeader } from '@khlong/kafka-protocol/records'
import type { LogConfig } from './log-config.ts'
import type { EndedTransaction } from './open-transactions.ts'
import type { Segment } from './segment.ts'

/** A batch that is appended and not in its file. */
export interface PendingBatch {
  readonly header: BatchHeader
  readonly bytes: Buffer
  /** Its place among the appends of all logs. */
  readonly order: number
  /** Where it begins a segment: the snapshot of the producers before it. */
  readonly snapshot: Buffer | undefined
  readonly ended: EndedTransaction | undefined
  /** It is durable in the commit journal: its write may be late, and not fail. */
  isOwed: boolean
}

/** The segment that the next batch goes to, with what is pending for it. */
export interface SegmentPlan {
  baseOffset: number
  byteCount: number
  firstTimestamp: number | undefined
}

/** Whether a batch must begin a segment. */
export function isRollDue(
  plan: SegmentPlan,
  active: Segment,
  next: BatchHeader,
  config: LogConfig,
): boolean {
  const { baseOffset, byteCount, firstTimestamp } = plan
  if (byteCount === 0) return false
  return (
    byteCount + next.byteCount > config.segmentBytes ||
    (firstTimestamp !== undefined && next.maxTimestamp - firstTimestamp > config.segmentMs) ||
    (active.baseOffset === baseOffset && active.offsetIndex.byteCount + 8 > config.indexBytesMax) ||
    next.lastOffset - baseOffset > 0x7fff_ffff
  )
}
