import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import path from 'node:path'
import { type Database, open, type RootDatabase } from 'lmdb'
import { codeError, MongoError } from '../errors.ts'

/** A named table of the environment: bytes by bytes, in the order of the keys. */
export type Table = Database<Buffer, Buffer>

interface WriteJob {
  run(): unknown
  resolve(result: unknown): void
  reject(error: unknown): void
}

const FORMAT_KEY = Buffer.from('format')
export const formatVersion = 1
const FORMAT = `khlong-mongodb ${formatVersion}`
const binary = { encoding: 'binary', keyEncoding: 'binary' } as const
const TABLES_MAX = 8_192
// A transaction takes jobs until it has run this long, so that replies do not wait for a long queue.
const TRANSACTION_MS = 25
// While one transaction is being flushed the next one may run.
const IN_FLIGHT_MAX = 2
const COPY_WATCH_MS = 1

/**
 * One LMDB environment with group commit: jobs that arrive while a transaction is under way share
 * the next one, and each promise is resolved when its transaction has reached the disk.
 *
 * Invariants: jobs run one after another and each sees what those before it wrote; a job that
 * throws a MongoError has written nothing; any other error takes back the whole transaction.
 */
export class StorageEngine {
  readonly #root: RootDatabase<Buffer, Buffer>
  readonly #beforeCommit: () => () => void
  readonly #onAbort: () => void
  readonly #onFailure: (error: unknown) => void
  #queue: WriteJob[] = []
  #scheduled = false
  #inFlight = 0
  #isRunning = false
  #isClosing = false
  #failure: unknown
  #idle: (() => void) | undefined
  readonly #tables = new Map<string, Table>()
  /** Tables that the running transaction opened: they are gone when it is taken back. */
  readonly #openedNow = new Set<string>()
  /** How many transactions were committed, and what they held. */
  readonly counts: { transactions: number; jobs: number } = { transactions: 0, jobs: 0 }

  private constructor(root: RootDatabase<Buffer, Buffer>, hooks: EngineHooks) {
    this.#root = root
    this.#beforeCommit = hooks.beforeCommit
    this.#onAbort = hooks.onAbort
    this.#onFailure = hooks.onFailure
  }

  /** Opens or makes the environment in `folder`. */
  static async open(folder: string, hooks: EngineHooks): Promise<StorageEngine> {
    const root = open<Buffer, Buffer>({
      path: folder,
      noSubdir: false,
      maxDbs: TABLES_MAX,
      cache: false,
      ...binary,
    })
    const engine = new StorageEngine(root, hooks)
    try {
      const format = root.get(FORMAT_KEY)?.toString()
      if (format === undefined) {
        await root.put(FORMAT_KEY, Buffer.from(FORMAT))
        await root.put(Buffer.from('salt'), randomBytes(16))
      } else if (format !== FORMAT)
        throw new Error(`${folder} holds documents in the format "${format}"; this is ${FORMAT}`)
    } catch (error) {
      await root.close()
      throw error
    }
    return engine
  }

  /** The table of this name, made where it is missing. */
  table(name: string): Table {
    let table = this.#tables.get(name)
    if (!table) {
      if (this.#tables.size >= TABLES_MAX - 8)
        throw codeError(
          'OperationFailed',
          `there are ${TABLES_MAX} collections and indexes already`,
        )
      table = this.#root.openDB<Buffer, Buffer>(name, { ...binary, cache: false })
      this.#tables.set(name, table)
      if (this.#isRunning) this.#openedNow.add(name)
    }
    return table
  }

  /** Runs `job` in a write transaction; resolves with its result once that is on the disk. */
  write<T>(job: () => T): Promise<T> {
    if (this.#isClosing)
      return Promise.reject(codeError('ShutdownInProgress', 'the server is stopping'))
    if (this.#failure !== undefined) return Promise.reject(unavailable())
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ run: job, resolve: resolve as (result: unknown) => void, reject })
      this.#schedule()
    })
  }

  get queueLength(): number {
    return this.#queue.length
  }

  /**
   * Copies the whole environment, as one transaction left it, to `file`, the only one of its folder.
   * Which transaction is settled when `settled` resolves; writes go on meanwhile.
   */
  copy(file: string): { readonly settled: Promise<void>; readonly written: Promise<void> } {
    const settled = Promise.withResolvers<void>()
    const written = this.#root.backup(path.dirname(file), false)
    // LMDB takes its snapshot before it writes the first byte.
    const watch = setInterval(() => {
      if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0) settled.resolve()
    }, COPY_WATCH_MS)
    written.then(settled.resolve, settled.reject).finally(() => clearInterval(watch))
    return { settled: settled.promise.finally(() => clearInterval(watch)), written }
  }

  /** Accepts no more writes and waits for those that are under way. */
  async settle(): Promise<void> {
    this.#isClosing = true
    if (this.#inFlight === 0 && this.#queue.length === 0) return
    await new Promise<void>((resolve) => {
      this.#idle = resolve
      this.#schedule()
    })
  }

  /** Closes the environment; nothing may be read or written any more. */
  async close(): Promise<void> {
    await this.settle()
    await this.#root.close()
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= IN_FLIGHT_MAX) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (this.#queue.length > 0) void this.#runTransaction()
      else if (this.#inFlight === 0) this.#idle?.()
    })
  }

  async #runTransaction(): Promise<void> {
    this.#inFlight++
    const done: { job: WriteJob; result: unknown; error: unknown }[] = []
    let current: WriteJob | undefined
    let hasRun = false
    let afterCommit: (() => void) | undefined
    try {
      await this.#root.childTransaction(() => {
        const untilMs = performance.now() + TRANSACTION_MS
        this.#isRunning = true
        this.#openedNow.clear()
        do {
          current = this.#queue.shift()
          if (!current) break
          const outcome = {
            job: current,
            result: undefined as unknown,
            error: undefined as unknown,
          }
          done.push(outcome)
          try {
            outcome.result = current.run()
          } catch (error) {
            if (!(error instanceof MongoError)) throw error
            outcome.error = error
          }
        } while (performance.now() < untilMs)
        afterCommit = this.#beforeCommit()
        hasRun = true
        this.#isRunning = false
      })
      await this.#root.flushed
      afterCommit?.()
      this.counts.transactions++
      this.counts.jobs += done.length
      for (const { job, result, error } of done) {
        if (error === undefined) job.resolve(result)
        else job.reject(error)
      }
    } catch (error) {
      this.#isRunning = false
      // A client may write again what a disk without room refused.
      for (const { job } of done) job.reject(hasRun ? unavailable() : error)
      // A job of ours threw: the transaction is gone and so must be what it changed in memory.
      if (!hasRun) {
        for (const name of this.#openedNow) this.#tables.delete(name)
        this.#onAbort()
      } else {
        // The disk refused the commit: nothing that runs on can be trusted to be stored. LMDB's own promise
        // of it has no handler, so the thread ends too, and a new one opens the environment afresh.
        this.#failure = error
        for (const { reject } of this.#queue.splice(0)) reject(unavailable())
        this.#onFailure(error)
      }
    }
    this.#inFlight--
    if (this.#queue.length > 0) this.#schedule()
    else if (this.#inFlight === 0) this.#idle?.()
  }
}

/** What the engine calls around transactions. */
export interface EngineHooks {
  /** Writes what is to be written at the end of a transaction; what it returns is called when that is stored. */
  beforeCommit(): () => void
  /** A transaction was taken back: state in memory is to be read again. */
  onAbort(): void
  /** A commit failed; no further write is accepted. */
  onFailure(error: unknown): void
}

function unavailable(): MongoError {
  // A code that drivers and connectors take for passing.
  return codeError(
    'ShutdownInProgress',
    'the disk refused a commit; the server starts its storage again',
  )
}
