import { decodeRecordsOf, readBatchHeader } from '@khlong/kafka-protocol/records'
import type { PartitionLog } from './partition-log.ts'
import type { Segment } from './segment.ts'

export interface TimedOffset {
  readonly offset: number
  readonly timestamp: number
}

/** The first record at or after `timestamp`, below `limitOffset`; undefined where there is none. */
export function offsetForTime(
  log: PartitionLog,
  timestamp: number,
  limitOffset: number,
): TimedOffset | undefined {
  for (const segment of log.segments) {
    if (segment.maxTimestamp < timestamp) continue
    const entry = segment.timeIndex.floor(timestamp - 1)
    const position = entry ? segment.floorPosition(segment.baseOffset + entry.value) : 0
    const found = firstRecord(log, segment, position, limitOffset, (time) => time >= timestamp)
    if (found) return found
  }
  return undefined
}

/** The record with the greatest time; undefined where it does not lie below `limitOffset`. */
export function offsetOfMaxTime(log: PartitionLog, limitOffset: number): TimedOffset | undefined {
  let newest: Segment | undefined
  for (const segment of log.segments)
    if (segment.byteCount > 0 && segment.maxTimestamp > (newest?.maxTimestamp ?? -1))
      newest = segment
  if (!newest) return undefined
  const { maxTimestamp } = newest
  const position = newest.floorPosition(newest.maxTimestampOffset)
  return firstRecord(log, newest, position, limitOffset, (time) => time >= maxTimestamp)
}

function firstRecord(
  log: PartitionLog,
  segment: Segment,
  start: number,
  limitOffset: number,
  isWanted: (timestamp: number) => boolean,
): TimedOffset | undefined {
  let found: TimedOffset | undefined
  segment.scan(start, true, (header, batch) => {
    if (header.baseOffset >= limitOffset) return false
    if (!isWanted(header.maxTimestamp) || header.lastOffset < log.logStartOffset) return true
    if (header.isLogAppendTime) {
      found = {
        offset: Math.max(header.baseOffset, log.logStartOffset),
        timestamp: header.maxTimestamp,
      }
      return false
    }
    for (const record of decodeRecordsOf(batch, readBatchHeader(batch)))
      if (isWanted(record.timestamp) && record.offset >= log.logStartOffset) {
        found = { offset: record.offset, timestamp: record.timestamp }
        return false
      }
    return true
  })
  return found
}
