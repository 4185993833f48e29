import assert from 'node:assert'
import type { Clock, CutFolder, Logger, TimerHandle } from '@khlong/core'
import { crc32c, type Reader, Writer } from '@khlong/core/bytes'
import { MqttError } from '../errors.ts'
import type { SegmentRef } from '../state/journal-port.ts'
import type { JournalFile, JournalFolder } from './folder.ts'
import {
  formatVersion,
  RecordType,
  readSegment,
  segmentHeader,
  segmentHeaderBytes,
} from './segment-format.ts'

/** One file of the journal. */
export interface Segment extends SegmentRef {
  readonly name: string
  /** Bytes that belong into it, written or not. */
  bytes: number
  writtenBytes: number
  /** Bytes that are known to survive a power loss. */
  durableBytes: number
}

interface Batch {
  readonly segment: Segment
  readonly writer: Writer
}

/** What a log needs, and whom it calls. */
export interface SegmentLogOptions {
  readonly folder: JournalFolder
  readonly segmentBytes: number
  readonly clock: Clock
  readonly logger: Logger
  /** Called before bytes are taken for writing; may append. */
  readonly beforeCommit: () => void
  /** Called when everything up to `durable` survives a power loss. */
  readonly onDurable: (durable: number) => void
  /** Called to append again whatever has its newest record in `segment`. */
  readonly rewrite: (segment: Segment) => void
  /** Called when the journal cannot go on. */
  readonly onFailure: (error: unknown) => void
}

/** Gets each record of a journal that is opened; `bytes` is the size of the whole record. */
export type RecordVisitor = (
  type: number,
  body: Reader,
  segment: Segment,
  recordBytes: number,
) => void

const segmentName = (sequence: number): string => `${String(sequence).padStart(8, '0')}.journal`
/** Records that nobody waits for are written after this time. */
const writeDelayMs = 10
const retryDelayMs = 1_000

/**
 * Records in numbered files, appended in memory and written by group commit: one flush is under way
 * at a time, and whoever waits meanwhile shares the next.
 *
 * Invariants: only the oldest segment is ever deleted; it is deleted when none of its records is the
 * newest of anything, and after everything that took their place is durable. A segment is durable
 * as a whole before the next one is begun.
 */
export class SegmentLog {
  readonly #options: SegmentLogOptions
  readonly #segments: Segment[] = []
  #batches: Batch[] = []
  #file: JournalFile | undefined
  #fileSegment: Segment | undefined
  #recordStart = -1
  #running: Promise<void> | undefined
  #wanted = 0
  #writeTimer: TimerHandle | undefined
  #dying: { segment: Segment; position: number } | undefined
  #isClosing = false
  #hasFailed = false
  #wakeRetry: (() => void) | undefined

  appended = 0
  durable = 0
  flushCount = 0
  /** Whether the last write failed because the disk is full; it is tried again. */
  isDiskFull = false

  private constructor(options: SegmentLogOptions) {
    this.#options = options
  }

  /**
   * Reads what is there, cuts a torn tail, and goes on behind it.
   *
   * @throws MqttError `MQTT_JOURNAL_DAMAGED`, `MQTT_JOURNAL_VERSION`
   */
  static async open(options: SegmentLogOptions, visit: RecordVisitor): Promise<SegmentLog> {
    const log = new SegmentLog(options)
    const { folder, logger } = options
    let lastVersion = formatVersion
    const names = (await folder.list()).filter((name) => /^\d{8}\.journal$/.test(name)).sort()
    for (const [index, name] of names.entries()) {
      const sequence = Number.parseInt(name, 10)
      const expected = (log.#segments.at(-1)?.sequence ?? sequence - 1) + 1
      if (sequence !== expected)
        throw new MqttError(
          'MQTT_JOURNAL_DAMAGED',
          `${folder.path}: expected ${segmentName(expected)}, found ${name}; a file is missing`,
          { fields: { file: name } },
        )
      const bytes = await folder.read(name)
      const segment = newSegment(sequence)
      const isLast = index === names.length - 1
      const { end, version } = readSegment(
        bytes,
        { folder: folder.path, name, sequence, isLast },
        (type, body) => visit(type, body, segment, body.end - body.position + recordHeaderBytes),
      )
      if (end < bytes.length) {
        logger.warn({ file: name, position: end, cutBytes: bytes.length - end }, 'torn tail cut')
        await folder.truncate(name, end)
      }
      lastVersion = version
      segment.bytes = Math.max(end, segmentHeaderBytes)
      segment.writtenBytes = end
      log.#segments.push(segment)
    }
    if (log.#segments.length === 0) log.#segments.push(newSegment(1))
    // What was read may stand in the page cache only.
    const last = log.#segments.at(-1)!
    await (await log.#open(last)).sync()
    last.durableBytes = last.writtenBytes
    // A file of an older version is not added to.
    if (lastVersion < formatVersion) log.#segments.push(newSegment(last.sequence + 1))
    return log
  }

  get diskBytes(): number {
    let bytes = 0
    for (const segment of this.#segments) bytes += segment.bytes
    return bytes
  }
  get liveBytes(): number {
    let bytes = 0
    for (const segment of this.#segments) bytes += segment.liveBytes
    return bytes
  }
  /** Bytes that are not durable yet. */
  get pendingBytes(): number {
    return this.appended - this.durable
  }

  /** Begins a record; its body is appended to the writer, then `end` is called. */
  begin(type: number): Writer {
    const writer = this.#writer()
    this.#recordStart = writer.reserve(8)
    writer.uint8(type)
    return writer
  }

  /** Ends the record and gives its size. */
  end(): { segment: Segment; recordBytes: number } {
    const { segment, writer } = this.#batches.at(-1)!
    const start = this.#recordStart
    const recordBytes = writer.position - start
    writer.setUint32(start, recordBytes - recordHeaderBytes)
    writer.setUint32(start + 4, crc32c(writer.bytes().subarray(start + 8)))
    segment.bytes += recordBytes
    this.appended += recordBytes
    this.#recordStart = -1
    this.touch()
    return { segment, recordBytes }
  }

  /** Asks for a commit soon, which nobody waits for. */
  touch(): void {
    this.#writeTimer ??= this.#options.clock.setTimer(() => this.#run(), writeDelayMs)
  }

  /** Asks for `position` to be durable soon. */
  demand(position: number): void {
    if (position <= this.#wanted) return
    this.#wanted = position
    this.#run()
  }

  /** Keeps every file up to what was written, which is never less than what was acknowledged. */
  cut(cut: CutFolder): void {
    for (const segment of this.#segments) {
      if (segment.writtenBytes === 0) continue
      // Its file may go a moment before it does, when everything in it has been replaced for good.
      if (segment === this.#dying?.segment) cut.keepIfThere(segment.name, segment.writtenBytes)
      else cut.keep(segment.name, segment.writtenBytes)
    }
  }

  /** Makes everything durable and closes the file. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#wakeRetry?.()
    if (this.#writeTimer) this.#options.clock.clearTimer(this.#writeTimer)
    await this.#running
    try {
      this.#options.beforeCommit()
      // After a failed write or flush nothing is known of what the file holds.
      if (!this.#hasFailed) await this.#commit(true)
    } finally {
      await this.#file?.close()
      this.#file = undefined
    }
  }

  #writer(): Writer {
    assert(this.#recordStart < 0, 'a record is begun inside another')
    let segment = this.#segments.at(-1)!
    let batch = this.#batches.at(-1)
    if (segment.bytes >= this.#options.segmentBytes) {
      segment = newSegment(segment.sequence + 1)
      this.#segments.push(segment)
    }
    if (batch?.segment !== segment) {
      batch = { segment, writer: new Writer(16_384) }
      this.#batches.push(batch)
      if (segment.durableBytes > segmentHeaderBytes) this.#mark(segment, batch.writer)
    }
    return batch.writer
  }

  /** Notes how far the segment is durable, so that recovery can tell damage from a torn tail. */
  #mark(segment: Segment, writer: Writer): void {
    writer.uint32(8).uint32(0).uint8(RecordType.durable)
    writer.uint32(segment.sequence).uint32(segment.durableBytes)
    writer.setUint32(4, crc32c(writer.bytes().subarray(8)))
    segment.bytes += writer.position
    this.appended += writer.position
  }

  #run(): void {
    if (this.#running || this.#isClosing || this.#hasFailed) return
    // The rest of this tick may still append.
    this.#running = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#loop())
      .catch((error: unknown) => {
        this.#hasFailed = true
        this.#options.onFailure(error)
      })
      .finally(() => {
        this.#running = undefined
        if (this.#wanted > this.durable) this.#run()
      })
  }

  async #loop(): Promise<void> {
    do {
      if (this.#writeTimer) this.#options.clock.clearTimer(this.#writeTimer)
      this.#writeTimer = undefined
      this.#options.beforeCommit()
      await this.#commit(this.#wanted > this.durable)
      await this.#clean()
    } while (this.#wanted > this.durable && !this.#isClosing)
  }

  async #commit(isFlush: boolean): Promise<void> {
    const batches = this.#batches
    this.#batches = []
    const position = this.appended
    for (const batch of batches) await this.#write(batch)
    const segment = this.#fileSegment
    if (!isFlush || !segment || !this.#file || position === this.durable) return
    await this.#file.sync()
    this.flushCount++
    segment.durableBytes = segment.writtenBytes
    this.durable = position
    this.#options.onDurable(position)
  }

  async #write({ segment, writer }: Batch): Promise<void> {
    const file = await this.#open(segment)
    const bytes = writer.bytes()
    for (;;) {
      try {
        await file.write(bytes, segment.writtenBytes)
        break
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if ((code !== 'ENOSPC' && code !== 'EDQUOT') || this.#isClosing) throw error
        if (!this.isDiskFull)
          this.#options.logger.warn({ err: error }, 'disk full; publishers wait')
        this.isDiskFull = true
        await this.#retryDelay()
      }
    }
    this.isDiskFull = false
    segment.writtenBytes += bytes.length
  }

  #retryDelay(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimer(resolve, retryDelayMs)
      this.#wakeRetry = () => {
        this.#options.clock.clearTimer(timer)
        resolve()
      }
    })
  }

  async #open(segment: Segment): Promise<JournalFile> {
    if (this.#file && this.#fileSegment === segment) return this.#file
    if (this.#file) {
      await this.#file.sync()
      await this.#file.close()
    }
    this.#file = await this.#options.folder.open(segment.name)
    this.#fileSegment = segment
    if (segment.writtenBytes < segmentHeaderBytes) {
      await this.#file.write(segmentHeader(segment.sequence), 0)
      segment.writtenBytes = segmentHeaderBytes
    }
    return this.#file
  }

  /** Deletes the oldest segment where it is worth nothing, or little beside the room it takes. */
  async #clean(): Promise<void> {
    const oldest = this.#segments[0]!
    if (this.#dying) {
      if (this.durable < this.#dying.position) return
      assert(oldest === this.#dying.segment && oldest.liveBytes === 0, 'a dying segment lives')
      await this.#options.folder.remove(oldest.name)
      this.#segments.shift()
      this.#dying = undefined
      return
    }
    if (this.#segments.length < 2 || oldest === this.#fileSegment) return
    if (oldest.liveBytes > 0) {
      const room = 2 * this.liveBytes + 3 * this.#options.segmentBytes
      if (this.diskBytes <= room) return
      this.#options.rewrite(oldest)
      assert(oldest.liveBytes === 0, 'a rewritten segment still lives')
    }
    this.#dying = { segment: oldest, position: this.appended }
    this.demand(this.appended)
  }
}

function newSegment(sequence: number): Segment {
  return {
    sequence,
    name: segmentName(sequence),
    bytes: segmentHeaderBytes,
    writtenBytes: 0,
    durableBytes: 0,
    liveBytes: 0,
  }
}

const recordHeaderBytes = 9
