import { type BufferPool, LentBytes } from '@khlong/core/bytes'
import { KafkaError } from '../errors.ts'
import { cutBatches } from './batch-cut.ts'
import { lendBatches, type MemoryHolder } from './held-memory.ts'
import type { PartitionLog } from './partition-log.ts'
import type { Segment } from './segment.ts'
import type { AbortedTransaction } from './transaction-index.ts'

export interface ReadOptions {
  /** Batches at or above it are left out. */
  readonly limitOffset: number
  /** Asked where the first batch is larger than what is to be read: whether it comes all the same. */
  readonly isLargerTaken: (byteCount: number) => boolean
}

interface LogRead extends ReadOptions {
  readonly offset: number
  readonly byteCount: number
  readonly memory: BufferPool
  readonly holder: MemoryHolder
}

/** Reads batches from a log's files; see `PartitionLog.read`. */
export async function readSegments(log: PartitionLog, wanted: LogRead): Promise<Buffer[]> {
  // Never changed but replaced: what retention and compaction do meanwhile moves no index.
  const { segments } = log
  for (let index = log.segmentIndexOf(wanted.offset); index < segments.length; index++) {
    const segment = segments[index]!
    log.assertOpen()
    // The file of this one may be gone, or be another.
    if (!log.segments.includes(segment))
      return log.read(wanted.offset, wanted.byteCount, wanted.holder, wanted)
    const found = await segment.reading((read) => readSegment(log, segment, read, wanted))
    if (found) return found
  }
  return []
}

/** Undefined where the segment has nothing of what is wanted, and the next may have. */
async function readSegment(
  log: PartitionLog,
  segment: Segment,
  read: (position: number, into: Buffer) => number | Promise<number>,
  { offset, limitOffset, byteCount, isLargerTaken, memory, holder }: LogRead,
): Promise<Buffer[] | undefined> {
  let position = segment.floorPosition(offset)
  let readBytes = byteCount + log.config.indexIntervalBytes * 2
  while (position < segment.byteCount) {
    const lent = new LentBytes(memory, Math.min(readBytes, segment.byteCount - position))
    try {
      const bytes = lent.bytes.subarray(0, await read(position, lent.bytes))
      const found = cutBatches(bytes, offset, limitOffset, byteCount)
      const foundBytes = found.batches.byteLength
      if (foundBytes > 0) {
        if (foundBytes > byteCount && !isLargerTaken(foundBytes)) return []
        return [lendBatches(found.batches, lent, memory, holder)]
      }
      if (found.isAtLimit) return []
      if (found.neededBytes > 0) {
        if (found.isFirst && !isLargerTaken(found.neededBytes)) return []
        if (found.skippedBytes === 0 && found.neededBytes <= readBytes)
          throw cutShort(segment, position)
        readBytes = Math.max(readBytes, found.neededBytes)
      }
      if (found.skippedBytes === 0 && bytes.byteLength >= readBytes && found.neededBytes === 0)
        break
      position += found.skippedBytes
      if (found.skippedBytes === 0 && found.neededBytes === 0) break
    } finally {
      lent.release()
    }
  }
  return undefined
}

function cutShort({ logPath }: Segment, position: number): KafkaError {
  return new KafkaError(
    'KAFKA_LOG_DAMAGED',
    `${logPath} ends within the batch at byte ${position}`,
    {
      fields: { file: logPath, position },
    },
  )
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
