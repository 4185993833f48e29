import { readdirSync } from 'node:fs'
import { type FileHandle, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { type CutFolder, describeError, type Logger } from '@khlong/core'
import { Reader, Writer } from '@khlong/core/bytes'
import { ZooKeeperError } from '../errors.ts'
import type { State } from '../state/state.ts'
import type { Transaction } from '../state/transaction.ts'
import { beginFrame, endFrame, frameAt, frameHeaderBytes, nextFrame } from './frame.ts'
import { checkHeader, fileHeaderBytes, logMagic, writeHeader } from './header.ts'
import { decodeSnapshot, encodeSnapshot, type Snapshot } from './snapshot.ts'
import { readTransaction, writeTransaction } from './transaction-codec.ts'

export interface StorageOptions {
  /** A folder that this process owns. */
  readonly folder: string
  /** Whether a flush waits until the medium has the bytes; without, only until the system has. */
  readonly forceSync: boolean
  /** How many snapshots are kept, with the logs that follow them. */
  readonly snapshotsKept: number
  readonly logger: Logger
}

const fileName = (kind: 'log' | 'snapshot', zxid: number): string =>
  `${kind}.${zxid.toString(16).padStart(16, '0')}`

/** The zxids in the names of the files of a kind, from low to high. */
async function list(folder: string, kind: 'log' | 'snapshot'): Promise<number[]> {
  const zxids: number[] = []
  for (const name of await readdir(folder)) {
    const [prefix, hex = ''] = name.split('.')
    if (prefix === kind && /^[0-9a-f]{16}$/.test(hex)) zxids.push(Number.parseInt(hex, 16))
  }
  return zxids.sort((a, b) => a - b)
}

/**
 * The files of a server: `snapshot.N` is the state after zxid N, `log.N` has the transactions from
 * zxid N on. What is appended becomes durable by the next flush, all of it in one frame.
 *
 * Invariants: one flush is under way at a time, so that a frame is only written when all before it
 * are durable; zxids in the logs follow each other without a gap.
 */
export class Storage {
  readonly #options: StorageOptions
  #log: FileHandle | undefined
  #logPosition = 0
  #pending = new Writer(4096)
  #frameAt = 0
  #pendingCount = 0
  #firstPendingZxid = 0
  #transactionsSinceSnapshot = 0
  /** The log goes on in a new file, named by the next zxid. */
  #isRollDue = true
  /** A flush failed: what it had is in no file, so nothing that follows it may get into one. */
  #isBroken = false

  private constructor(options: StorageOptions) {
    this.#options = options
  }

  /**
   * Reads the newest sound snapshot and hands the transactions after it to `replay`; a torn tail, which
   * no reply was sent for, is cut. Gives undefined for the snapshot of an empty folder.
   *
   * @throws ZooKeeperError `ZOOKEEPER_LOG_DAMAGED`, `ZOOKEEPER_SNAPSHOT_DAMAGED`, `ZOOKEEPER_FORMAT_UNKNOWN`
   */
  static async open(
    options: StorageOptions,
    replay: (snapshot: Snapshot | undefined) => (transaction: Transaction) => void,
  ): Promise<Storage> {
    const { folder } = options
    for (const name of await readdir(folder))
      if (name.endsWith('.tmp')) await rm(path.join(folder, name), { force: true })
    const storage = new Storage(options)
    const snapshot = await newestSnapshot(options)
    await storage.#replayLogs(snapshot?.lastZxid ?? 0, replay(snapshot))
    return storage
  }

  get hasPending(): boolean {
    return this.#pendingCount > 0
  }
  get transactionsSinceSnapshot(): number {
    return this.#transactionsSinceSnapshot
  }

  append(transaction: Transaction): void {
    if (this.#isBroken) return
    if (this.#pendingCount === 0) {
      this.#frameAt = beginFrame(this.#pending)
      this.#firstPendingZxid = transaction.zxid
    }
    writeTransaction(this.#pending, transaction)
    this.#pendingCount++
  }

  /**
   * Makes all that was appended durable. Not to be called while another flush is under way. After one
   * that failed nothing is taken any more: the files have to be opened anew.
   */
  async flush(): Promise<void> {
    if (this.#pendingCount === 0) return
    endFrame(this.#pending, this.#frameAt)
    const bytes = this.#pending.take()
    this.#transactionsSinceSnapshot += this.#pendingCount
    this.#pendingCount = 0
    try {
      if (this.#isRollDue) await this.#roll(this.#firstPendingZxid)
      const log = this.#log!
      await writeFully(log, bytes, this.#logPosition)
      this.#logPosition += bytes.byteLength
      if (this.#options.forceSync) await log.datasync()
    } catch (error) {
      this.#isBroken = true
      this.#pendingCount = 0
      throw error
    }
  }

  /**
   * Writes what `state` is now as a snapshot, begins a new log and removes what is too old. Not to be
   * called while a flush is under way. What is pending is in the snapshot already, and its frame goes
   * into the new log, where the recovery passes over it.
   */
  async snapshot(state: State, secret: Buffer): Promise<void> {
    const { folder } = this.#options
    const frames = encodeSnapshot(state, secret)
    const file = path.join(folder, fileName('snapshot', state.lastZxid))
    this.#isRollDue = true
    this.#transactionsSinceSnapshot = 0
    const handle = await open(`${file}.tmp`, 'w')
    try {
      let position = 0
      for (const frame of frames) {
        await writeFully(handle, frame, position)
        position += frame.byteLength
      }
      await handle.datasync()
    } finally {
      await handle.close()
    }
    await rename(`${file}.tmp`, file)
    await syncFolder(folder)
    await this.#removeOld()
  }

  /** Keeps every file up to what was flushed. Not to be called while a flush is under way. */
  cut(cut: CutFolder): void {
    const names = readdirSync(this.#options.folder).sort()
    const logs = names.filter((name) => /^log\.[0-9a-f]{16}$/.test(name))
    for (const name of names.filter((name) => /^snapshot\.[0-9a-f]{16}$/.test(name))) cut.keep(name)
    const last = logs.at(-1)
    for (const name of logs)
      if (name === last && this.#log !== undefined) cut.keep(name, this.#logPosition)
      else cut.keep(name)
  }

  async close(): Promise<void> {
    const log = this.#log
    this.#log = undefined
    await log?.close()
  }

  async #roll(firstZxid: number): Promise<void> {
    const file = path.join(this.#options.folder, fileName('log', firstZxid))
    await this.#log?.close()
    this.#log = await open(file, 'w')
    const writer = new Writer(fileHeaderBytes)
    writeHeader(writer, logMagic)
    await writeFully(this.#log, writer.bytes(), 0)
    this.#logPosition = fileHeaderBytes
    if (this.#options.forceSync) await syncFolder(this.#options.folder)
    this.#isRollDue = false
  }

  async #removeOld(): Promise<void> {
    const { folder, snapshotsKept } = this.#options
    const snapshots = await list(folder, 'snapshot')
    const oldest = snapshots.at(-snapshotsKept)
    if (oldest === undefined) return
    for (const zxid of snapshots)
      if (zxid < oldest) await rm(path.join(folder, fileName('snapshot', zxid)), { force: true })
    const logs = await list(folder, 'log')
    for (const [index, zxid] of logs.entries()) {
      // A log ends before the next begins: it is needed while that one begins after the snapshot's end.
      const next = logs[index + 1]
      if (next !== undefined && next <= oldest + 1)
        await rm(path.join(folder, fileName('log', zxid)), { force: true })
    }
  }

  async #replayLogs(
    snapshotZxid: number,
    apply: (transaction: Transaction) => void,
  ): Promise<void> {
    const { folder, logger } = this.#options
    const logs = await list(folder, 'log')
    let lastZxid = snapshotZxid
    for (const [index, firstZxid] of logs.entries()) {
      const next = logs[index + 1]
      if (next !== undefined && next <= snapshotZxid + 1) continue
      const file = path.join(folder, fileName('log', firstZxid))
      const bytes = await readFile(file)
      const isLast = next === undefined
      if (isLast && bytes.byteLength < fileHeaderBytes) {
        logger.warn({ file, bytes: bytes.byteLength }, 'a log without a whole header was removed')
        await rm(file)
        continue
      }
      checkHeader(bytes, logMagic, file)
      let position = fileHeaderBytes
      while (position < bytes.byteLength) {
        const payload = frameAt(bytes, position)
        if (!payload) {
          if (!isLast || nextFrame(bytes, position + 1) >= 0) throw damagedLog(file, position)
          logger.warn({ file, position, bytes: bytes.byteLength - position }, 'a torn tail was cut')
          break
        }
        const reader = new Reader(payload)
        while (reader.remaining > 0 && !reader.failed) {
          const transaction = readTransaction(reader)
          if (reader.failed || transaction.zxid <= lastZxid) continue
          if (transaction.zxid !== lastZxid + 1) throw damagedLog(file, position)
          lastZxid = transaction.zxid
          this.#transactionsSinceSnapshot++
          apply(transaction)
        }
        if (reader.failed) throw damagedLog(file, position)
        position += frameHeaderBytes + payload.byteLength
      }
      if (!isLast) continue
      if (position === fileHeaderBytes) await rm(file)
      else await this.#goOnWith(file, position)
    }
  }

  async #goOnWith(file: string, position: number): Promise<void> {
    this.#log = await open(file, 'r+')
    await this.#log.truncate(position)
    await this.#log.datasync()
    this.#logPosition = position
    this.#isRollDue = false
  }
}

async function newestSnapshot(options: StorageOptions): Promise<Snapshot | undefined> {
  const zxids = await list(options.folder, 'snapshot')
  let newestError: unknown
  for (const zxid of zxids.reverse()) {
    const file = path.join(options.folder, fileName('snapshot', zxid))
    try {
      return decodeSnapshot(await readFile(file), file)
    } catch (error) {
      newestError ??= error
      options.logger.warn({ file, reason: describeError(error) }, 'a snapshot cannot be read')
    }
  }
  if (newestError !== undefined) throw newestError
  return undefined
}

function damagedLog(file: string, position: number): ZooKeeperError {
  return new ZooKeeperError(
    'ZOOKEEPER_LOG_DAMAGED',
    `${file} is damaged at byte ${position}, and what follows was acknowledged; restore the folder from a copy`,
    { fields: { file, position } },
  )
}

async function writeFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done, position + done)
    done += bytesWritten
  }
}

// A new name is durable when its folder is; Windows has no such call and does not need it.
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
