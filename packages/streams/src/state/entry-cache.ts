import { type CarriedHeaders, keptHeaders, noHeaders, type TaskRecord } from '../record.ts'
import { EntryList, type Linked } from './entry-list.ts'
import { type CachedStore, RecordCache } from './record-cache.ts'
import type { StoreEnvironment } from './state-store.ts'

/** What a store keeps of a key, of a key's window or of a session. */
export interface CacheEntry {
  /** Null where it was deleted, undefined where it was not read yet. */
  value: unknown
  timestampMs: number
  /** Its place in the cache of its store; undefined where it has none. */
  held: Held | undefined
}

/** Takes the changes that a store held back, when it lets go of them. */
export interface FlushListener<E> {
  /** Whether it wants to know what was before. */
  readonly sendOldValues: boolean
  /** @param oldValue what was before, where it is wanted; else null */
  forward(entry: E, oldValue: unknown): void
}

/** What a store does for its cache. */
export interface EntryOwner<E> {
  /** About how many bytes an entry has. */
  sizeOf(entry: E): number
  /** The value that lies under an entry that was changed without having been read; null where there is none. */
  readUnder(entry: E): unknown
  /** Writes a changed entry to the changelog and to the disk, and gives its bytes; -1 where it is not kept. */
  write(entry: E): number
  /** Lets an entry go that nothing waits for any more. */
  drop(entry: E): void
}

export interface EntryCacheOptions {
  readonly environment: StoreEnvironment
  /** Whether the store was made with a cache; where the thread's has no bytes, it has none either. */
  readonly isCached: boolean
  /** Whether what has not changed may leave the memory, because it can be read again. */
  readonly hasDisk: boolean
}

/** What an entry takes beside its key and its value, as measured in the heap. */
const overheadBytes = 250
/** What stores that hold nothing back keep of what they read. */
const readBytes = 65_536

/** An entry's place in the cache, and the record that changed it last. */
export class Held implements Linked<Held> {
  readonly entry: CacheEntry
  list: EntryList<Held> | undefined
  previous: Held | undefined
  next: Held | undefined
  byteCount = 0
  /** When it was used last, in the order of the store's uses. */
  usedAt = 0
  /** Changes since the last flush. */
  changeCount = 0
  /** What was there before the first of these. */
  under: unknown
  topic = ''
  partition = 0
  offset = -1
  headers: CarriedHeaders = noHeaders
  rawKey: Buffer | null = null
  rawValue: Buffer | null = null

  constructor(entry: CacheEntry) {
    this.entry = entry
  }
}

/**
 * The entries of a store that changed, in the order of their last changes, and those that need not be
 * read again. Where the store has a listener and a cache, changes are held back: of each entry the
 * listener gets the last one, with the record that made it, when the store is flushed; and the store
 * is flushed when the cache is full.
 *
 * Invariants: an entry is in one of the lists or has no place. What is written but not committed
 * stays in memory, because the disk does not give it yet. Of a store without a disk only what has
 * changed is in here.
 */
export class EntryCache<E extends CacheEntry> implements CachedStore {
  readonly #owner: EntryOwner<E>
  readonly #record: TaskRecord
  readonly #cache: RecordCache
  readonly #hasDisk: boolean
  readonly #changed = new EntryList<Held>()
  /** Written, not committed, and counted. */
  readonly #written = new EntryList<Held>()
  /** Written, not committed, and counted no more. */
  readonly #leaving = new EntryList<Held>()
  readonly #clean = new EntryList<Held>()
  /** Whether the store was made with a cache that has bytes. */
  readonly isCached: boolean
  /** Keys that were asked for and were in memory, and those that were not. */
  hits = 0
  misses = 0
  #listener: FlushListener<E> | undefined
  #byteCount = 0
  #uses = 0
  /** The bytes of an entry, as the last ones were. */
  #usualBytes = 0
  #measuredIn = 0

  constructor(owner: EntryOwner<E>, { environment, isCached, hasDisk }: EntryCacheOptions) {
    this.#owner = owner
    this.#record = environment.record
    this.#hasDisk = hasDisk
    this.isCached = isCached && environment.cache.isEnabled
    this.#cache = this.isCached ? environment.cache : new RecordCache(readBytes)
  }

  /** Entries that wait for the next commit. */
  get changeCount(): number {
    return this.#changed.size + this.#written.size + this.#leaving.size
  }
  get hasChanged(): boolean {
    return this.#changed.size > 0
  }

  /** Hands changes to a listener when they are let go; false where they are not held back. */
  holdBack(listener: FlushListener<E>): boolean {
    if (this.isCached) this.#listener = listener
    return this.isCached
  }

  change(entry: E, value: E['value'], timestampMs: number): void {
    let { held } = entry
    if (!held) {
      held = new Held(entry)
      entry.held = held
    }
    if (held.list !== this.#changed) {
      held.under = entry.value
      held.changeCount = 0
    }
    this.#changed.push(held)
    held.changeCount++
    entry.value = value
    entry.timestampMs = timestampMs
    if (!this.isCached) return
    held.usedAt = ++this.#uses
    this.#keepRecord(held)
    this.#measure(held, entry)
    this.#cache.makeRoom(this)
  }

  /** Takes in what was read from the disk, in so many bytes. */
  read(entry: E, byteCount: number): void {
    const held = new Held(entry)
    entry.held = held
    held.usedAt = ++this.#uses
    this.#clean.push(held)
    this.#setBytes(held, byteCount + overheadBytes)
    this.#cache.makeRoom(this)
  }

  /** Says that an entry was asked for. */
  use({ held }: E): void {
    this.hits++
    if (!held || held.list !== this.#clean) return
    held.usedAt = ++this.#uses
    this.#clean.push(held)
  }

  /** Forgets an entry. What has changed is still written. */
  forget({ held }: E): void {
    if (held && held.list !== this.#changed) this.#release(held)
  }

  /** Writes what has changed, and hands on what was held back. */
  flush(): void {
    // What comes in meanwhile waits for the next time.
    const { last } = this.#changed
    if (!last) return
    if (!this.#listener) {
      for (let held = this.#changed.first; held; held = this.#changed.first) {
        this.#write(held)
        if (held === last) return
      }
      return
    }
    const record = this.#record
    const { topic, partition, offset, timestampMs, carriedHeaders, rawKey, rawValue } = record
    try {
      for (let held = this.#changed.first; held; held = this.#changed.first) {
        this.#handOn(held, this.#listener)
        if (held === last) break
      }
    } finally {
      record.set(topic, partition, offset, timestampMs, carriedHeaders)
      record.rawKey = rawKey
      record.rawValue = rawValue
    }
  }

  /** Says that what was written is on the disk. */
  committed(): void {
    for (const list of [this.#written, this.#leaving])
      for (let held = list.first; held; held = list.first) {
        if (held.entry.value === null || list === this.#leaving) this.#drop(held)
        else this.#clean.push(held)
      }
    this.#cache.makeRoom(this)
  }

  evictOldest(): boolean {
    const counted = this.isCached ? this.#changed.first : undefined
    const oldest = older(older(this.#clean.first, this.#written.first), counted)
    if (oldest && oldest.list === this.#changed) {
      this.flush()
      return true
    }
    // What was used last is still in somebody's hands.
    if (!oldest || oldest.usedAt === this.#uses) return false
    if (oldest.list === this.#clean) this.#drop(oldest)
    else {
      this.#setBytes(oldest, 0)
      this.#leaving.push(oldest)
    }
    return true
  }

  close(): void {
    for (const list of [this.#changed, this.#written, this.#leaving, this.#clean]) list.clear()
    this.#cache.count(-this.#byteCount)
    this.#byteCount = 0
  }

  #handOn(held: Held, listener: FlushListener<E>): void {
    const entry = held.entry as E
    const { value } = entry
    let { under } = held
    if (under === undefined && (value === null || listener.sendOldValues))
      under = this.#owner.readUnder(entry)
    // Who was never told of it need not hear that it is gone.
    if (value === null && under === null) {
      this.#changed.remove(held)
      this.#drop(held)
      return
    }
    const { topic, partition, offset, headers, rawKey, rawValue } = held
    this.#record.set(topic, partition, offset, entry.timestampMs, headers)
    this.#record.rawKey = rawKey
    this.#record.rawValue = rawValue
    this.#write(held)
    listener.forward(entry, listener.sendOldValues ? under : null)
  }

  #write(held: Held): void {
    const entry = held.entry as E
    const byteCount = this.#owner.write(entry)
    if (byteCount >= 0) this.#usualBytes = byteCount
    if (this.#hasDisk && byteCount >= 0) {
      held.under = undefined
      held.headers = noHeaders
      held.rawKey = null
      held.rawValue = null
      this.#written.push(held)
      this.#setBytes(held, byteCount + overheadBytes)
    } else {
      this.#release(held)
      if (entry.value === null) this.#owner.drop(entry)
    }
  }

  #keepRecord(held: Held): void {
    const record = this.#record
    held.topic = record.topic
    held.partition = record.partition
    held.offset = record.offset
    held.headers = keptHeaders(record.carriedHeaders)
    if (!record.isRawKept) return
    held.rawKey = record.rawKey
    held.rawValue = record.rawValue
  }

  /** Entries are measured now and then: at a flush anyway, and when they have changed often since. */
  #measure(held: Held, entry: E): void {
    const { changeCount, byteCount } = held
    const isOften = changeCount >= 16 && (changeCount & (changeCount - 1)) === 0
    if (byteCount > 0 && !isOften) return
    if (isOften || (this.#measuredIn++ & 15) === 0) this.#usualBytes = this.#owner.sizeOf(entry)
    this.#setBytes(held, this.#usualBytes + overheadBytes)
  }

  #setBytes(held: Held, byteCount: number): void {
    this.#byteCount += byteCount - held.byteCount
    this.#cache.count(byteCount - held.byteCount)
    held.byteCount = byteCount
  }

  #drop(held: Held): void {
    this.#release(held)
    this.#owner.drop(held.entry as E)
  }

  #release(held: Held): void {
    held.list?.remove(held)
    this.#setBytes(held, 0)
    held.entry.held = undefined
  }
}

const older = (a: Held | undefined, b: Held | undefined): Held | undefined =>
  a && (!b || a.usedAt < b.usedAt) ? a : b
