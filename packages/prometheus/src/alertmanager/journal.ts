import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import type { CutFolder, Logger } from '@khlong/core'
import { crc32c } from '@khlong/core/bytes'
import { PrometheusError } from '../errors.ts'
import { fileMagic, isMagic } from '../storage/file-magic.ts'
import type { Alert } from './state/alert.ts'
import type { NotificationEntry } from './state/notification-log.ts'
import type { Silence } from './state/silences.ts'

// The journal: see docs/formats/prometheus.md.
//
//   file:    "KHAM" version(u8) | record…
//   record:  length(u32) crc32c(u32) JSON            length counts the JSON's bytes

const magic = fileMagic('KHAM', 1)
const recordBytesMax = 16 << 20

/** One change of what the Alertmanager remembers; a later one about the same thing replaces it. */
export type JournalRecord =
  | { readonly alert: Alert }
  | { readonly silence: Silence }
  | { readonly notification: NotificationEntry }

export interface JournalOptions {
  folder: string
  /** Everything that is to be remembered, to write the file anew. */
  snapshot(): readonly JournalRecord[]
  /** The file is written anew once it is this long and four times what is remembered. */
  compactBytes: number
  logger: Logger
}

/** Writes changes down; one flush is under way at a time and all that wait share the next. */
export class Journal {
  readonly #options: JournalOptions
  readonly #file: string
  #handle: FileHandle | undefined
  #bytes = 0
  #compactAt = 0
  #waiting: { bytes: Buffer; resolve(): void; reject(error: unknown): void }[] = []
  #flushing: Promise<void> | undefined

  constructor(options: JournalOptions) {
    this.#options = options
    this.#file = path.join(options.folder, 'alertmanager.journal')
  }

  get byteLength(): number {
    return this.#bytes
  }

  /**
   * Gives every record to `load` and opens the file for more. A torn tail is cut.
   *
   * @throws PrometheusError `PROMETHEUS_STORAGE_DAMAGED` with file and position
   */
  async open(load: (record: JournalRecord) => void): Promise<void> {
    await rm(`${this.#file}.new`, { force: true })
    const bytes = await readFile(this.#file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return Buffer.alloc(0)
      throw error
    })
    const end = bytes.length < magic.length ? 0 : this.#replay(bytes, load)
    this.#handle = await open(this.#file, end === 0 ? 'w' : 'r+')
    if (end === 0) await this.#handle.write(magic, 0, magic.length, 0)
    else await this.#handle.truncate(end)
    await this.#handle.datasync()
    this.#bytes = Math.max(end, magic.length)
    this.#compactAt = Math.max(this.#options.compactBytes, this.#bytes)
  }

  /** Resolves when the records survive power loss. */
  append(records: readonly JournalRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes: encode(records), resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  /** Keeps the file up to its last whole record. */
  cut(cut: CutFolder, folder: string): void {
    const name = `${folder}/${path.basename(this.#file)}`
    // While it is written anew the file has another length than the one that is known.
    if (this.#handle) cut.keep(name, this.#bytes)
    else cut.keepIfThere(name)
  }

  async close(): Promise<void> {
    await this.#flushing
    await this.#handle?.close()
    this.#handle = undefined
  }

  async #flush(): Promise<void> {
    // Changes of one tick share one write.
    await null
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      try {
        await this.#write(Buffer.concat(batch.map(({ bytes }) => bytes)))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#flushing = undefined
  }

  async #write(bytes: Buffer): Promise<void> {
    if (!this.#handle) throw new Error('the journal is closed')
    try {
      for (let done = 0; done < bytes.length; ) {
        const rest = bytes.length - done
        done += (await this.#handle.write(bytes, done, rest, this.#bytes + done)).bytesWritten
      }
      await this.#handle.datasync()
    } catch (error) {
      // Half a record must not stand before whole ones, as where the disk was full for a while.
      await this.#handle.truncate(this.#bytes)
      throw error
    }
    this.#bytes += bytes.length
    if (this.#bytes > this.#compactAt) await this.#compact()
  }

  async #compact(): Promise<void> {
    const { snapshot, compactBytes, logger } = this.#options
    const bytes = Buffer.concat([magic, encode(snapshot())])
    try {
      const next = await open(`${this.#file}.new`, 'w')
      try {
        await next.writeFile(bytes)
        await next.datasync()
      } finally {
        await next.close()
      }
    } catch (error) {
      // The file as it is serves on; what was just written is in it.
      await rm(`${this.#file}.new`, { force: true })
      this.#compactAt = this.#bytes * 2
      logger.warn({ err: error }, 'the journal could not be written anew')
      return
    }
    // Windows does not rename over an open file.
    await this.#handle?.close()
    this.#handle = undefined
    await rename(`${this.#file}.new`, this.#file)
    this.#handle = await open(this.#file, 'r+')
    logger.debug({ bytesBefore: this.#bytes, bytes: bytes.length }, 'the journal was written anew')
    this.#bytes = bytes.length
    this.#compactAt = Math.max(compactBytes, bytes.length * 4)
  }

  #replay(bytes: Buffer, load: (record: JournalRecord) => void): number {
    if (!isMagic(this.#file, bytes.subarray(0, magic.length), magic))
      throw damaged(this.#file, 0, 'not a journal of this version')
    let at = magic.length
    while (at < bytes.length) {
      const length = bytes.length - at >= 8 ? bytes.readUInt32BE(at) : Number.NaN
      const end = at + 8 + length
      const isWhole = length <= recordBytesMax && end <= bytes.length
      if (!isWhole || crc32c(bytes.subarray(at + 8, end)) !== bytes.readUInt32BE(at + 4)) {
        if (isWhole && end < bytes.length) throw damaged(this.#file, at, 'a record is damaged')
        this.#options.logger.warn(
          { file: this.#file, position: at, cutBytes: bytes.length - at },
          'a torn tail was cut',
        )
        return at
      }
      load(JSON.parse(bytes.toString('utf8', at + 8, end)) as JournalRecord)
      at = end
    }
    return at
  }
}

function encode(records: readonly JournalRecord[]): Buffer {
  return Buffer.concat(
    records.flatMap((record) => {
      const body = Buffer.from(JSON.stringify(record))
      const head = Buffer.alloc(8)
      head.writeUInt32BE(body.length)
      head.writeUInt32BE(crc32c(body), 4)
      return [head, body]
    }),
  )
}

function damaged(file: string, position: number, what: string): PrometheusError {
  return new PrometheusError('PROMETHEUS_STORAGE_DAMAGED', `${file}: byte ${position}: ${what}`, {
    fields: { file, position },
  })
}
