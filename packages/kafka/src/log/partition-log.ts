import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { Clock, Logger } from '@khlong/core'
import { type BatchHeader, readBatchHeader, stampBatch } from '@khlong/kafka-protocol/records'
import { KafkaError } from '../errors.ts'
import { checkProduced } from './batch-check.ts'
import { cutBatches } from './batch-cut.ts'
import {
  flushFolder,
  readCheckpoint,
  writeCheckpoint,
  writePartitionMetadata,
} from './checkpoint-file.ts'
import type { FilePool } from './file-pool.ts'
import type { LogConfig } from './log-config.ts'
import { ProducerState } from './producer-state.ts'
import { recoverSegments } from './recovery.ts'
import { Segment, segmentName } from './segment.ts'
import { readTail, Tail, type TailCache } from './tail-cache.ts'

// Invariants: logStartOffset <= highWatermark <= writtenOffset <= logEndOffset. Batches between
// writtenOffset and logEndOffset are pending in memory, in order; segments cover everything below
// writtenOffset. Only the last segment is written.

export interface LogServices {
  readonly files: FilePool
  readonly tails: TailCache
  readonly clock: Clock
  readonly logger: Logger
}

export interface LogIdentity {
  readonly topic: string
  readonly partition: number
  /** Kafka's base64url text of 16 bytes. */
  readonly topicId: string
}

export interface AppendResult {
  readonly baseOffset: number
  readonly lastOffset: number
  /** -1 where the producer's time stands. */
  readonly logAppendTimeMs: number
  readonly recordCount: number
  /** The same batch was in the log already. */
  readonly isDuplicate: boolean
}

interface PendingBatch {
  readonly header: BatchHeader
  readonly bytes: Buffer
}

/** The log of one partition: a folder of segments as Kafka lays it out. */
export class PartitionLog {
  readonly identity: LogIdentity
  readonly folder: string
  readonly topicIdBytes: Buffer
  readonly producers: ProducerState = new ProducerState()
  /** Called, once each, when the high watermark moves or the log closes. */
  readonly waiters: Set<() => void> = new Set()
  config: LogConfig
  logStartOffset = 0
  highWatermark = 0
  logEndOffset = 0
  writtenOffset = 0
  /** Everything below is flushed, with its indexes. */
  recoveryPoint = 0
  /** Compaction has been over everything below. */
  cleanedOffset = 0
  leaderEpochs: { epoch: number; startOffset: number }[] = []
  segments: Segment[] = []
  readonly #services: LogServices
  readonly #tail = new Tail()
  #pending: PendingBatch[] = []
  #pendingBytes = 0
  readonly #unflushed = new Set<Segment>()
  #failure: unknown
  #isClosed = false

  constructor(folder: string, identity: LogIdentity, config: LogConfig, services: LogServices) {
    this.folder = folder
    this.identity = identity
    this.config = config
    this.#services = services
    this.topicIdBytes = Buffer.from(identity.topicId, 'base64url')
  }

  get name(): string {
    return `${this.identity.topic}-${this.identity.partition}`
  }
  get leaderEpoch(): number {
    return this.leaderEpochs.at(-1)?.epoch ?? 0
  }
  get pendingBytes(): number {
    return this.#pendingBytes
  }
  get byteCount(): number {
    return this.segments.reduce((sum, segment) => sum + segment.byteCount, 0)
  }
  get #active(): Segment {
    return this.segments.at(-1)!
  }

  /** Makes the folder of a new partition. */
  create(): void {
    mkdirSync(this.folder, { recursive: true })
    writePartitionMetadata(this.folder, this.identity.topicId)
    writeCheckpoint(path.join(this.folder, 'leader-epoch-checkpoint'), [[0, 0]])
    flushFolder(path.dirname(this.folder))
  }

  /**
   * Opens the segments. What lies beyond the recovery point is verified; a torn tail is cut off.
   *
   * @throws KafkaError `KAFKA_LOG_DAMAGED` where bytes below the recovery point are missing.
   */
  open(recoveryPoint: number, logStartOffset: number): void {
    const epochFile = path.join(this.folder, 'leader-epoch-checkpoint')
    this.leaderEpochs = readCheckpoint(epochFile).map(([epoch, start]) => ({
      epoch: Number(epoch),
      startOffset: Number(start),
    }))
    const recovered = recoverSegments(this, this.#services, recoveryPoint, logStartOffset)
    this.segments = recovered.segments
    this.logStartOffset = Math.max(logStartOffset, this.segments[0]!.baseOffset)
    this.logEndOffset = Math.max(recovered.endOffset, this.logStartOffset)
    this.writtenOffset = this.logEndOffset
    this.highWatermark = this.logEndOffset
    this.recoveryPoint = Math.min(recoveryPoint, this.logEndOffset)
    for (const segment of this.segments)
      if (segment === this.#active || this.#endOf(segment) > this.recoveryPoint)
        this.#unflushed.add(segment)
    this.#failure = undefined
  }

  /**
   * Checks a produced batch, gives it its offsets and queues it for the next write. `records` is owned
   * by the log from here on and changed in place.
   *
   * @throws KafkaError with the reason where the batch is refused or the log cannot be written.
   */
  append(records: Buffer, origin: 'client' | 'broker' = 'client'): AppendResult {
    this.#assertWritable()
    const nowMs = this.#services.clock.nowMs()
    const header = checkProduced(records, this.config, origin, nowMs)
    const { recordCount } = header
    if (header.producerId >= 0n && !header.isControl) {
      const earlier = this.producers.check(header)
      if (earlier !== undefined) {
        const lastOffset = earlier + header.lastOffsetDelta
        return {
          baseOffset: earlier,
          lastOffset,
          logAppendTimeMs: -1,
          recordCount,
          isDuplicate: true,
        }
      }
    }
    const baseOffset = this.logEndOffset
    const isLogAppendTime = this.config.isLogAppendTime
    stampBatch(records, header, {
      baseOffset,
      leaderEpoch: this.leaderEpoch,
      ...(isLogAppendTime ? { logAppendTimeMs: nowMs } : {}),
    })
    const lastOffset = baseOffset + header.lastOffsetDelta
    this.#queue(
      {
        ...header,
        baseOffset,
        lastOffset,
        maxTimestamp: isLogAppendTime ? nowMs : header.maxTimestamp,
      },
      records,
    )
    const logAppendTimeMs = isLogAppendTime ? nowMs : -1
    return { baseOffset, lastOffset, logAppendTimeMs, recordCount, isDuplicate: false }
  }

  /** Takes a batch from the commit journal: false where the log has it already. */
  replay(batch: Buffer): boolean {
    const header = readBatchHeader(batch)
    if (header.lastOffset < this.logEndOffset) return false
    if (header.baseOffset !== this.logEndOffset)
      throw new KafkaError(
        'KAFKA_LOG_DAMAGED',
        `${this.folder} ends at offset ${this.logEndOffset}, the journal goes on at ${header.baseOffset}`,
        { fields: { folder: this.folder, offset: this.logEndOffset } },
      )
    this.#queue(header, batch)
    return true
  }

  #queue(header: BatchHeader, bytes: Buffer): void {
    this.producers.record(header)
    this.#pending.push({ header, bytes })
    this.#pendingBytes += bytes.byteLength
    this.logEndOffset = header.lastOffset + 1
  }

  /** Writes what is pending to the active segment, without flushing, and gives the batches. */
  writePending(): Buffer[] {
    // Its name may belong to another log by now.
    this.#assertOpen()
    const pending = this.#pending
    this.#pending = []
    this.#pendingBytes = 0
    let run: PendingBatch[] = []
    let runBytes = 0
    const writeRun = (): void => {
      if (run.length > 0) this.#writeRun(run)
      run = []
      runBytes = 0
    }
    try {
      for (const batch of pending) {
        if (this.#isRollDue(batch.header, runBytes)) {
          writeRun()
          this.roll(batch.header.baseOffset)
        }
        run.push(batch)
        runBytes += batch.bytes.byteLength
      }
      writeRun()
    } catch (error) {
      this.#failure = error
      this.#pending = []
      this.#pendingBytes = 0
      throw error
    }
    return pending.map((batch) => batch.bytes)
  }

  #writeRun(run: readonly PendingBatch[]): void {
    const segment = this.#active
    segment.write(
      run.map((batch) => batch.bytes),
      segment.byteCount,
    )
    this.#unflushed.add(segment)
    for (const { header, bytes } of run) {
      segment.note(header, segment.byteCount, this.config.indexIntervalBytes)
      this.#services.tails.add(this.#tail, header.baseOffset, header.lastOffset, bytes)
      this.writtenOffset = header.lastOffset + 1
    }
  }

  #isRollDue(next: BatchHeader, queuedBytes: number): boolean {
    const { segmentBytes, segmentMs, indexBytesMax } = this.config
    const segment = this.#active
    const byteCount = segment.byteCount + queuedBytes
    if (byteCount === 0) return false
    const isOld =
      segment.firstTimestamp !== undefined && next.maxTimestamp - segment.firstTimestamp > segmentMs
    return (
      byteCount + next.byteCount > segmentBytes ||
      isOld ||
      segment.offsetIndex.byteCount + 8 > indexBytesMax ||
      next.lastOffset - segment.baseOffset > 0x7fff_ffff
    )
  }

  /** Ends the active segment and begins one at `baseOffset`. */
  roll(baseOffset: number = this.writtenOffset): void {
    const segment = this.#active
    if (segment.byteCount === 0) return
    segment.seal()
    this.producers.save(path.join(this.folder, `${segmentName(baseOffset)}.snapshot`))
    const next = this.newSegment(baseOffset)
    next.create()
    flushFolder(this.folder)
    this.segments = [...this.segments, next]
  }

  /** Flushes every segment that was written since the last flush. */
  async flush(): Promise<void> {
    if (this.#isClosed) return
    const segments = [...this.#unflushed]
    this.#unflushed.clear()
    try {
      for (const segment of segments) if (this.segments.includes(segment)) await segment.flush()
    } catch (error) {
      for (const segment of segments) this.#unflushed.add(segment)
      throw error
    }
  }

  /** Flushes segments and indexes, and moves the recovery point to what was written before. */
  async checkpoint(): Promise<void> {
    if (this.#failure !== undefined || this.#isClosed) return
    const upTo = this.writtenOffset
    this.#active.saveIndexes()
    await this.flush()
    this.recoveryPoint = Math.max(this.recoveryPoint, upTo)
  }

  /** Lets consumers read below `offset`. */
  advance(offset: number): void {
    if (offset <= this.highWatermark) return
    this.highWatermark = offset
    this.#wake()
  }

  #wake(): void {
    if (this.waiters.size === 0) return
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const waiter of waiters) waiter()
  }

  /**
   * Batches from the one that holds `offset` on, below the high watermark, up to `byteCount` bytes; the
   * first comes whatever its size where `isFirstWhole`. Borrowed, as they lie in the log.
   *
   * @throws KafkaError `KAFKA_OFFSET_OUT_OF_RANGE`
   */
  read(offset: number, byteCount: number, isFirstWhole: boolean): Buffer[] | Promise<Buffer[]> {
    this.#assertOpen()
    if (offset < this.logStartOffset || offset > this.logEndOffset)
      throw new KafkaError(
        'KAFKA_OFFSET_OUT_OF_RANGE',
        `${this.name} holds offsets ${this.logStartOffset} to ${this.logEndOffset}, asked for ${offset}`,
      )
    if (offset >= this.highWatermark || byteCount <= 0) return []
    const cached = readTail(this.#tail, offset, this.highWatermark, byteCount)
    if (!cached) return this.#readSegments(offset, byteCount, isFirstWhole)
    if (!isFirstWhole && cached[0] && cached[0].byteLength > byteCount) return []
    return cached
  }

  async #readSegments(offset: number, byteCount: number, isFirstWhole: boolean): Promise<Buffer[]> {
    const limitOffset = this.highWatermark
    for (let index = this.segmentIndexOf(offset); index < this.segments.length; index++) {
      const segment = this.segments[index]!
      let position = segment.floorPosition(offset)
      let wanted = byteCount + this.config.indexIntervalBytes * 2
      while (position < segment.byteCount) {
        this.#assertOpen()
        const bytes = await segment.read(position, wanted)
        const found = cutBatches(bytes, offset, limitOffset, byteCount)
        if (found.batches.byteLength > 0) return [found.batches]
        if (found.isAtLimit) return []
        if (found.neededBytes > 0) {
          if (found.isFirst && !isFirstWhole) return []
          wanted = Math.max(wanted, found.neededBytes)
        }
        if (found.skippedBytes === 0 && bytes.byteLength >= wanted && found.neededBytes === 0) break
        position += found.skippedBytes
        if (found.skippedBytes === 0 && found.neededBytes === 0) break
      }
    }
    return []
  }

  /** The index of the segment that holds `offset`, or would. */
  segmentIndexOf(offset: number): number {
    let low = 0
    let high = this.segments.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.segments[middle]!.baseOffset <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  #endOf(segment: Segment): number {
    const next = this.segments[this.segments.indexOf(segment) + 1]
    return next ? next.baseOffset : this.writtenOffset
  }

  /** Moves the log's start; segments wholly below it are removed. */
  deleteBefore(offset: number): void {
    if (offset > this.logStartOffset) this.logStartOffset = offset
    let count = 0
    while (
      count < this.segments.length - 1 &&
      this.segments[count + 1]!.baseOffset <= this.logStartOffset
    )
      count++
    const removed = this.segments.slice(0, count)
    this.segments = this.segments.slice(count)
    for (const segment of removed) this.#removeSegment(segment)
  }

  /** A segment object of this log; `suffix` for one that is not part of it yet. */
  newSegment(baseOffset: number, suffix = ''): Segment {
    return new Segment(this.folder, baseOffset, this.#services.files, suffix)
  }

  /** Puts a cleaned segment in the place of the one that it was made from. */
  replaceSegment(old: Segment, cleaned: Segment): void {
    this.segments = this.segments.map((segment) => (segment === old ? cleaned : segment))
    this.#unflushed.delete(old)
    this.#services.tails.clear(this.#tail)
  }

  #removeSegment(segment: Segment): void {
    this.#unflushed.delete(segment)
    segment.remove()
    const snapshot = path.join(this.folder, `${segmentName(segment.baseOffset)}.snapshot`)
    rmSync(snapshot, { force: true })
  }

  /** Applies retention by time and by size; gives how many segments went. */
  retain(nowMs: number): number {
    const { retentionMs, retentionBytes, isDeleted } = this.config
    if (!isDeleted || this.#failure !== undefined) return 0
    const before = this.segments.length
    if (retentionMs >= 0) {
      const isExpired = (segment: Segment): boolean =>
        segment.byteCount > 0 &&
        segment.maxTimestamp >= 0 &&
        nowMs - segment.maxTimestamp > retentionMs &&
        this.#endOf(segment) <= this.highWatermark
      if (this.#pending.length === 0 && isExpired(this.#active)) this.roll()
      let start = this.logStartOffset
      for (const segment of this.segments.slice(0, -1)) {
        if (!isExpired(segment)) break
        start = this.#endOf(segment)
      }
      this.deleteBefore(start)
    }
    if (retentionBytes >= 0) {
      let excess = this.byteCount - retentionBytes
      let start = this.logStartOffset
      for (const segment of this.segments.slice(0, -1)) {
        if (excess - segment.byteCount < 0 || this.#endOf(segment) > this.highWatermark) break
        excess -= segment.byteCount
        start = this.#endOf(segment)
      }
      this.deleteBefore(start)
    }
    return Math.max(0, before - this.segments.length)
  }

  /** Flushes and closes; what is written afterwards is refused. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    if (this.#failure === undefined && this.segments.length > 0) {
      await this.checkpoint()
      this.#active.seal()
      this.producers.save(path.join(this.folder, `${segmentName(this.writtenOffset)}.snapshot`))
      this.#dropOldSnapshots()
    }
    this.abandon()
  }

  /** Closes without writing anything: for logs that are removed, or whose files failed. */
  abandon(): void {
    this.#isClosed = true
    for (const segment of this.segments) segment.close()
    this.#services.tails.clear(this.#tail)
    this.#wake()
  }

  #dropOldSnapshots(): void {
    const bases = new Set(this.segments.map((segment) => segmentName(segment.baseOffset)))
    const newest = segmentName(this.writtenOffset)
    for (const name of readdirSync(this.folder)) {
      const stem = name.endsWith('.snapshot') ? name.slice(0, -'.snapshot'.length) : undefined
      if (stem !== undefined && stem !== newest && !bases.has(stem))
        rmSync(path.join(this.folder, name), { force: true })
    }
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new KafkaError('KAFKA_LOG_CLOSED', `${this.name} is closed`)
  }

  #assertWritable(): void {
    this.#assertOpen()
    if (this.#failure === undefined) return
    // A write failed, say for lack of room: what the files hold is the truth, so they are read again.
    const failure = this.#failure
    try {
      for (const segment of this.segments) segment.close()
      this.#services.tails.clear(this.#tail)
      const highWatermark = this.highWatermark
      this.open(this.recoveryPoint, this.logStartOffset)
      this.highWatermark = Math.min(highWatermark, this.logEndOffset)
    } catch (error) {
      this.#failure = error
      throw new KafkaError('KAFKA_STORAGE_FAILED', `${this.name} cannot be written`, {
        cause: failure,
        retriable: true,
        fields: { folder: this.folder },
      })
    }
  }
}
