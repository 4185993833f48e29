import { renameSync, rmSync, utimesSync } from 'node:fs'
import type { Logger } from '@khlong/core'
import {
  BatchBuilder,
  type BatchHeader,
  decodeRecordsOf,
  type KafkaRecord,
  readBatchHeader,
} from '@khlong/kafka-protocol/records'
import { flushFolder } from './checkpoint-file.ts'
import { CleanedTransactions } from './cleaned-transactions.ts'
import type { LogStore } from './log-store.ts'
import type { PartitionLog } from './partition-log.ts'
import type { Segment } from './segment.ts'

// Compaction: of the records with the same key only the last stays; a tombstone goes too when it is
// older than `delete.retention.ms`. Only segments that are not written any more are cleaned, each for
// itself, and offsets never change. The cleaned segment is written beside as `.cleaned`, flushed, and
// renamed over the one that it replaces. Records of aborted transactions go at once, and hide nothing;
// above the last stable offset nothing is cleaned.

/** Keys of one cleaning; what lies beyond is left for the next. */
const keysMax = 2_000_000

/** Cleans every compacted partition that has enough to clean. */
export async function cleanLogs(logs: LogStore, nowMs: number, logger: Logger): Promise<void> {
  for (const log of [...logs.logs.values()]) {
    if (!log.config.isCompacted) continue
    await new Promise(setImmediate)
    const cleaned = cleanLog(log, nowMs)
    if (cleaned > 0) logger.debug({ log: log.name, bytes: cleaned }, 'cleaned a compacted log')
  }
}

/** Cleans one partition; gives how many bytes it saved. */
export function cleanLog(log: PartitionLog, nowMs: number): number {
  rollIfDue(log, nowMs)
  const segments = cleanable(log, nowMs)
  const before = segments.reduce((sum, segment) => sum + segment.byteCount, 0)
  const dirtyBytes = segments
    .filter((segment) => segment.baseOffset >= log.cleanedOffset)
    .reduce((sum, segment) => sum + segment.byteCount, 0)
  if (dirtyBytes === 0 || dirtyBytes / before < log.config.minCleanableDirtyRatio) return 0
  const horizonMs = nowMs - log.config.deleteRetentionMs
  const endOffset = log.endOf(segments.at(-1)!)
  const transactions = new CleanedTransactions(log, endOffset, horizonMs)
  const newest = newestOffsets(segments, transactions)
  for (const segment of segments) cleanSegment(log, segment, { newest, horizonMs, transactions })
  log.cleanedOffset = endOffset
  const after = log.segments
    .filter((segment) => segment.baseOffset < endOffset)
    .reduce((sum, segment) => sum + segment.byteCount, 0)
  return before - after
}

/** A quiet compacted log is rolled by time too, or its newest records would never be cleaned. */
function rollIfDue(log: PartitionLog, nowMs: number): void {
  const active = log.segments.at(-1)!
  const { segmentMs, maxCompactionLagMs } = log.config
  const ageMs = active.firstTimestamp === undefined ? 0 : nowMs - active.firstTimestamp
  if (log.pendingBytes === 0 && ageMs > Math.min(segmentMs, maxCompactionLagMs)) log.roll()
}

function cleanable(log: PartitionLog, nowMs: number): Segment[] {
  const found: Segment[] = []
  // What is not flushed may still come back from the journal.
  const limitOffset = Math.min(log.recoveryPoint, log.lastStableOffset)
  for (const segment of log.segments.slice(0, -1)) {
    if (log.endOf(segment) > limitOffset) break
    const { minCompactionLagMs } = log.config
    if (minCompactionLagMs > 0 && nowMs - segment.newestMs() < minCompactionLagMs) break
    found.push(segment)
  }
  return found
}

interface Cleaning {
  readonly newest: ReadonlyMap<string, number>
  readonly horizonMs: number
  readonly transactions: CleanedTransactions
}

function newestOffsets(
  segments: readonly Segment[],
  transactions: CleanedTransactions,
): Map<string, number> {
  const newest = new Map<string, number>()
  for (const segment of segments)
    segment.scan(0, true, (header, batch) => {
      if (header.isControl || transactions.isAborted(header)) return true
      for (const { key, offset } of decodeRecordsOf(batch, readBatchHeader(batch)))
        if (key) newest.set(key.toString('latin1'), offset)
      return newest.size < keysMax
    })
  return newest
}

function cleanSegment(log: PartitionLog, old: Segment, cleaning: Cleaning): void {
  const { transactions } = cleaning
  const kept: Buffer[] = []
  const headers: BatchHeader[] = []
  const markers = new Set<number>()
  old.scan(0, true, (header, batch) => {
    if (transactions.passes(header)) {
      markers.add(header.lastOffset)
      return true
    }
    const cleaned = transactions.isAborted(header)
      ? undefined
      : cleanBatch(Buffer.from(batch), cleaning)
    if (cleaned) {
      kept.push(cleaned)
      headers.push(readBatchHeader(cleaned))
    }
    return true
  })
  const byteCount = kept.reduce((sum, batch) => sum + batch.byteLength, 0)
  if (byteCount === old.byteCount) return
  const beside = log.newSegment(old.baseOffset, '.cleaned')
  beside.createLog()
  beside.write(kept, 0)
  beside.flushNow()
  beside.close()
  // Records without a time expire by the file's, which cleaning does not make younger.
  const modifiedSeconds = old.modifiedMs() / 1_000
  utimesSync(beside.logPath, modifiedSeconds, modifiedSeconds)
  old.close()
  // An entry without its marker would hide what the producer commits next; a marker without its entry
  // hides nothing, for the records that it aborted are gone.
  old.transactionIndex.keep(({ lastOffset }) => !markers.has(lastOffset))
  old.transactionIndex.save()
  // Without indexes they are made again after a crash; old ones would point to wrong places.
  rmSync(old.offsetIndex.path, { force: true })
  rmSync(old.timeIndex.path, { force: true })
  renameSync(beside.logPath, old.logPath)
  const segment = log.newSegment(old.baseOffset)
  segment.offsetIndex.create()
  segment.timeIndex.create()
  for (const header of headers)
    segment.note(header, segment.byteCount, log.config.indexIntervalBytes)
  segment.seal()
  flushFolder(log.folder)
  log.replaceSegment(old, segment)
}

/** The batch with the records that stay; undefined where none does. */
function cleanBatch(batch: Buffer, { newest, horizonMs }: Cleaning): Buffer | undefined {
  const header = readBatchHeader(batch)
  if (header.isControl) return batch
  const records = decodeRecordsOf(batch, header)
  const stays = ({ key, value, offset, timestamp }: KafkaRecord): boolean => {
    if (!key) return false
    const last = newest.get(key.toString('latin1'))
    if (last !== undefined && last > offset) return false
    return value !== null || timestamp >= horizonMs
  }
  const kept = records.filter(stays)
  if (kept.length === records.length) return batch
  if (kept.length === 0) return undefined
  const builder = new BatchBuilder({
    compression: header.compression,
    isTransactional: header.isTransactional,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    baseOffset: header.baseOffset,
    partitionLeaderEpoch: header.partitionLeaderEpoch,
  })
  for (const { key, value, headers, timestamp, offset } of kept)
    builder.append(key, value, headers, timestamp, offset - header.baseOffset)
  return builder.build({ lastOffsetDelta: header.lastOffsetDelta })
}
