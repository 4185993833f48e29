import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Clock, Logger } from '@khlong/core'
import type { BufferPool } from '@khlong/core/bytes'
import { type BatchHeader, readBatchHeader, stampBatch } from '@khlong/kafka-protocol/records'
import { KafkaError } from '../errors.ts'
import { checkFitsSegment, checkProduced, checkSize } from './batch-check.ts'
import {
  checkpointText,
  flushFolder,
  partitionMetadataText,
  readCheckpoint,
  writeFileDurably,
} from './checkpoint-file.ts'
import type { FilePool } from './file-pool.ts'
import { flushFileAside, flushFolderAside } from './folder-flush.ts'
import type { MemoryHolder } from './held-memory.ts'
import type { LogConfig } from './log-config.ts'
import { type Marker, markerBatch } from './marker.ts'
import { isRollDue, type PendingBatch, type SegmentPlan } from './pending-batch.ts'
import { PendingBatches } from './pending-batches.ts'
import { ProducerState } from './producer-state.ts'
import { recompress } from './recompress.ts'
import { recoverSegments } from './recovery.ts'
import { Segment } from './segment.ts'
import { type ReadOptions, readSegments } from './segment-read.ts'
import { dropSnapshots, snapshotPath } from './snapshot-files.ts'
import { findInTail, lendFromTail, Tail, type TailCache } from './tail-cache.ts'
import { Unflushed } from './unflushed.ts'

// Invariants: logStartOffset <= highWatermark <= writtenOffset <= logEndOffset. Batches between
// writtenOffset and logEndOffset are in memory (pending, or taken by a commit), in order; segments cover
// everything below writtenOffset. Only the last segment is written. The producers' state is that of
// logEndOffset, so the snapshot that goes with a new segment is taken when its first batch is appended.

export interface LogServices {
  readonly files: FilePool
  readonly tails: TailCache
  /** For what is read from files. */
  readonly memory: BufferPool
  readonly clock: Clock
  readonly logger: Logger
  /** Numbers the appends of all logs. */
  readonly appends: { count: number }
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

/** The log of one partition: a folder of segments as Kafka lays it out. */
export class PartitionLog {
  readonly identity: LogIdentity
  readonly name: string
  readonly folder: string
  readonly topicIdBytes: Buffer
  readonly producers: ProducerState = new ProducerState()
  /** Called, once each, when the high watermark moves or the log closes. */
  readonly waiters: Set<() => void> = new Set()
  /** How often {@link waiters} were called: who looked before and waits now sees what came between. */
  changeCount = 0
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
  readonly #pending = new PendingBatches()
  #plan: SegmentPlan = { baseOffset: 0, byteCount: 0, firstTimestamp: undefined }
  readonly #unflushed = new Unflushed()
  #isClosed = false
  /** The files are as a clean stop left them: nothing was written since, so a stop need not write either. */
  #isUntouched = false

  constructor(folder: string, identity: LogIdentity, config: LogConfig, services: LogServices) {
    this.folder = folder
    this.identity = identity
    this.name = `${identity.topic}-${identity.partition}`
    this.config = config
    this.#services = services
    this.topicIdBytes = Buffer.from(identity.topicId, 'base64url')
  }

  get leaderEpoch(): number {
    return this.leaderEpochs.at(-1)?.epoch ?? 0
  }
  get pendingBytes(): number {
    return this.#pending.byteCount
  }
  /** Below it every transaction is decided, for everybody. */
  get lastStableOffset(): number {
    const first = this.producers.transactions.firstOffset ?? this.highWatermark
    return Math.max(this.logStartOffset, Math.min(first, this.highWatermark))
  }
  /** A write failed; the next append tries again. */
  get hasFailed(): boolean {
    return this.#pending.failure !== undefined
  }
  /** Batches that only the commit journal holds wait for their write. */
  get isOwing(): boolean {
    return this.#pending.isOwing
  }
  get byteCount(): number {
    return this.segments.reduce((sum, segment) => sum + segment.byteCount, 0)
  }
  get #active(): Segment {
    return this.segments.at(-1)!
  }

  /**
   * Makes the folder of a new partition and opens it. It is durable when its parent folder is flushed.
   *
   * `partition.metadata`, which tells that a folder is a partition, comes last: what a crash leaves of
   * the others is written over when the partition is made again.
   */
  async create(): Promise<void> {
    mkdirSync(this.folder, { recursive: true })
    const epochFile = path.join(this.folder, 'leader-epoch-checkpoint')
    writeFileSync(epochFile, checkpointText([[0, 0]]))
    new Segment(this.folder, 0, this.#services.files).create()
    await flushFileAside(epochFile)
    const metadataFile = path.join(this.folder, 'partition.metadata')
    writeFileSync(metadataFile, partitionMetadataText(this.identity.topicId))
    await flushFileAside(metadataFile)
    await flushFolderAside(this.folder)
    this.open(0, 0)
  }

  /**
   * Opens the segments. What lies beyond the recovery point is verified; a torn tail is cut off.
   *
   * @throws KafkaError `KAFKA_LOG_DAMAGED` where bytes below the recovery point are missing.
   */
  open(
    recoveryPoint: number,
    logStartOffset: number,
    highWatermark: number = Number.MAX_SAFE_INTEGER,
  ): void {
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
    this.highWatermark = Math.min(highWatermark, this.logEndOffset)
    this.producers.transactions.settle(this.highWatermark)
    this.recoveryPoint = Math.min(recoveryPoint, this.logEndOffset)
    this.#unflushed.reset(this.recoveryPoint, this.#services.clock.nowMs())
    const { baseOffset, byteCount, firstTimestamp } = this.#active
    this.#plan = { baseOffset, byteCount, firstTimestamp }
    for (const segment of this.segments)
      if (segment === this.#active || this.endOf(segment) > this.recoveryPoint)
        this.#unflushed.add(segment, this.writtenOffset, this.#services.clock.nowMs())
    this.#isUntouched = recovered.isClean
  }

  /**
   * Checks a produced batch, gives it its offsets and queues it for the next write. `records` is changed in place, and
   * the log's until its commit round has ended. `verify` may refuse the batch by throwing.
   *
   * @throws KafkaError with the reason where the batch is refused or the log cannot be written.
   */
  append(
    records: Buffer,
    origin: 'client' | 'broker' = 'client',
    verify?: (header: BatchHeader) => void,
  ): AppendResult {
    this.assertWritable()
    const nowMs = this.#services.clock.nowMs()
    let batch = records
    const bounds = { partition: this.name, config: this.config, nowMs }
    let header = checkProduced(batch, origin, bounds)
    verify?.(header)
    const { compression, compressionLevel } = this.config
    if (compression !== undefined && compression !== header.compression && origin === 'client') {
      batch = recompress(batch, header, compression, compressionLevel)
      header = readBatchHeader(batch)
      // It may be larger than what came.
      checkSize(header, this.config)
    }
    if (origin === 'client') checkFitsSegment(header, bounds)
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
    stampBatch(batch, header, {
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
      batch,
    )
    const logAppendTimeMs = isLogAppendTime ? nowMs : -1
    return { baseOffset, lastOffset, logAppendTimeMs, recordCount, isDuplicate: false }
  }

  /** Queues the marker that ends a producer's transaction. @throws KafkaError as {@link append} */
  appendMarker(marker: Marker): AppendResult {
    const batch = markerBatch(marker, this.#services.clock.nowMs())
    return this.append(batch, 'broker', (header) =>
      this.producers.checkMarker(header, marker.coordinatorEpoch),
    )
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

  #queue(header: BatchHeader, bytes: Buffer, isOwed = false): void {
    const plan = this.#plan
    let snapshot: Buffer | undefined
    if (isRollDue(plan, this.#active, header, this.config)) {
      snapshot = this.producers.snapshot()
      plan.baseOffset = header.baseOffset
      plan.byteCount = 0
      plan.firstTimestamp = undefined
    }
    plan.byteCount += header.byteCount
    plan.firstTimestamp ??= header.maxTimestamp
    const ended = this.producers.record(header, bytes)
    const order = this.#services.appends.count++
    this.#pending.add({ header, bytes, order, snapshot, ended, isOwed })
    this.logEndOffset = header.lastOffset + 1
  }

  /** Takes what is pending, in order; every batch must be given to {@link write}. */
  takePending(): PendingBatch[] {
    // Its name may belong to another log by now.
    this.assertOpen()
    return this.#pending.take()
  }

  /** Writes what is pending to the active segment, without flushing, and gives the batches. */
  writePending(): readonly PendingBatch[] {
    const pending = this.takePending()
    this.write(pending)
    return pending
  }

  /** Writes batches that were taken. Those that the journal holds are kept where they cannot be written. */
  write(batches: readonly PendingBatch[]): void {
    this.assertOpen()
    let run: PendingBatch[] = []
    const writeRun = (): void => {
      if (run.length > 0) this.#writeRun(run)
      run = []
    }
    try {
      for (const batch of batches) {
        if (batch.snapshot) {
          writeRun()
          this.#beginSegment(batch.header.baseOffset, batch.snapshot)
        }
        run.push(batch)
      }
      writeRun()
    } catch (error) {
      this.#putBack(batches, error)
      throw error
    }
  }

  /** Gives up batches that were taken: nothing holds them. */
  drop(batches: readonly PendingBatch[], error: unknown): void {
    if (batches.length > 0) this.#putBack(batches, error)
  }

  #putBack(batches: readonly PendingBatch[], error: unknown): void {
    const isUnwritten = ({ header }: PendingBatch): boolean =>
      header.lastOffset >= this.writtenOffset
    this.#pending.putBack(batches.filter(isUnwritten), error)
  }

  #writeRun(run: readonly PendingBatch[]): void {
    const segment = this.#active
    this.#isUntouched = false
    segment.write(
      run.map((batch) => batch.bytes),
      segment.byteCount,
    )
    this.#unflushed.add(segment, this.writtenOffset, this.#services.clock.nowMs())
    for (const { header, bytes, ended } of run) {
      segment.note(header, segment.byteCount, this.config.indexIntervalBytes)
      if (ended?.isAborted) segment.transactionIndex.append(ended)
      this.#services.tails.add(this.#tail, header.baseOffset, header.lastOffset, bytes)
      this.writtenOffset = header.lastOffset + 1
    }
  }

  /** Ends the active segment, so that it can be cleaned or removed; not while batches are on their way. */
  roll(): void {
    if (this.writtenOffset !== this.logEndOffset || this.#active.byteCount === 0) return
    this.#beginSegment(this.writtenOffset, this.producers.snapshot())
    this.#plan = { baseOffset: this.writtenOffset, byteCount: 0, firstTimestamp: undefined }
  }

  #beginSegment(baseOffset: number, snapshot: Buffer): void {
    this.#isUntouched = false
    this.#active.seal()
    writeFileDurably(snapshotPath(this.folder, baseOffset), snapshot)
    const next = this.newSegment(baseOffset)
    next.create()
    flushFolder(this.folder)
    this.segments = [...this.segments, next]
  }

  /** Flushes every segment that was written since the last flush. */
  async flush(): Promise<void> {
    if (this.#isClosed) return
    const isThere = (segment: Segment): boolean => this.segments.includes(segment)
    await this.#unflushed.flush(this.writtenOffset, isThere, () => this.#services.clock.nowMs())
  }

  /** Everything below was in the segments at their last flush. */
  get flushedOffset(): number {
    return this.#unflushed.flushedOffset
  }

  /** Whether `flush.messages` or `flush.ms` ask for a flush. */
  isFlushDue(nowMs: number): boolean {
    return this.#unflushed.isDue(this.writtenOffset, this.config, nowMs)
  }

  /** Flushes segments and indexes, and moves the recovery point to what was written before. */
  async checkpoint(): Promise<void> {
    if (this.hasFailed || this.#isClosed) return
    const upTo = this.writtenOffset
    await Promise.all([this.#active.saveIndexes(), this.flush()])
    this.recoveryPoint = Math.max(this.recoveryPoint, upTo)
  }

  /** Lets consumers read below `offset`. */
  advance(offset: number): void {
    if (offset <= this.highWatermark) return
    this.highWatermark = offset
    this.producers.transactions.settle(offset)
    this.#wake()
  }

  #wake(): void {
    this.changeCount++
    if (this.waiters.size === 0) return
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const waiter of waiters) waiter()
  }

  /**
   * Batches from the one that holds `offset` on, below the high watermark, up to `byteCount` bytes; the first
   * comes whatever its size. They lie in memory that `holder` keeps.
   *
   * @throws KafkaError `KAFKA_OFFSET_OUT_OF_RANGE`
   */
  read(
    offset: number,
    byteCount: number,
    holder: MemoryHolder,
    options: Partial<ReadOptions> = {},
  ): Buffer[] | Promise<Buffer[]> {
    this.assertOpen()
    if (offset < this.logStartOffset || offset > this.logEndOffset)
      throw new KafkaError(
        'KAFKA_OFFSET_OUT_OF_RANGE',
        `${this.name} holds offsets ${this.logStartOffset} to ${this.logEndOffset}, asked for ${offset}`,
      )
    const { limitOffset = this.highWatermark, isLargerTaken = always } = options
    if (offset >= limitOffset || byteCount <= 0) return []
    const { memory } = this.#services
    const cached = findInTail(this.#tail, offset, limitOffset, byteCount)
    if (!cached) {
      const wanted = { offset, limitOffset, byteCount, isLargerTaken, memory, holder }
      return readSegments(this, wanted)
    }
    const [first] = cached
    const firstBytes = first ? first.end - first.start : 0
    if (firstBytes > byteCount && !isLargerTaken(firstBytes)) return []
    return lendFromTail(cached, memory, holder)
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

  /** The offset behind a segment's last. */
  endOf(segment: Segment): number {
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
    rmSync(snapshotPath(this.folder, segment.baseOffset), { force: true })
  }

  /** Flushes and closes; what is written afterwards is refused. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    if (!this.hasFailed && this.segments.length > 0 && this.#writeLast())
      if (!this.#isUntouched) {
        await this.checkpoint()
        await this.#active.sealAside()
        // Not flushed: one that a loss of power takes bears a wrong checksum, and costs a longer start.
        writeFileSync(snapshotPath(this.folder, this.writtenOffset), this.producers.snapshot())
        dropSnapshots(this.folder, [
          ...this.segments.map((segment) => segment.baseOffset),
          this.writtenOffset,
        ])
      }
    this.abandon()
  }

  #writeLast(): boolean {
    try {
      this.writePending()
      return true
    } catch (error) {
      this.#services.logger.error({ log: this.name, err: error }, 'a log could not be written')
      return false
    }
  }

  /** Closes without writing anything: for logs that are removed, or whose files failed. */
  abandon(): void {
    this.#isClosed = true
    for (const segment of this.segments) segment.close()
    this.#services.tails.clear(this.#tail)
    this.#wake()
  }

  /** @throws KafkaError `KAFKA_LOG_CLOSED` */
  assertOpen(): void {
    if (this.#isClosed) throw new KafkaError('KAFKA_LOG_CLOSED', `${this.name} is closed`)
  }

  /**
   * Makes sure that a batch can be appended: a log that failed reads its files again.
   *
   * @throws KafkaError `KAFKA_STORAGE_FAILED`, `KAFKA_LOG_CLOSED`
   */
  assertWritable(): void {
    this.assertOpen()
    if (!this.hasFailed) return
    // A write failed, say for lack of room: what the files hold is the truth, so they are read again.
    const { failure } = this.#pending
    try {
      for (const segment of this.segments) segment.close()
      this.#services.tails.clear(this.#tail)
      this.open(this.recoveryPoint, this.logStartOffset, this.highWatermark)
      for (const { header, bytes } of this.#pending.recover()) this.#queue(header, bytes, true)
    } catch (error) {
      this.#pending.failAgain(error)
      throw new KafkaError('KAFKA_STORAGE_FAILED', `${this.name} cannot be written`, {
        cause: failure,
        retriable: true,
        fields: { folder: this.folder },
      })
    }
  }
}

function always(): boolean {
  return true
}
