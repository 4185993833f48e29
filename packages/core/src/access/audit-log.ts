import { appendFile, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '../clock.ts'
import { systemClock } from '../clock.ts'
import type { Logger } from '../logger.ts'
import { silentLogger } from '../logger.ts'

/** One change, or one login: who, when, from where, what, and how it ended. No secrets. */
export interface AuditEntry {
  readonly atMs: number
  /** A user or token; empty where nobody has to log in. */
  readonly who: string
  readonly kind: 'user' | 'token' | 'anonymous' | 'command line'
  readonly from: string
  readonly part: string
  /** `POST`, `DELETE`…, or a word of ours such as `login`. */
  readonly action: string
  /** The path without its query, or the name that was acted on. */
  readonly target: string
  /** The HTTP status; 0 for the command line. */
  readonly status: number
  /** What a path does not tell: the role that was given, how long a token lasts. */
  readonly detail?: string
}

export interface AuditLogOptions {
  folder: string
  /** Who writes; each writer has its own files. */
  part: string
  /** Entries of another weight, in files of their own. */
  topic?: string
  /** A file that reaches this is put aside. */
  bytesMax?: number
  /** How many of a writer's files are kept, the newest included. */
  filesMax?: number
  clock?: Clock
  logger?: Logger
}

const textMax = 400
const pendingBytesMax = 1_000_000

/**
 * Writes one JSON line per change into `audit-PART.jsonl`, append only. Two writers never share a
 * file, so that putting a full one aside needs no lock.
 */
export class AuditLog {
  readonly #folder: string
  readonly #file: string
  readonly #part: string
  readonly #bytesMax: number
  readonly #filesMax: number
  readonly #clock: Clock
  readonly #logger: Logger
  #pending: string[] = []
  #pendingBytes = 0
  #bytes: number | undefined
  #writing: Promise<void> | undefined
  /** Entries that could not be kept: the disk did not follow. */
  dropped = 0

  constructor(options: AuditLogOptions) {
    this.#folder = path.resolve(options.folder)
    this.#part = options.part
    const topic = options.topic === undefined ? '' : `-${options.topic}`
    this.#file = path.join(this.#folder, `audit-${options.part}${topic}.jsonl`)
    this.#bytesMax = options.bytesMax ?? 4_000_000
    this.#filesMax = options.filesMax ?? 4
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger ?? silentLogger
  }

  /** Adds an entry; it is on its way to the disk when this returns. */
  add(entry: Omit<AuditEntry, 'atMs' | 'part'>): void {
    const line = `${JSON.stringify({
      atMs: momentOf(this.#clock.nowMs()),
      part: this.#part,
      ...entry,
      who: entry.who.slice(0, textMax),
      target: entry.target.slice(0, textMax),
      ...(entry.detail === undefined ? {} : { detail: entry.detail.slice(0, textMax) }),
    })}\n`
    if (this.#pendingBytes > pendingBytesMax) {
      this.dropped++
      return
    }
    this.#pending.push(line)
    this.#pendingBytes += line.length
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  /** Resolves when everything added is written. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing
  }

  async #write(): Promise<void> {
    try {
      while (this.#pending.length > 0) {
        const text = this.#pending.join('')
        this.#pending = []
        this.#pendingBytes = 0
        await this.#append(text)
      }
    } catch (error) {
      this.dropped++
      this.#logger.error(
        { err: error, file: this.#file },
        'a change could not be written to the audit log',
      )
    }
  }

  async #append(text: string): Promise<void> {
    if (this.#bytes === undefined) {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 })
      this.#bytes = await stat(this.#file).then(
        ({ size }) => size,
        () => 0,
      )
    }
    const bytes = Buffer.byteLength(text)
    if (this.#bytes > 0 && this.#bytes + bytes > this.#bytesMax) await this.#putAside()
    await appendFile(this.#file, text, { mode: 0o600 })
    this.#bytes += bytes
  }

  async #putAside(): Promise<void> {
    const aside = (index: number): string => this.#file.replace(/\.jsonl$/, `.${index}.jsonl`)
    await rm(aside(this.#filesMax - 1), { force: true })
    for (let index = this.#filesMax - 2; index >= 1; index--)
      await rename(aside(index), aside(index + 1)).catch(ignoreMissing)
    await rename(this.#file, aside(1)).catch(ignoreMissing)
    this.#bytes = 0
  }
}

let latestMs = 0

/** A moment of its own for each entry of this process, so that those of one millisecond keep their order. */
function momentOf(nowMs: number): number {
  latestMs = Math.floor(latestMs) === nowMs ? latestMs + 0.001 : nowMs
  return latestMs
}

/**
 * The newest entries of all writers in a folder, newest first. A line that is cut short, as a power
 * loss leaves it, is passed over.
 */
export async function readAudit(
  folder: string,
  options: { limit: number; beforeMs?: number },
): Promise<AuditEntry[]> {
  const names = await readdir(folder).catch(() => [])
  const entries: AuditEntry[] = []
  for (const name of names) {
    if (!/^audit-[\w-]+(?:\.\d+)?\.jsonl$/.test(name)) continue
    const text = await readFile(path.join(folder, name), 'utf8').catch(() => '')
    for (const line of text.split('\n')) {
      const entry = parseEntry(line)
      if (entry && entry.atMs < (options.beforeMs ?? Number.POSITIVE_INFINITY)) entries.push(entry)
    }
  }
  // Turned first: of two in the same millisecond the one that was written later is the newer.
  return entries
    .reverse()
    .sort((a, b) => b.atMs - a.atMs)
    .slice(0, options.limit)
}

function parseEntry(line: string): AuditEntry | undefined {
  if (line === '') return undefined
  try {
    const value = JSON.parse(line) as Partial<AuditEntry> | null
    return typeof value?.atMs === 'number' && typeof value.action === 'string'
      ? (value as AuditEntry)
      : undefined
  } catch {
    return undefined
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
