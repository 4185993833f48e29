import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  rmSync,
  writevSync,
} from 'node:fs'
import path from 'node:path'
import type { BatchHeader } from '@khlong/kafka-protocol/records'
import { scanBatches } from './batch-scan.ts'
import type { FilePool } from './file-pool.ts'
import { FileReads } from './file-reads.ts'
import { SparseIndex } from './sparse-index.ts'
import { TransactionIndex } from './transaction-index.ts'

/** The name that Kafka gives a segment's files: its first offset with twenty digits. */
export function segmentName(baseOffset: number): string {
  return String(baseOffset).padStart(20, '0')
}

/**
 * One segment of a partition: `.log` with batches as they go over the wire, `.index` from offsets to
 * positions, `.timeindex` from times to offsets, `.txnindex` with its aborted transactions.
 */
export class Segment {
  readonly baseOffset: number
  readonly logPath: string
  readonly offsetIndex: SparseIndex
  readonly timeIndex: SparseIndex
  readonly transactionIndex: TransactionIndex
  readonly #pool: FilePool
  readonly #reads = new FileReads()
  /** Bytes of batches in the file. */
  byteCount = 0
  /** -1 while no batch has a time. */
  maxTimestamp = -1
  maxTimestampOffset = -1
  /** The time of the first batch, by which `segment.ms` is counted; undefined while empty or unknown. */
  firstTimestamp: number | undefined
  #bytesSinceIndex = 0

  constructor(folder: string, baseOffset: number, pool: FilePool, suffix = '') {
    const stem = path.join(folder, segmentName(baseOffset))
    this.baseOffset = baseOffset
    this.#pool = pool
    this.logPath = `${stem}.log${suffix}`
    this.offsetIndex = new SparseIndex(`${stem}.index${suffix}`, 4)
    this.timeIndex = new SparseIndex(`${stem}.timeindex${suffix}`, 8)
    this.transactionIndex = new TransactionIndex(`${stem}.txnindex${suffix}`)
  }

  /** Makes room for a new segment: empty files over what may be left there. */
  create(): void {
    this.createLog()
    this.offsetIndex.create()
    this.timeIndex.create()
    this.transactionIndex.remove()
  }

  /** Makes the file of batches, empty. */
  createLog(): void {
    closeSync(openSync(this.logPath, 'w'))
  }

  use<Result>(action: (fd: number) => Result): Result {
    const fd = this.#pool.acquire(this.logPath)
    try {
      return action(fd)
    } finally {
      this.#pool.release(this.logPath, fd)
    }
  }

  fileBytes(): number {
    return this.use((fd) => fstatSync(fd).size)
  }

  /** When the file of batches was last written. */
  modifiedMs(): number {
    return this.use((fd) => fstatSync(fd).mtimeMs)
  }

  /** The time of its newest record, or of the file where no record has one, as in Kafka. */
  newestMs(): number {
    return this.maxTimestamp >= 0 ? this.maxTimestamp : this.modifiedMs()
  }

  /** Takes an older segment as it is; false where its indexes must be made again. */
  attach(): boolean {
    this.byteCount = this.fileBytes()
    const isWhole = this.offsetIndex.attach() && this.timeIndex.attach()
    if (!isWhole) return false
    const last = this.timeIndex.last()
    this.maxTimestamp = last?.key ?? -1
    this.maxTimestampOffset = last ? this.baseOffset + last.value : -1
    return true
  }

  /** Notes a batch that lies (or will lie) at `position`: sizes, times and sparse index entries. */
  note(header: BatchHeader, position: number, intervalBytes: number): void {
    if (this.#bytesSinceIndex > intervalBytes) {
      // The last offset, as in Kafka: kafka-dump-log looks for it.
      this.offsetIndex.append(header.lastOffset - this.baseOffset, position)
      this.#indexTime()
      this.#bytesSinceIndex = 0
    }
    this.#bytesSinceIndex += header.byteCount
    this.firstTimestamp ??= header.maxTimestamp
    if (header.maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = header.maxTimestamp
      this.maxTimestampOffset = header.lastOffset
    }
    this.byteCount = position + header.byteCount
  }

  /** Writes batches at `position`, whole or not at all: what a failed write left is cut off again. */
  write(batches: readonly Buffer[], position: number): void {
    this.use((fd) => {
      let at = position
      try {
        for (let first = 0; first < batches.length; first += 512) {
          const part = batches.slice(first, first + 512)
          at = writeAll(fd, part, at)
        }
      } catch (error) {
        ftruncateSync(fd, position)
        throw error
      }
    })
  }

  /** Makes what is written durable, off this thread. */
  flush(): Promise<void> {
    const fd = this.#pool.acquire(this.logPath)
    return new Promise((resolve, reject) => {
      fdatasync(fd, (error) => {
        this.#pool.release(this.logPath, fd)
        if (error) reject(error)
        else resolve()
      })
    })
  }

  /** Writes the indexes as they are now, and makes them durable off this thread: what is there is trusted later. */
  async saveIndexes(): Promise<void> {
    this.transactionIndex.save()
    await Promise.all([this.offsetIndex.save(), this.timeIndex.save()])
  }

  /** The segment is no longer active: its last time is indexed, its indexes are written and let go. */
  seal(): void {
    this.#indexTime()
    this.offsetIndex.seal()
    this.timeIndex.seal()
    this.transactionIndex.save()
  }

  /** As {@link seal} for the end of the process, with the flushes off this thread. */
  async sealAside(): Promise<void> {
    this.#indexTime()
    await this.saveIndexes()
  }

  /** A position at or before the batch that holds `offset`. */
  floorPosition(offset: number): number {
    return this.offsetIndex.floor(offset - this.baseOffset)?.value ?? 0
  }

  /**
   * Lends a function that fills memory from a position on, as far as there are batches, and gives how many bytes it
   * read. What it reads is the file of now, also when that is removed or replaced meanwhile.
   */
  async reading<Result>(
    action: (read: (position: number, into: Buffer) => number | Promise<number>) => Promise<Result>,
  ): Promise<Result> {
    const fd = this.#pool.acquire(this.logPath)
    try {
      return await action((position, into) => {
        const byteCount = Math.max(0, Math.min(into.byteLength, this.byteCount - position))
        return this.#reads.read(fd, position, into.subarray(0, byteCount))
      })
    } finally {
      this.#pool.release(this.logPath, fd)
    }
  }

  /** As {@link flush}, on this thread: for files that nobody reads yet. */
  flushNow(): void {
    this.use(fdatasyncSync)
  }

  /** The position where the first batch lies whose last offset is at or above `offset`. */
  positionOf(offset: number): number {
    let found = this.byteCount
    this.scan(this.floorPosition(offset), false, (header) => {
      if (header.lastOffset < offset) return true
      found = header.position
      return false
    })
    return found
  }

  scan(
    position: number,
    isVerified: boolean,
    visit: (header: BatchHeader, batch: Buffer) => boolean | undefined,
    fileBytes: number = this.byteCount,
  ): { position: number; problem?: string } {
    return this.use((fd) => scanBatches({ fd, position, fileBytes, isVerified }, visit))
  }

  truncate(position: number): void {
    this.use((fd) => ftruncateSync(fd, position))
    this.byteCount = position
  }

  close(): void {
    this.#pool.forget(this.logPath)
  }

  remove(): void {
    this.close()
    for (const file of [this.logPath, this.offsetIndex.path, this.timeIndex.path])
      rmSync(file, { force: true })
    this.transactionIndex.remove()
  }

  #indexTime(): void {
    const last = this.timeIndex.last()
    if (this.maxTimestamp >= 0 && this.maxTimestamp > (last?.key ?? -1))
      this.timeIndex.append(this.maxTimestamp, this.maxTimestampOffset - this.baseOffset)
  }
}

function writeAll(fd: number, buffers: Buffer[], position: number): number {
  let rest = buffers
  let at = position
  let wanted = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0)
  while (wanted > 0) {
    let written = writevSync(fd, rest, at)
    at += written
    wanted -= written
    if (wanted === 0) break
    // A short write: go on after what is there.
    rest = [...rest]
    while (written >= rest[0]!.byteLength) written -= rest.shift()!.byteLength
    rest[0] = rest[0]!.subarray(written)
  }
  return at
}
