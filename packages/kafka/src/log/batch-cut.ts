import { readBatchHeader } from '@khlong/kafka-protocol/records'

/** What a read of a segment holds of the batches that were asked for. */
export interface CutBatches {
  /** Whole batches from the one asked for on. */
  readonly batches: Buffer
  /** Bytes of batches before it. */
  readonly skippedBytes: number
  /** Bytes that must be read for the first batch that was cut; 0 where none was. */
  readonly neededBytes: number
  /** The cut batch is the one asked for. */
  readonly isFirst: boolean
  readonly isAtLimit: boolean
}

/** Finds the batches from the one that holds `offset` on, in bytes that begin with a batch. */
export function cutBatches(
  bytes: Buffer,
  offset: number,
  limitOffset: number,
  byteCount: number,
): CutBatches {
  let start = -1
  let position = 0
  let neededBytes = 0
  let isAtLimit = false
  while (position < bytes.byteLength) {
    if (bytes.byteLength - position < 61) {
      neededBytes = 61
      break
    }
    const header = readBatchHeader(bytes, position)
    if (header.lastOffset >= limitOffset) {
      isAtLimit = true
      break
    }
    const isWanted = header.lastOffset >= offset
    if (!isWanted) {
      position += header.byteCount
      continue
    }
    if (position + header.byteCount > bytes.byteLength) {
      neededBytes = header.byteCount
      break
    }
    if (start < 0) start = position
    else if (position + header.byteCount - start > byteCount) break
    position += header.byteCount
  }
  const isFound = start >= 0
  return {
    batches: isFound ? bytes.subarray(start, position) : bytes.subarray(0, 0),
    skippedBytes: isFound ? start : position,
    neededBytes: isFound ? 0 : neededBytes,
    isFirst: neededBytes > byteCount,
    isAtLimit,
  }
}
