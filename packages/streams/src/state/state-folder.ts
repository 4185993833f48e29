import { createHash, randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Database, RangeOptions, RootDatabase } from 'lmdb'
import { StreamsError } from '../errors.ts'
import { ChangeKind, ChangeLog, type TakenChanges, visitChanges } from './change-log.ts'
import { needRoom, stateNotWritten, writeFailure } from './disk-room.ts'
import type {
  BackingLimits,
  BackingRange,
  StoreBacking,
  StoredEntry,
  StoredValue,
} from './state-store.ts'

// An application's persistent stores in one LMDB file. The changelogs are the truth: what is lost
// here is read from them again, so a damaged file may be deleted.
//
//   key    store id uint32 | the store's key, or of a long one 1,400 bytes and the SHA-256 of it all
//   value  0 | time float64 | value                                 (short key)
//          1 | key length uint32 | key | time float64 | value       (long key)
//   meta   `format`, `process`, `store:TASK/STORE` → id, `offset:TASK/STORE` → changelog offset

const storesFile = 'stores.mdb'
const format = 'khlong-streams-state/1'
/** LMDB takes keys of up to 1,978 bytes; what is longer is told apart by a hash. */
const wholeKeyBytes = 1_500
const prefixKeyBytes = 1_400
const storeIdBytes = 4
const noKey = Buffer.alloc(0)
/** Keys that are deleted in one transaction of a store that is emptied. */
const emptiedAtOnce = 10_000

type Meta = Database<string, string>
type Data = Database<Buffer, Buffer>

/** A changelog offset that the stores are at, kept with them in one transaction. */
export interface Checkpoint {
  readonly taskId: string
  readonly storeName: string
  readonly offset: number
}

/** The folder of one application's stores. Each thread of a process may have it open, one of them first. */
export class StateFolder {
  readonly #folder: string
  readonly #root: RootDatabase<string, string>
  readonly #meta: Meta
  readonly #data: Data
  readonly #changes = new ChangeLog()
  #commitCount = 0
  /** As TASK/STORE, by their ids. */
  readonly #stores = new Map<number, string>()
  /** What was not written is gone, and an offset that is written behind it would hide that. */
  #failure: StreamsError | undefined

  private constructor(folder: string, root: RootDatabase<string, string>, meta: Meta, data: Data) {
    this.#folder = folder
    this.#root = root
    this.#meta = meta
    this.#data = data
  }

  /**
   * Opens a folder, made where it is missing.
   *
   * @param newProcessId what tells a folder that is made from all others
   * @throws StreamsError `STREAMS_CHANGELOG_INVALID` where another version wrote it;
   *   `STREAMS_STATE_NOT_WRITTEN` where the disk is full
   */
  static async open(folder: string, newProcessId: string = randomUUID()): Promise<StateFolder> {
    await mkdir(folder, { recursive: true })
    const { open } = await import('lmdb')
    needRoom(folder)
    // Both of these make promises of lmdb-js's own, which a commit that fails rejects where nobody has
    // them, or never settles, so that closing waits for ever. A commit is waited for until it is on disk
    // either way.
    const root = open<string, string>({
      path: path.join(folder, storesFile),
      encoding: 'string',
      maxDbs: 4,
      eventTurnBatching: false,
      overlappingSync: false,
    })
    try {
      return StateFolder.#of(folder, root, newProcessId)
    } catch (error) {
      await root.close()
      throw error instanceof StreamsError ? error : stateNotWritten({ folder, stores: [] }, error)
    }
  }

  static #of(
    folder: string,
    root: RootDatabase<string, string>,
    newProcessId: string,
  ): StateFolder {
    const meta: Meta = root.openDB<string, string>({ name: 'meta', encoding: 'string' })
    const found = meta.get('format')
    if (found !== undefined && found !== format)
      throw new StreamsError(
        'STREAMS_CHANGELOG_INVALID',
        `${folder} holds ${found}, this version reads ${format}; delete the folder, the stores are read from their changelogs again`,
      )
    const data: Data = root.openDB<Buffer, Buffer>({
      name: 'data',
      keyEncoding: 'binary',
      encoding: 'binary',
    })
    if (found === undefined)
      root.transactionSync(() => {
        meta.putSync('format', format)
        meta.putSync('process', newProcessId)
      })
    return new StateFolder(folder, root, meta, data)
  }

  /** Deletes a folder's stores, whoever wrote them; of those that can be opened the process's id stays. */
  static async empty(folder: string): Promise<void> {
    const before = await StateFolder.open(folder).catch(() => undefined)
    const processId = before?.processId
    await before?.close()
    for (const name of [storesFile, `${storesFile}-lock`])
      await rm(path.join(folder, name), { recursive: true, force: true })
    if (processId === undefined) return
    const emptied = await StateFolder.open(folder, processId)
    await emptied.close()
  }

  /** Tells this folder from all others, also after a restart. */
  get processId(): string {
    return this.#meta.get('process') ?? ''
  }

  /** Tasks whose stores are here, wholly or in part. */
  taskIds(): string[] {
    const tasks = new Set<string>()
    for (const key of this.#meta.getKeys({ start: 'offset:', end: 'offset;' }))
      tasks.add(key.slice('offset:'.length, key.indexOf('/')))
    return [...tasks]
  }

  /** The changelog offset that a store is at; undefined where it has to be read from the beginning. */
  checkpoint(taskId: string, storeName: string): number | undefined {
    const offset = this.#meta.get(`offset:${taskId}/${storeName}`)
    return offset === undefined ? undefined : Number(offset)
  }

  backing(taskId: string, storeName: string): StoreBacking {
    const id = this.#storeId(taskId, storeName)
    this.#stores.set(id, `${taskId}/${storeName}`)
    return new LmdbBacking(id, {
      data: this.#data,
      changes: this.#changes,
      commitCount: () => this.#commitCount,
    })
  }

  /** How much waits for the next commit. */
  get pendingCount(): number {
    return this.#changes.count
  }

  /**
   * Makes what the backings were told last, together with the offsets, in one transaction. After one
   * that failed nothing is written until {@link discard}: the stores have to be read from there anew.
   *
   * @throws StreamsError `STREAMS_STATE_NOT_WRITTEN`
   */
  async commit(checkpoints: readonly Checkpoint[]): Promise<void> {
    if (this.#changes.count === 0 && checkpoints.length === 0) return
    const changes = this.#changes.take()
    /** Keys that were set before a range is removed: they are not among those that are read. */
    const set: Buffer[] = []
    const make = (): void => {
      visitChanges(changes, (kind, key, rest) => {
        if (kind === ChangeKind.put) {
          void this.#data.put(key, rest)
          if (changes.hasRanges) set.push(key)
        } else if (kind === ChangeKind.remove) void this.#data.remove(key)
        else {
          this.#removeRange(key, rest)
          for (const one of set)
            if (one.compare(key) >= 0 && one.compare(rest) < 0) void this.#data.remove(one)
        }
      })
      for (const { taskId, storeName, offset } of checkpoints)
        void this.#meta.put(`offset:${taskId}/${storeName}`, String(offset))
    }
    await this.#write(make, () => {
      const named = checkpoints.map(({ taskId, storeName }) => `${taskId}/${storeName}`)
      return new Set([...this.#storesOf(changes), ...named])
    })
    // Stores let go of what is on disk after this, and who reads from there looks again.
    this.#commitCount++
    this.#changes.giveBack(changes)
  }

  /** Forgets what the backings were told since the last commit, and that it failed. */
  discard(): void {
    this.#changes.giveBack(this.#changes.take())
    this.#failure = undefined
  }

  /**
   * Empties a store, to read it anew.
   *
   * @throws StreamsError `STREAMS_STATE_NOT_WRITTEN`
   */
  async wipe(taskId: string, storeName: string): Promise<void> {
    await this.#empty(this.#storeId(taskId, storeName), `${taskId}/${storeName}`)
  }

  /**
   * Deletes a task's stores.
   *
   * @throws StreamsError `STREAMS_STATE_NOT_WRITTEN`
   */
  async forget(taskId: string): Promise<void> {
    const prefix = `store:${taskId}/`
    const stores = [...this.#meta.getRange({ start: prefix, end: `store:${taskId}0` })]
    for (const { key, value } of stores)
      await this.#empty(Number(value), key.slice('store:'.length))
  }

  /**
   * Some keys at a time, so that others can commit in between. The offset goes first: what is left of an
   * attempt that failed is read anew.
   */
  async #empty(id: number, named: string): Promise<void> {
    const write = (make: () => void): Promise<void> => this.#write(make, () => [named])
    await write(() => void this.#meta.remove(`offset:${named}`))
    for (;;) {
      const range = { start: prefixed(id), end: prefixed(id + 1), limit: emptiedAtOnce }
      const keys = [...this.#data.getKeys(range)]
      if (keys.length === 0) return
      await write(() => {
        for (const key of keys) void this.#data.remove(key)
      })
    }
  }

  async close(): Promise<void> {
    await this.#root.close()
  }

  #storeId(taskId: string, storeName: string): number {
    const key = `store:${taskId}/${storeName}`
    try {
      this.#needSound()
      const known = this.#meta.get(key)
      if (known !== undefined) return Number(known)
      // Several threads have the folder open: numbers are given out in a transaction.
      return this.#root.transactionSync(() => {
        let id = 1
        for (const { value } of this.#meta.getRange({ start: 'store:', end: 'store;' }))
          id = Math.max(id, Number(value) + 1)
        this.#meta.putSync(key, String(id))
        return id
      })
    } catch (error) {
      const stores = [`${taskId}/${storeName}`]
      throw stateNotWritten({ folder: this.#folder, stores }, error)
    }
  }

  /**
   * Writes by LMDB's own thread, while this one goes on. Asynchronous transactions, in which this one
   * would write, must not be among such batches: both would wait for each other.
   */
  async #write(make: () => void, stores: () => Iterable<string>): Promise<void> {
    if (this.#failure) throw this.#failure
    try {
      this.#needSound()
      await this.#root.batch(make)
    } catch (error) {
      const unwritten = { folder: this.#folder, stores: [...stores()] }
      this.#failure = stateNotWritten(unwritten, await writeFailure(error))
      throw this.#failure
    }
  }

  /** Throws where LMDB has given the file up: its writer would end with a lock in hand, and this thread wait for it. */
  #needSound(): void {
    this.#root.resetReadTxn()
    this.#meta.get('format')
  }

  #storesOf(changes: TakenChanges): Set<string> {
    const stores = new Set<string>()
    visitChanges(changes, (_kind, key) => {
      const store = this.#stores.get(key.readUInt32BE())
      if (store !== undefined) stores.add(store)
    })
    return stores
  }

  /** Removes what is committed of a range. */
  #removeRange(from: Buffer, to: Buffer): void {
    for (const key of [...this.#data.getKeys({ start: from, end: to })]) void this.#data.remove(key)
  }
}

interface BackingFolder {
  readonly data: Data
  readonly changes: ChangeLog
  readonly commitCount: () => number
}

class LmdbBacking implements StoreBacking {
  readonly #id: number
  readonly #data: Data
  readonly #changes: ChangeLog
  readonly #commitCount: () => number

  constructor(id: number, { data, changes, commitCount }: BackingFolder) {
    this.#id = id
    this.#data = data
    this.#changes = changes
    this.#commitCount = commitCount
  }

  get commitCount(): number {
    return this.#commitCount()
  }

  get(key: Buffer): StoredValue | undefined {
    const stored = this.#data.get(dataKey(this.#id, key))
    return stored && decodeValue(stored)
  }

  put(key: Buffer, value: Buffer, timestampMs: number): void {
    const keyBytes = key.byteLength
    const isLong = keyBytes > wholeKeyBytes
    const storedKey = isLong ? dataKey(this.#id, key) : undefined
    const storedKeyBytes = storedKey?.byteLength ?? storeIdBytes + keyBytes
    const headBytes = isLong ? 5 + keyBytes : 1
    const restBytes = headBytes + 8 + value.byteLength
    const changes = this.#changes
    let at = changes.add(ChangeKind.put, storedKeyBytes, restBytes)
    const { bytes } = changes
    if (storedKey) bytes.set(storedKey, at)
    else {
      bytes.writeUInt32BE(this.#id, at)
      bytes.set(key, at + storeIdBytes)
    }
    at += storedKeyBytes
    bytes[at] = isLong ? 1 : 0
    if (isLong) {
      bytes.writeUInt32BE(keyBytes, at + 1)
      bytes.set(key, at + 5)
    }
    bytes.writeDoubleBE(timestampMs, at + headBytes)
    bytes.set(value, at + headBytes + 8)
  }

  remove(key: Buffer): void {
    const storedKey = dataKey(this.#id, key)
    const at = this.#changes.add(ChangeKind.remove, storedKey.byteLength, 0)
    this.#changes.bytes.set(storedKey, at)
  }

  removeRange(from: Buffer, to: Buffer): void {
    const [first, end] = [dataKey(this.#id, from), dataKey(this.#id, to)]
    const at = this.#changes.add(ChangeKind.removeRange, first.byteLength, end.byteLength)
    this.#changes.bytes.set(first, at)
    this.#changes.bytes.set(end, at + first.byteLength)
  }

  entries(range: BackingRange = {}, limits: BackingLimits = {}): StoredEntry[] {
    const { entries: entriesMax = Infinity, bytes: bytesMax = Infinity, isReverse = false } = limits
    const page: StoredEntry[] = []
    let bytes = 0
    const take = (entry: StoredEntry): void => {
      if (!isInRange(entry.key, range)) return
      page.push(entry)
      bytes += entry.key.byteLength + entry.value.byteLength
    }
    // Of long keys that begin alike the order on disk is another than that of the keys.
    let alike: StoredEntry[] = []
    const takeAlike = (): void => {
      alike.sort((a, b) => (isReverse ? b.key.compare(a.key) : a.key.compare(b.key)))
      for (const entry of alike) take(entry)
      alike = []
    }
    for (const { key: storedKey, value } of this.#data.getRange(this.#bounds(range, isReverse))) {
      const entry = decodeEntry(storedKey, value)
      const [first] = alike
      if (first && !startsAlike(first.key, entry.key)) takeAlike()
      if (page.length >= entriesMax || bytes >= bytesMax) return page
      if (entry.key.byteLength >= prefixKeyBytes) alike.push(entry)
      else if (isBehind(entry.key, range, isReverse)) break
      else take(entry)
    }
    takeAlike()
    return page
  }

  /** Where LMDB begins: at a bound, or at the first of the long keys that begin as it does. */
  #bounds({ from, after, to, before }: BackingRange, isReverse: boolean): RangeOptions {
    const [low, high] = [after ?? from, before ?? to]
    if (!isReverse)
      return {
        start: low ? prefixed(this.#id, low.subarray(0, prefixKeyBytes)) : prefixed(this.#id),
        end: prefixed(this.#id + 1),
      }
    const last = high && high.byteLength < prefixKeyBytes ? high : undefined
    const start = last ?? Buffer.concat([high?.subarray(0, prefixKeyBytes) ?? noKey, lastOfAll])
    return {
      reverse: true,
      start: prefixed(this.#id, start),
      end: prefixed(this.#id),
      inclusiveEnd: true,
    }
  }
}

/** Comes after all keys, and after what long keys have behind that with which they begin. */
const lastOfAll = Buffer.alloc(200, 0xff)

const startsAlike = (a: Buffer, b: Buffer): boolean =>
  b.byteLength >= prefixKeyBytes && a.compare(b, 0, prefixKeyBytes, 0, prefixKeyBytes) === 0

const isInRange = (key: Buffer, { from, after, to, before }: BackingRange): boolean =>
  (!from || key.compare(from) >= 0) &&
  (!after || key.compare(after) > 0) &&
  (!to || key.compare(to) <= 0) &&
  (!before || key.compare(before) < 0)

/** Whether a range ends before a key, in its direction. */
const isBehind = (
  key: Buffer,
  { from, after, to, before }: BackingRange,
  isReverse: boolean,
): boolean => (isReverse ? !isInRange(key, { from, after }) : !isInRange(key, { to, before }))

function decodeEntry(storedKey: Buffer, stored: Buffer): StoredEntry {
  const whole = stored[0] === 1 ? stored.subarray(5, 5 + stored.readUInt32BE(1)) : undefined
  return { key: whole ?? storedKey.subarray(storeIdBytes), ...decodeValue(stored) }
}

function decodeValue(stored: Buffer): StoredValue {
  const at = stored[0] === 1 ? 5 + stored.readUInt32BE(1) : 1
  return { timestampMs: stored.readDoubleBE(at), value: stored.subarray(at + 8) }
}

function prefixed(id: number, key: Buffer = noKey): Buffer {
  const bytes = Buffer.allocUnsafe(storeIdBytes + key.byteLength)
  bytes.writeUInt32BE(id)
  key.copy(bytes, storeIdBytes)
  return bytes
}

function dataKey(id: number, key: Buffer): Buffer {
  if (key.byteLength <= wholeKeyBytes) return prefixed(id, key)
  const hash = createHash('sha256').update(key).digest()
  return prefixed(id, Buffer.concat([key.subarray(0, prefixKeyBytes), hash]))
}
