import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { KafkaError } from '../errors.ts'
import { flushFolder } from './checkpoint-file.ts'
import type { LogServices, PartitionLog } from './partition-log.ts'
import { Segment, segmentName } from './segment.ts'
import { snapshotOffsets, snapshotPath } from './snapshot-files.ts'

export interface RecoveredLog {
  readonly segments: Segment[]
  readonly endOffset: number
  /** Everything is as a clean stop left it. */
  readonly isClean: boolean
}

/**
 * Opens a partition's segments. Those that end at or below the recovery point are taken as they are;
 * beyond it every batch is verified, its index entries are made anew, and the log is cut at the first
 * one that is not sound: that is the torn tail of a crash.
 */
export function recoverSegments(
  log: PartitionLog,
  services: LogServices,
  recoveryPoint: number,
  logStartOffset: number,
): RecoveredLog {
  const { folder, config } = log
  const names = readdirSync(folder)
  for (const name of names)
    if (/\.(cleaned|swap|deleted|tmp)$/.test(name)) rmSync(path.join(folder, name), { force: true })
  const bases = names
    .filter((name) => /^\d{20}\.log$/.test(name))
    .map((name) => Number(name.slice(0, 20)))
    .sort((a, b) => a - b)
  if (bases.length === 0) {
    if (recoveryPoint > logStartOffset)
      throw damaged(folder, `no segments, expected offsets up to ${recoveryPoint}`, 0)
    const first = new Segment(folder, logStartOffset, services.files)
    first.create()
    flushFolder(folder)
    log.producers.clear()
    return { segments: [first], endOffset: logStartOffset, isClean: false }
  }
  const segments: Segment[] = []
  let endOffset = bases[0]!
  const isThere = new Set(names)
  for (const [index, base] of bases.entries()) {
    const segment = new Segment(folder, base, services.files)
    if (!isThere.has(`${segmentName(base)}.txnindex`)) segment.transactionIndex.noteMissing()
    const next = bases[index + 1]
    const isOlder = next !== undefined && next <= recoveryPoint
    if (isOlder && segment.attach()) {
      endOffset = next
      segments.push(segment)
      continue
    }
    const cut = scanSegment(segment, isOlder ? next : recoveryPoint, config.indexIntervalBytes)
    endOffset = Math.max(cut.endOffset, base)
    segments.push(segment)
    if (cut.problem === undefined) {
      if (next !== undefined) segment.seal()
      continue
    }
    if (endOffset < Math.min(recoveryPoint, next ?? recoveryPoint))
      throw damaged(segment.logPath, cut.problem, cut.position)
    services.logger.warn(
      {
        file: segment.logPath,
        position: cut.position,
        bytes: cut.cutBytes,
        offset: endOffset,
        problem: cut.problem,
      },
      'cut off the torn tail of a log',
    )
    for (const later of bases.slice(index + 1)) new Segment(folder, later, services.files).remove()
    break
  }
  if (endOffset < recoveryPoint)
    throw damaged(
      segments.at(-1)!.logPath,
      `the log ends at offset ${endOffset}, expected ${recoveryPoint} or more`,
      segments.at(-1)!.byteCount,
    )
  const from = recoverProducers(log, { names, segments, recoveryPoint, endOffset })
  const isClean = from === endOffset && recoveryPoint === endOffset && areSaved(segments.at(-1)!)
  return { segments, endOffset, isClean }
}

interface SegmentCut {
  readonly endOffset: number
  readonly position: number
  readonly cutBytes: number
  readonly problem?: string
}

function scanSegment(segment: Segment, trustedOffset: number, intervalBytes: number): SegmentCut {
  const fileBytes = segment.fileBytes()
  // Index entries below the trusted offset were flushed with the data they point to.
  segment.offsetIndex.load(
    (entry) => segment.baseOffset + entry.key < trustedOffset && entry.value < fileBytes,
  )
  segment.timeIndex.load((entry) => segment.baseOffset + entry.value < trustedOffset)
  segment.transactionIndex.keep(({ lastOffset }) => lastOffset < trustedOffset)
  const lastTime = segment.timeIndex.last()
  if (lastTime) {
    segment.maxTimestamp = lastTime.key
    segment.maxTimestampOffset = segment.baseOffset + lastTime.value
  }
  const start = segment.offsetIndex.last()?.value ?? 0
  if (start > 0)
    segment.scan(
      0,
      false,
      (header) => {
        segment.firstTimestamp = header.maxTimestamp
        return false
      },
      fileBytes,
    )
  let endOffset = segment.baseOffset
  const end = segment.scan(
    start,
    true,
    (header) => {
      if (header.baseOffset < endOffset) return false
      segment.note(header, header.position, intervalBytes)
      endOffset = header.lastOffset + 1
      return true
    },
    fileBytes,
  )
  segment.byteCount = end.position
  if (end.position < fileBytes) segment.truncate(end.position)
  const problem = end.problem ?? (end.position < fileBytes ? 'offsets go back' : undefined)
  return {
    endOffset,
    position: end.position,
    cutBytes: fileBytes - end.position,
    ...(problem === undefined ? {} : { problem }),
  }
}

function areSaved({ offsetIndex, timeIndex, transactionIndex }: Segment): boolean {
  return offsetIndex.isSaved && timeIndex.isSaved && transactionIndex.isSaved
}

/**
 * Producer state = the newest sound snapshot at or below the recovery point, and the batches after it.
 * Transactions that were aborted beyond the recovery point get their index entries anew. Gives the offset of the
 * snapshot, or where the log begins.
 */
function recoverProducers(
  log: PartitionLog,
  {
    names,
    segments,
    recoveryPoint,
    endOffset,
  }: {
    /** The files of the folder. */
    readonly names: readonly string[]
    readonly segments: readonly Segment[]
    readonly recoveryPoint: number
    readonly endOffset: number
  },
): number {
  const { folder, producers } = log
  producers.clear()
  let from = segments[0]!.baseOffset
  for (const offset of snapshotOffsets(names)) {
    if (offset > recoveryPoint && offset <= endOffset) continue
    const file = snapshotPath(folder, offset)
    if (offset <= endOffset && producers.load(file)) {
      from = offset
      break
    }
    // One beyond the end, or damaged: it says nothing that can be trusted.
    rmSync(file, { force: true })
  }
  for (const [index, segment] of segments.entries()) {
    const next = segments[index + 1]
    if (segment.byteCount === 0 || (next && next.baseOffset <= from)) continue
    segment.scan(
      segment.floorPosition(Math.max(from, segment.baseOffset)),
      false,
      (header, batch) => {
        if (header.baseOffset < from) return true
        const ended = producers.record(header, batch)
        if (ended?.isAborted && ended.lastOffset >= recoveryPoint)
          segment.transactionIndex.append(ended)
        return true
      },
    )
    segment.transactionIndex.save()
  }
  return from
}

function damaged(file: string, problem: string, position: number): KafkaError {
  return new KafkaError('KAFKA_LOG_DAMAGED', `${file} is damaged at byte ${position}: ${problem}`, {
    fields: { file, position },
  })
}
