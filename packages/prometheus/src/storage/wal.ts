import { readdirSync } from 'node:fs'
import { type FileHandle, open, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import type { CutFolder, Logger } from '@khlong/core'
import { crc32c, Reader, Writer } from '@khlong/core/bytes'
import { PrometheusError } from '../errors.ts'
import { Labels } from '../labels.ts'
import { fileMagic, isMagic } from './file-magic.ts'
import type { Head, HeadSeries } from './head.ts'

// The write-ahead log: see docs/formats/prometheus.md.
//
//   segment:  "KHPW" version(u8) | record…
//   record:   length(u32) crc32c(u32) kind(u8) body
//   kind 1:   series  ref(uvarint) pairs(uvarint) text…      text: length(uvarint) UTF-8
//   kind 2:   samples count(uvarint) { ref(uvarint) time(int64) stale(u8) value(float64) }…

const magic = fileMagic('KHPW', 1)
const kind = { series: 1, samples: 2 } as const
const segmentBytesMax = 8 << 20
const recordBytesMax = 64 << 20
const segmentName = /^\d{8}\.wal$/

/** A sample whose series is known. */
export interface WalSample {
  readonly series: HeadSeries
  readonly timeMs: number
  readonly value: number
  readonly stale: boolean
}

/** Appends what the head takes, so that it can be built again after a crash. */
export class Wal {
  readonly #folder: string
  readonly #logger: Logger
  readonly #writer = new Writer(4_096)
  #file: FileHandle | undefined
  #segment = 0
  #segmentBytes = 0
  #isClosed = false
  #queue: Promise<void> = Promise.resolve()

  constructor(folder: string, logger: Logger) {
    this.#folder = folder
    this.#logger = logger
  }

  /**
   * Reads every segment into the head and opens a fresh one. A torn tail of the last segment is cut.
   *
   * @throws PrometheusError `PROMETHEUS_STORAGE_DAMAGED` with file and position for damage elsewhere
   */
  async replay(head: Head): Promise<void> {
    const segments = await this.#segments()
    for (const [index, segment] of segments.entries())
      await this.#replaySegment(head, segment, index === segments.length - 1)
    this.#segment = segments.at(-1) ?? 0
    await this.#openNext()
  }

  /** Appends new series and samples as one write; resolves when the system has the bytes. */
  append(newSeries: readonly HeadSeries[], samples: readonly WalSample[]): Promise<void> {
    const writer = this.#writer.reset()
    for (const series of newSeries) writeSeries(writer, series)
    if (samples.length > 0) writeSamples(writer, samples)
    return this.#write(writer.copy())
  }

  /** Makes all that was appended survive power loss. */
  flush(): Promise<void> {
    return this.#serially(async () => this.#file?.datasync())
  }

  /** Keeps every segment up to its last whole record. */
  cut(cut: CutFolder, folder: string): void {
    for (const name of readdirSync(this.#folder)) {
      if (!segmentName.test(name)) continue
      const isOpen = this.#file !== undefined && Number.parseInt(name, 10) === this.#segment
      // Segments go when a checkpoint is whole: what took their place is here too.
      cut.keepIfThere(`${folder}/${name}`, isOpen ? this.#segmentBytes : undefined)
    }
  }

  /** Starts anew with what the head still holds, and drops the segments before. */
  async checkpoint(head: Head): Promise<void> {
    let before: number[] = []
    await this.#serially(async () => {
      before = await this.#segments()
      await this.#openNext()
    })
    for (const series of head.all()) {
      const { timesMs, values, stale } = series.samples(
        Number.NEGATIVE_INFINITY,
        Number.POSITIVE_INFINITY,
      )
      const samples = Array.from(timesMs, (timeMs, index) => ({
        series,
        timeMs,
        value: values[index]!,
        stale: stale[index] === 1,
      }))
      await this.append([series], samples)
    }
    await this.flush()
    for (const segment of before) await rm(this.#path(segment), { force: true })
  }

  async close(): Promise<void> {
    await this.flush()
    await this.#serially(async () => {
      await this.#file?.close()
      this.#file = undefined
      this.#isClosed = true
    })
  }

  #write(bytes: Buffer): Promise<void> {
    return this.#serially(async () => {
      if (this.#isClosed) return
      if (!this.#file || this.#segmentBytes >= segmentBytesMax) await this.#openNext()
      const file = this.#file!
      try {
        await writeFully(file, bytes, this.#segmentBytes)
      } catch (error) {
        // Half a record before whole ones would be damage, as where the disk was full for a while.
        await file.truncate(this.#segmentBytes)
        throw error
      }
      this.#segmentBytes += bytes.length
    })
  }

  /** One thing at a time. What failed is its caller's; the next one is tried all the same. */
  #serially(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(work)
    this.#queue = done.catch(() => {})
    return done
  }

  /** Where that fails no segment is open, and the next write tries again. */
  async #openNext(): Promise<void> {
    const before = this.#file
    this.#file = undefined
    await before?.datasync()
    await before?.close()
    const file = await open(this.#path(this.#segment + 1), 'w')
    try {
      await writeFully(file, magic, 0)
    } catch (error) {
      await file.close()
      throw error
    }
    this.#segment++
    this.#file = file
    this.#segmentBytes = magic.length
  }

  async #replaySegment(head: Head, segment: number, isLast: boolean): Promise<void> {
    const file = this.#path(segment)
    const bytes = await readFile(file)
    if (bytes.length < magic.length && isLast) return
    if (!isMagic(file, bytes.subarray(0, magic.length), magic))
      throw damaged(file, 0, 'not a log of this version')
    let at = magic.length
    while (at < bytes.length) {
      const length = bytes.length - at >= 8 ? bytes.readUInt32BE(at) : Number.NaN
      const end = at + 8 + length
      const whole = length <= recordBytesMax && end <= bytes.length
      if (!whole || crc32c(bytes.subarray(at + 8, end)) !== bytes.readUInt32BE(at + 4)) {
        if (!isLast) throw damaged(file, at, 'a record is damaged')
        this.#logger.warn(
          { file, position: at, cutBytes: bytes.length - at },
          'a torn tail was cut',
        )
        return
      }
      replayRecord(head, new Reader(bytes, at + 8, end))
      at = end
    }
  }

  async #segments(): Promise<number[]> {
    const names = await readdir(this.#folder)
    return names
      .filter((name) => segmentName.test(name))
      .map((name) => Number.parseInt(name, 10))
      .sort((a, b) => a - b)
  }
  #path(segment: number): string {
    return path.join(this.#folder, `${String(segment).padStart(8, '0')}.wal`)
  }
}

async function writeFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

function damaged(file: string, position: number, what: string): PrometheusError {
  return new PrometheusError('PROMETHEUS_STORAGE_DAMAGED', `${file}: byte ${position}: ${what}`, {
    fields: { file, position },
  })
}

function writeSeries(writer: Writer, series: HeadSeries): void {
  const start = beginRecord(writer, kind.series)
  const { pairs } = series.labels
  writer.uvarint(series.ref).uvarint(pairs.length)
  for (const text of pairs) {
    writer.uvarint(Buffer.byteLength(text))
    writer.utf8(text)
  }
  endRecord(writer, start)
}

function writeSamples(writer: Writer, samples: readonly WalSample[]): void {
  const start = beginRecord(writer, kind.samples)
  writer.uvarint(samples.length)
  for (const { series, timeMs, value, stale } of samples)
    writer.uvarint(series.ref).int64(timeMs).boolean(stale).float64(value)
  endRecord(writer, start)
}

function beginRecord(writer: Writer, recordKind: number): number {
  const start = writer.reserve(8)
  writer.uint8(recordKind)
  return start
}
function endRecord(writer: Writer, start: number): void {
  const body = writer.bytes().subarray(start + 8)
  writer.setUint32(start, body.length)
  writer.setUint32(start + 4, crc32c(body))
}

function replayRecord(head: Head, reader: Reader): void {
  const recordKind = reader.uint8()
  if (recordKind === kind.series) {
    const ref = reader.uvarint()
    const pairs: string[] = []
    for (let count = reader.count(reader.uvarint()); count > 0; count--)
      pairs.push(reader.utf8(reader.uvarint()))
    const labels = Labels.fromPairs(pairs)
    if (!head.byRef(ref)) head.add(labels, ref)
  } else if (recordKind === kind.samples) {
    for (let count = reader.count(reader.uvarint(), 18); count > 0; count--) {
      const series = head.byRef(reader.uvarint())
      const timeMs = reader.int64()
      const stale = reader.boolean()
      const value = reader.float64()
      // A checkpoint that a crash cut short repeats samples of the segments before it.
      if (series && timeMs > series.lastMs) head.append(series, timeMs, value, stale)
    }
  }
  reader.finish()
}
