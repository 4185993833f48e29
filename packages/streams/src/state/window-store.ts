import { topologyError } from '../errors.ts'
import type { Serde } from '../serdes/serde.ts'
import { readInt64, splitWindowStoreKey, windowStoreKey, writeInt64 } from '../serdes/windowed.ts'
import { type Window, Windowed } from '../windows.ts'
import { type Entry, EntryCache } from './entry-cache.ts'
import {
  type ChangelogWriter,
  type KeyIdentity,
  keyIdentity,
  type StateStore,
  type StoreBacking,
  type StoreEnvironment,
  type StoreSerdes,
  type StoreSpec,
} from './state-store.ts'

/** What may be asked of a window store from outside its task. */
export interface ReadOnlyWindowStore<K, V> {
  fetch(key: K, windowStartMs: number): V | undefined
  /** The windows of a key that start within the two times, both included, earliest first. */
  fetchRange(key: K, fromMs: number, toMs: number): Iterable<readonly [start: number, value: V]>
  /** All windows, earliest first, then by the order of their keys' bytes. */
  all(): Iterable<readonly [key: Windowed<K>, value: V]>
}

export interface WindowStoreOptions<K, V> {
  readonly name: string
  readonly windowSizeMs: number
  /** Windows that start this long before the newest one are dropped. At least the window's size. */
  readonly retentionMs: number
  readonly keySerde?: Serde<K> | undefined
  readonly valueSerde?: Serde<V> | undefined
  /** Kept on disk beside the changelog. Default true, as in Java. */
  readonly persistent?: boolean | undefined
  readonly logging?: Readonly<Record<string, string>> | false | undefined
  /** Keeps a window 1 ms longer, as Java's store for final results does. */
  readonly isForFinalResults?: boolean | undefined
  /**
   * Keeps windows until {@link WindowStore.drop}, also those that stream time has leapt over: in Java
   * they are in the record cache. Without one (0 bytes) they are lost, as in Java.
   */
  readonly isHeld?: boolean | undefined
}

/** A store of values by key and window, of which old windows go by themselves. */
export function windowStore<K, V>(options: WindowStoreOptions<K, V>): StoreSpec {
  if (options.retentionMs < options.windowSizeMs)
    throw topologyError(
      `store ${options.name}: the retention of ${options.retentionMs} ms is shorter than a window of ${options.windowSizeMs} ms`,
    )
  return {
    name: options.name,
    kind: 'window',
    persistent: options.persistent ?? true,
    logging: options.logging ?? {},
    retentionMs: options.retentionMs,
    create: (environment) => new WindowStore(options, environment),
  }
}

interface FoundWindow<K, V> {
  readonly bytes: Buffer
  readonly key: K
  readonly value: V | null
  readonly timestampMs: number
}

/** Invariant: every entry lies in the segment of its window's start, and no segment has expired. */
export class WindowStore<K, V> implements StateStore, ReadOnlyWindowStore<K, V> {
  readonly name: string
  readonly #windowSizeMs: number
  readonly #retentionMs: number
  readonly #keySerde: Serde<K>
  readonly #valueSerde: Serde<V>
  readonly #backing: StoreBacking | undefined
  readonly #cacheBytes: number
  readonly #logging: boolean
  readonly #segments = new Map<number, Map<KeyIdentity, Entry<K, V>>>()
  readonly #cache = new EntryCache<K, V>()
  #newestStartMs = -1
  /** Windows that start at or before this take no more values. */
  #expiredMs = -1
  /** Segments that start at or before this are gone from memory; what is not held has expired, too. */
  #droppedMs = -1
  #droppedInBackingMs = -1
  readonly #isHeld: boolean

  constructor(options: WindowStoreOptions<K, V>, environment: StoreEnvironment) {
    this.name = options.name
    this.#windowSizeMs = options.windowSizeMs
    this.#retentionMs = options.retentionMs + (options.isForFinalResults ? 1 : 0)
    this.#keySerde = environment.keySerde(options.keySerde)
    this.#valueSerde = environment.valueSerde(options.valueSerde)
    this.#backing = environment.backing
    this.#cacheBytes = environment.cacheBytes
    this.#logging = options.logging !== false
    this.#isHeld = options.isHeld === true && environment.cacheBytes > 0
  }

  get serdes(): StoreSerdes<K, V> {
    return { key: this.#keySerde, value: this.#valueSerde }
  }

  get dirtyCount(): number {
    return this.#cache.dirty.length
  }

  fetch(key: K, windowStartMs: number): V | undefined {
    return this.find(key, windowStartMs)?.value ?? undefined
  }

  /** The entry of a key's window that has a value. It belongs to the store. */
  find(key: K, windowStartMs: number): Entry<K, V> | undefined {
    if (windowStartMs <= this.#expiredMs) return undefined
    const id = keyIdentity(key, this.#keySerde)
    const entry =
      this.#segments.get(windowStartMs)?.get(id) ?? this.#readBacking(key, id, windowStartMs)
    return entry === undefined || entry.value === null ? undefined : entry
  }

  /** Sets the value of a key's window, or deletes it with null, and gives its entry; none where the window has expired. */
  put(
    key: K,
    value: V | null,
    windowStartMs: number,
    timestampMs: number,
  ): Entry<K, V> | undefined {
    if (windowStartMs > this.#newestStartMs) this.#advance(windowStartMs)
    const id = keyIdentity(key, this.#keySerde)
    if (windowStartMs <= this.#expiredMs) {
      // It is not kept, but logged, as in Java.
      this.#cache.change(this.#newEntry(id, key, windowStartMs), value, timestampMs)
      return undefined
    }
    const segment = this.#segment(windowStartMs)
    let entry = segment.get(id)
    if (!entry) {
      entry = this.#newEntry(id, key, windowStartMs)
      segment.set(id, entry)
    }
    this.#cache.change(entry, value, timestampMs)
    return entry
  }

  /** As `put`, for an entry that `find` gave just now. */
  replace(entry: Entry<K, V>, value: V | null, timestampMs: number): void {
    this.#cache.change(entry, value, timestampMs)
  }

  *fetchRange(key: K, fromMs: number, toMs: number): Generator<readonly [start: number, value: V]> {
    const keyBytes = this.#keySerde.serialize(key)
    for (const start of this.#starts(fromMs, toMs, keyBytes)) {
      const value = this.fetch(key, start)
      if (value !== undefined) yield [start, value]
    }
  }

  /** The entries of a key's windows that start within the two times, both included, earliest first. */
  *fetchEntries(key: K, fromMs: number, toMs: number): Generator<Readonly<Entry<K, V>>> {
    const keyBytes = this.#keySerde.serialize(key)
    for (const start of this.#starts(fromMs, toMs, keyBytes)) {
      const entry = this.find(key, start)
      if (entry) yield entry
    }
  }

  /** Lets go of windows that are held and start at `untilMs` or before. */
  drop(untilMs: number): void {
    if (this.#isHeld) this.#drop(Math.min(untilMs, this.#expiredMs))
  }

  /** The earliest start of a window at `fromMs` or later. */
  firstStartMs(fromMs: number): number | undefined {
    return this.#starts(fromMs, Number.MAX_SAFE_INTEGER)[0]
  }

  *all(): Generator<readonly [key: Windowed<K>, value: V]> {
    for (const { windowed, value } of this.fetchAll(0, Number.MAX_SAFE_INTEGER))
      yield [windowed, value]
  }

  /** The windows of all keys that start within the two times, both included, in the order of `all`. */
  *fetchAll(
    fromMs: number,
    toMs: number,
  ): Generator<{
    readonly windowed: Windowed<K>
    readonly value: V
    readonly timestampMs: number
  }> {
    for (const start of this.#starts(fromMs, toMs)) {
      const found = new Map<string, FoundWindow<K, V>>()
      for (const entry of this.#segments.get(start)?.values() ?? []) {
        const bytes = this.#keySerde.serialize(entry.key)
        found.set(bytes.toString('latin1'), { ...entry, bytes })
      }
      for (const stored of this.#backing?.entries(startKey(start), startKey(start + 1)) ?? []) {
        const bytes = stored.key.subarray(8)
        if (!found.has(bytes.toString('latin1')))
          found.set(bytes.toString('latin1'), {
            bytes,
            key: this.#keySerde.deserialize(bytes),
            value: this.#valueSerde.deserialize(stored.value),
            timestampMs: stored.timestampMs,
          })
      }
      const window: Window = { startMs: start, endMs: start + this.#windowSizeMs }
      const ordered = [...found.values()].sort((a, b) => Buffer.compare(a.bytes, b.bytes))
      for (const { key, value, timestampMs } of ordered)
        if (value !== null) yield { windowed: new Windowed(key, window), value, timestampMs }
    }
  }

  flush(writer: ChangelogWriter): void {
    for (const entry of this.#cache.takeDirty()) {
      const key = this.#keySerde.serialize(entry.key)
      const value = entry.value === null ? null : this.#valueSerde.serialize(entry.value)
      const start = entry.windowStartMs
      if (this.#logging) writer.log(windowStoreKey(key, start), value, entry.timestampMs, [])
      if (value === null) {
        this.#backing?.remove(backingKey(key, start))
        this.#segments.get(start)?.delete(entry.id)
      } else {
        const isKept = start > this.#droppedMs && this.#segments.get(start)?.get(entry.id) === entry
        if (isKept) this.#backing?.put(backingKey(key, start), value, entry.timestampMs)
        this.#cache.clean(entry, key.byteLength + value.byteLength)
        if (!isKept) this.#cache.forget(entry)
      }
    }
    if (!this.#backing) return
    if (this.#droppedMs > this.#droppedInBackingMs) {
      this.#backing.removeRange(startKey(0), startKey(this.#droppedMs + 1))
      this.#droppedInBackingMs = this.#droppedMs
    }
    this.#evict()
  }

  restore(changelogKey: Buffer, value: Buffer | null, timestampMs: number): void {
    const split = splitWindowStoreKey(changelogKey)
    if (!split) return
    const { key, startMs } = split
    if (startMs > this.#newestStartMs) this.#advance(startMs)
    if (startMs <= this.#droppedMs) return
    if (this.#backing) {
      if (value === null) this.#backing.remove(backingKey(key, startMs))
      else this.#backing.put(backingKey(key, startMs), value, timestampMs)
      return
    }
    const typedKey = this.#keySerde.deserialize(key)
    const id = keyIdentity(typedKey, this.#keySerde)
    if (value === null) {
      this.#segments.get(startMs)?.delete(id)
      return
    }
    const entry = this.#newEntry(id, typedKey, startMs)
    entry.value = this.#valueSerde.deserialize(value)
    entry.timestampMs = timestampMs
    this.#segment(startMs).set(id, entry)
  }

  close(): void {
    this.#segments.clear()
    this.#cache.takeDirty()
  }

  #advance(newestStartMs: number): void {
    this.#newestStartMs = newestStartMs
    const expiredMs = newestStartMs - this.#retentionMs
    if (expiredMs <= this.#expiredMs) return
    this.#expiredMs = expiredMs
    if (!this.#isHeld) this.#drop(expiredMs)
  }

  #drop(untilMs: number): void {
    if (untilMs <= this.#droppedMs) return
    this.#droppedMs = untilMs
    for (const [start, segment] of this.#segments) {
      if (start > untilMs) continue
      this.#segments.delete(start)
      // What is dirty still goes to the changelog with the next flush.
      for (const entry of segment.values()) this.#cache.forget(entry)
    }
  }

  #segment(startMs: number): Map<KeyIdentity, Entry<K, V>> {
    let segment = this.#segments.get(startMs)
    if (!segment) {
      segment = new Map()
      this.#segments.set(startMs, segment)
    }
    return segment
  }

  #readBacking(key: K, id: KeyIdentity, startMs: number): Entry<K, V> | undefined {
    const stored = this.#backing?.get(backingKey(this.#keySerde.serialize(key), startMs))
    if (!stored) return undefined
    const entry = this.#newEntry(id, key, startMs)
    entry.value = this.#valueSerde.deserialize(stored.value)
    entry.timestampMs = stored.timestampMs
    this.#segment(startMs).set(id, entry)
    this.#cache.clean(entry, stored.value.byteLength + 16)
    return entry
  }

  #newEntry(id: KeyIdentity, key: K, windowStartMs: number): Entry<K, V> {
    return {
      id,
      key,
      windowStartMs,
      value: null,
      timestampMs: 0,
      dirty: false,
      bytes: 0,
      windowed: undefined,
    }
  }

  /** Starts within the two times; with `keyBytes`, in the backing only those that this key has. */
  #starts(fromMs: number, toMs: number, keyBytes?: Buffer): number[] {
    const starts = new Set<number>()
    const first = Math.max(0, fromMs, this.#droppedMs + 1)
    for (const start of this.#segments.keys())
      if (start >= first && start <= toMs) starts.add(start)
    const end = toMs === Number.MAX_SAFE_INTEGER ? toMs : toMs + 1
    for (const { key } of this.#backing?.entries(startKey(first), startKey(end)) ?? [])
      if (!keyBytes || keyBytes.equals(key.subarray(8))) starts.add(readInt64(key, 0))
    return [...starts].sort((a, b) => a - b)
  }

  #evict(): void {
    if (this.#cache.cleanBytes <= this.#cacheBytes) return
    for (const [start, segment] of this.#segments) {
      for (const entry of segment.values()) {
        if (this.#cache.cleanBytes <= this.#cacheBytes) return
        if (entry.dirty) continue
        segment.delete(entry.id)
        this.#cache.forget(entry)
      }
      if (segment.size === 0) this.#segments.delete(start)
    }
  }
}

/** In the backing windows lie by time, so that old ones go in one sweep: start as int64, then key. */
function backingKey(key: Buffer, startMs: number): Buffer {
  const bytes = Buffer.allocUnsafe(8 + key.byteLength)
  writeInt64(bytes, startMs, 0)
  key.copy(bytes, 8)
  return bytes
}

function startKey(startMs: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  writeInt64(bytes, startMs, 0)
  return bytes
}
