import {
  BatchBuilder,
  Compression,
  type CompressionType,
  type RecordCursor,
  recordCursor,
} from '@khlong/kafka-protocol/records'
import type { RawBatch } from './fetched-chunk.ts'

/** A batch to write elsewhere: its records have offsets without gaps between them. */
export interface RepackedBatch {
  /** Exactly one whole batch, owned. */
  readonly bytes: Buffer
  readonly recordCount: number
  /** Where its first record was, and the offset behind its last. */
  readonly firstOffset: number
  readonly nextOffset: number
}

/** What is small is put together up to this size: a request carries one batch of a partition. */
const mergedBytesMax = 512 * 1024
/** What is larger goes as it is. */
const wholeBytesMin = 64 * 1024

export interface RepackOptions {
  /** Records before this offset are left out. */
  readonly from: number
  /** How many offsets may be lost in gaps before a new batch has to begin; by default any number. */
  readonly lead?: number
  /** Of a batch, as `max.message.bytes` of the topic has it. */
  readonly bytesMax: number
}

/**
 * Batches that were read, as batches that a producer may send: each without gaps, since a broker takes no
 * others. A batch that is large and whole keeps its bytes; small ones and what compaction has left are
 * put together anew, with keys, values, headers, times and order as they were. Control batches and those
 * of aborted transactions are not among what a fetcher gives. Where gaps take more than `lead` offsets, a
 * batch ends, so that its caller can make up for them.
 */
export function* repackBatches(
  batches: readonly RawBatch[],
  { from, lead = Number.POSITIVE_INFINITY, bytesMax }: RepackOptions,
): Generator<RepackedBatch, void, undefined> {
  let leadLeft = lead
  let nextOffset = from
  /** Counts the gap before `offset`; false where it was more than there was to lose. */
  const closes = (offset: number): boolean => {
    leadLeft -= offset - nextOffset
    if (leadLeft >= 0) return true
    leadLeft = 0
    return false
  }
  const mergedMax = Math.min(mergedBytesMax, Math.floor(bytesMax / 2))
  let open: OpenBatch | undefined
  for (const { header, bytes } of batches) {
    const { position, byteCount, baseOffset, lastOffset, recordCount } = header
    if (lastOffset < from) continue
    const isContiguous = recordCount === header.lastOffsetDelta + 1
    const isPlain = !header.isLogAppendTime && !header.hasDeleteHorizon
    if (isContiguous && isPlain && baseOffset >= from && byteCount >= wholeBytesMin) {
      if (open) yield open.close()
      open = undefined
      closes(baseOffset)
      nextOffset = lastOffset + 1
      yield {
        bytes: bytes.subarray(position, position + byteCount),
        recordCount,
        firstOffset: baseOffset,
        nextOffset,
      }
      continue
    }
    for (const cursor = recordCursor(bytes, header); cursor.next(); ) {
      const { offset } = cursor
      if (offset < from) continue
      const isClosed = closes(offset)
      if (open && !(isClosed && open.takes(cursor, header.compression, mergedMax))) {
        yield open.close()
        open = undefined
      }
      open ??= new OpenBatch(header.compression, offset)
      open.append(cursor)
      nextOffset = offset + 1
    }
  }
  if (open) yield open.close()
}

class OpenBatch {
  readonly #compression: CompressionType
  readonly #builder: BatchBuilder
  readonly #firstOffset: number
  #nextOffset: number

  constructor(compression: CompressionType, firstOffset: number) {
    this.#compression = compression
    this.#builder = new BatchBuilder({ compression, initialBytes: 64 * 1024 })
    this.#firstOffset = firstOffset
    this.#nextOffset = firstOffset
  }

  /** A batch has one compression. */
  takes(
    { key, value, headers }: RecordCursor,
    compression: CompressionType,
    bytesMax: number,
  ): boolean {
    return (
      compression === this.#compression &&
      this.#builder.byteCount + BatchBuilder.recordBytesMax(key, value, headers) <= bytesMax
    )
  }

  append({ offset, key, value, headers, timestamp }: RecordCursor): void {
    this.#builder.append(key, value, headers, timestamp)
    this.#nextOffset = offset + 1
  }

  close(): RepackedBatch {
    const { recordCount } = this.#builder
    return {
      bytes: this.#builder.build(),
      recordCount,
      firstOffset: this.#firstOffset,
      nextOffset: this.#nextOffset,
    }
  }
}

/** A batch of `count` records that are nothing but an offset each. */
export function emptyRecords(count: number, timestampMs: number): Buffer {
  const builder = new BatchBuilder({ compression: Compression.gzip, initialBytes: 16 * count })
  for (let index = 0; index < count; index++) builder.append(null, null, undefined, timestampMs)
  return builder.build()
}

/** The offsets of a batch's records. */
export function batchOffsets({ header, bytes }: RawBatch): number[] {
  const { baseOffset, recordCount, lastOffsetDelta } = header
  if (recordCount === lastOffsetDelta + 1)
    return Array.from({ length: recordCount }, (_, index) => baseOffset + index)
  const offsets: number[] = []
  for (const cursor = recordCursor(bytes, header); cursor.next(); ) offsets.push(cursor.offset)
  return offsets
}
