import type { PartitionLog } from './partition-log.ts'
import type { Segment } from './segment.ts'

/** Applies retention by time and by size; gives how many segments went. */
export function retainLog(log: PartitionLog, nowMs: number): number {
  const { retentionMs, retentionBytes, isDeleted } = log.config
  if (!isDeleted || log.hasFailed) return 0
  const before = log.segments.length
  if (retentionMs >= 0) {
    const isExpired = (segment: Segment): boolean =>
      nowMs - segment.newestMs() > retentionMs && log.endOf(segment) <= log.highWatermark
    if (isExpired(log.segments.at(-1)!)) log.roll()
    let start = log.logStartOffset
    for (const segment of log.segments.slice(0, -1)) {
      if (!isExpired(segment)) break
      start = log.endOf(segment)
    }
    log.deleteBefore(start)
  }
  if (retentionBytes >= 0) {
    let excess = log.byteCount - retentionBytes
    let start = log.logStartOffset
    for (const segment of log.segments.slice(0, -1)) {
      if (excess - segment.byteCount < 0 || log.endOf(segment) > log.highWatermark) break
      excess -= segment.byteCount
      start = log.endOf(segment)
    }
    log.deleteBefore(start)
  }
  return Math.max(0, before - log.segments.length)
}
