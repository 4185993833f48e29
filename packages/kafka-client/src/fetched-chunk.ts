import type { AbortedTransaction } from '@khlong/kafka-protocol/messages/fetch'
import {
  type BatchHeader,
  batchHeaders,
  checkBatch,
  decodeControlRecord,
  decodeRecordsOf,
  type RecordCursor,
  recordCursor,
} from '@khlong/kafka-protocol/records'
import type { FetchLease } from './fetch-lease.ts'
import { ConsumerRecord, type RecordBytesHolder } from './record.ts'

/** A batch as it was fetched: its header, and the bytes that it is part of, which whoever polled it may give back. */
export interface RawBatch {
  readonly header: BatchHeader
  readonly bytes: Buffer
}

/** Records that lie this far apart are copied apart from each other. */
const gapBytesMax = 1_024
const nothing = Buffer.alloc(0)

/** A copy of what lies from its first record to its last. */
interface RecordRun extends RecordBytesHolder {
  end: number
}

/**
 * What one fetch brought of one partition: batches, decoded one after another as they are asked for.
 *
 * Its bytes are leased. The records that it gives have copies, so that they may be kept; its batches
 * borrow, and who takes them holds the lease with it.
 */
export class FetchedChunk {
  readonly topic: string
  readonly partition: number
  readonly byteCount: number
  readonly highWatermark: number
  #bytes: Buffer
  #lease: FetchLease | undefined
  readonly #headers: Iterator<BatchHeader, void>
  readonly #aborted: AbortedTransaction[] | undefined
  readonly #abortedIds = new Set<bigint>()
  readonly #isChecked: boolean
  /** Stands behind the last record of the batch under way that was given. */
  #cursor: RecordCursor | undefined
  /** Where the records of the batch under way lie, if it was compressed. */
  #decompressed: RecordBytesHolder | undefined
  /** The offset behind the batch under way. */
  #batchEnd = 0
  /** The offset behind all that was given. */
  position: number
  #isEnded = false

  constructor(options: {
    topic: string
    partition: number
    bytes: Buffer
    /** Held by the chunk until it is released. */
    lease?: FetchLease
    position: number
    highWatermark: number
    /** Given where records of aborted transactions are left out. */
    abortedTransactions: readonly AbortedTransaction[] | undefined
    isChecked: boolean
  }) {
    this.topic = options.topic
    this.partition = options.partition
    this.#bytes = options.bytes
    this.#lease = options.lease?.hold()
    this.byteCount = options.bytes.byteLength
    this.position = options.position
    this.highWatermark = options.highWatermark
    this.#aborted = options.abortedTransactions
      ?.slice()
      .sort((a, b) => a.firstOffset - b.firstOffset)
    this.#isChecked = options.isChecked
    this.#headers = batchHeaders(options.bytes)
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /**
   * Moves up to `count` records to `target` and gives how many it moved. Where the chunk ends,
   * `position` is behind its last batch, whatever of that was left out. What it moved before it
   * throws stays moved; the next call goes on behind the batch.
   */
  read(target: ConsumerRecord[], count: number): number {
    const { topic, partition } = this
    let moved = 0
    let run: RecordRun | undefined
    try {
      while (moved < count) {
        const cursor = this.#cursor
        if (!cursor) {
          if (!this.#nextBatch()) break
          continue
        }
        if (!this.#step(cursor)) continue
        const { offset } = cursor
        if (offset < this.position) continue
        let holder = this.#decompressed
        if (!holder) {
          if (run && cursor.start - run.end > gapBytesMax) this.#copy(run)
          if (!run || run.bytes !== nothing) run = { bytes: nothing, base: cursor.start, end: 0 }
          run.end = cursor.end
          holder = run
        }
        target.push(new ConsumerRecord(topic, partition, cursor, holder))
        this.position = offset + 1
        moved++
        if (cursor.isAtEnd) this.#endBatch()
      }
    } finally {
      if (run) this.#copy(run)
    }
    return moved
  }

  #copy(run: RecordRun): void {
    run.bytes = Buffer.allocUnsafe(run.end - run.base)
    this.#bytes.copy(run.bytes, 0, run.base, run.end)
  }

  /** Gives the memory back; nothing more can be read. */
  release(): void {
    const lease = this.#lease
    this.#lease = undefined
    this.#bytes = nothing
    this.#cursor = undefined
    this.#decompressed = undefined
    this.#isEnded = true
    lease?.release()
  }

  /** Holds the memory for who was given batches; undefined where it is not leased. */
  holdLease(): FetchLease | undefined {
    return this.#lease?.hold()
  }

  /** The data batches, checked and without those of aborted transactions, but not decoded. */
  *rawBatches(): Generator<RawBatch, void, undefined> {
    for (let header = this.#advance(); header; header = this.#advance()) {
      this.position = Math.max(this.position, header.lastOffset + 1)
      yield { header, bytes: this.#bytes }
    }
  }

  /** Goes on in the batch under way; at its end, or where it cannot be read on, it is done with. */
  #step(cursor: RecordCursor): boolean {
    try {
      if (cursor.next()) return true
    } catch (error) {
      this.#endBatch()
      throw error
    }
    this.#endBatch()
    return false
  }

  #endBatch(): void {
    this.#cursor = undefined
    this.#decompressed = undefined
    this.position = Math.max(this.position, this.#batchEnd)
  }

  #nextBatch(): boolean {
    const header = this.#advance()
    if (!header) return false
    this.#batchEnd = header.lastOffset + 1
    const cursor = recordCursor(this.#bytes, header)
    this.#cursor = cursor
    if (cursor.bytes !== this.#bytes) this.#decompressed = { bytes: cursor.bytes, base: 0 }
    return true
  }

  /** The next batch that holds data for the reader. */
  #advance(): BatchHeader | undefined {
    for (;;) {
      const next = this.#isEnded ? undefined : this.#headers.next()
      if (!next || next.done) {
        this.#isEnded = true
        return undefined
      }
      const header = next.value
      if (header.lastOffset < this.position) continue
      if (this.#isChecked) checkBatch(this.#bytes, header)
      if (!header.isControl && !this.#isAborted(header)) return header
      if (header.isControl) this.#endTransaction(header)
      this.position = header.lastOffset + 1
      this.#batchEnd = this.position
    }
  }

  /**
   * Whether a batch belongs to a transaction that was aborted: one of those that the broker listed
   * has begun at or before it, and its marker has not come yet.
   */
  #isAborted(header: BatchHeader): boolean {
    const aborted = this.#aborted
    if (!aborted || !header.isTransactional) return false
    while (aborted.length > 0 && aborted[0]!.firstOffset <= header.lastOffset)
      this.#abortedIds.add(aborted.shift()!.producerId)
    return this.#abortedIds.has(header.producerId)
  }

  #endTransaction(header: BatchHeader): void {
    if (!this.#aborted) return
    const [record] = decodeRecordsOf(this.#bytes, header)
    if (!record || decodeControlRecord(record)?.type !== 'abort') return
    const aborted = this.#aborted
    while (aborted.length > 0 && aborted[0]!.firstOffset <= header.lastOffset)
      this.#abortedIds.add(aborted.shift()!.producerId)
    this.#abortedIds.delete(header.producerId)
  }
}
