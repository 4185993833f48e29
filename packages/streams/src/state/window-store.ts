import { topologyError } from '../errors.ts'
import type { TaskRecord } from '../record.ts'
import type { Serde } from '../serdes/serde.ts'
import { readInt64, splitWindowStoreKey, windowStoreKey, writeInt64 } from '../serdes/windowed.ts'
import { type Window, Windowed } from '../windows.ts'
import { type CacheEntry, EntryCache, type FlushListener, type Held } from './entry-cache.ts'
import { isWithin, type KeyRange, keyRange } from './key-range.ts'
import { OrderedEntries, orderOf } from './ordered-entries.ts'
import {
  type CacheReads,
  type ChangelogWriter,
  type KeyIdentity,
  keyIdentity,
  type StateStore,
  type StoreBacking,
  type StoreEnvironment,
  type StoreSerdes,
  type StoreSpec,
} from './state-store.ts'
import { StoreWalk, type WalkStep } from './store-walk.ts'

/** What may be asked of a window store from outside its task. */
export interface ReadOnlyWindowStore<K, V> {
  fetch(key: K, windowStartMs: number): V | undefined
  /** The windows of a key that start within the two times, both included, earliest first. */
  fetchRange(key: K, fromMs: number, toMs: number): Iterable<readonly [start: number, value: V]>
  /** As {@link fetchRange}, latest first. */
  backwardFetchRange(
    key: K,
    fromMs: number,
    toMs: number,
  ): Iterable<readonly [start: number, value: V]>
  /** All windows, earliest first, then by the order of their keys' bytes. */
  all(): Iterable<readonly [key: Windowed<K>, value: V]>
  backwardAll(): Iterable<readonly [key: Windowed<K>, value: V]>
  /** The windows of all keys that start within the two times, both included, in the order of `all`. */
  fetchAll(fromMs: number, toMs: number): Iterable<readonly [key: Windowed<K>, value: V]>
  backwardFetchAll(fromMs: number, toMs: number): Iterable<readonly [key: Windowed<K>, value: V]>
  /** As `fetchAll`, of the keys from the first to the second, both included; null leaves an end open. */
  fetchKeyRange(
    keyFrom: K | null,
    keyTo: K | null,
    fromMs: number,
    toMs: number,
  ): Iterable<readonly [key: Windowed<K>, value: V]>
  backwardFetchKeyRange(
    keyFrom: K | null,
    keyTo: K | null,
    fromMs: number,
    toMs: number,
  ): Iterable<readonly [key: Windowed<K>, value: V]>
}

/** Which windows are wanted: those that start within the two times, both included, earliest first unless reversed. */
export interface WindowRange {
  readonly fromMs: number
  readonly toMs: number
  readonly keys?: KeyRange | undefined
  readonly isReverse?: boolean | undefined
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
  /** As a {@link KeyValueStoreOptions}' `caching`. */
  readonly caching?: boolean | undefined
  /** Keeps a window 1 ms longer, as Java's store for final results does. */
  readonly isForFinalResults?: boolean | undefined
  /**
   * Keeps windows until {@link WindowStore.drop}, also those that stream time has leapt over: in Java
   * they are in the record cache. Without one they are lost, as in Java.
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

/** What a store has of a key's window. It belongs to the store. */
export class WindowEntry<K, V> implements CacheEntry {
  readonly id: KeyIdentity
  readonly key: K
  readonly windowStartMs: number
  value: V | null | undefined
  timestampMs = -1
  held: Held | undefined
  /** The key with its window, made once. */
  windowed: Windowed<K> | undefined

  constructor(id: KeyIdentity, key: K, windowStartMs: number, value: V | null | undefined) {
    this.id = id
    this.key = key
    this.windowStartMs = windowStartMs
    this.value = value
  }
}

/** An entry that has a value. */
export type FoundWindowEntry<K, V> = WindowEntry<K, V> & { readonly value: V }

/** Invariant: every entry lies in the segment of its window's start, and no segment has expired. */
export class WindowStore<K, V> implements StateStore, ReadOnlyWindowStore<K, V> {
  readonly name: string
  readonly #windowSizeMs: number
  readonly #retentionMs: number
  readonly #keySerde: Serde<K>
  readonly #record: TaskRecord
  readonly #valueSerde: Serde<V>
  readonly #backing: StoreBacking | undefined
  readonly #changelog: ChangelogWriter | undefined
  readonly #segments = new Map<number, Map<KeyIdentity, WindowEntry<K, V>>>()
  readonly #cache: EntryCache<WindowEntry<K, V>>
  /** The entries in the order of the disk, from the first iterator on. */
  #order: OrderedEntries<WindowEntry<K, V>> | undefined
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
    this.#record = environment.record
    this.#valueSerde = environment.valueSerde(options.valueSerde)
    this.#backing = environment.backing
    this.#changelog = options.logging === false ? undefined : environment.changelog
    const owner = {
      sizeOf: (entry: WindowEntry<K, V>) => this.#sizeOf(entry),
      readUnder: (entry: WindowEntry<K, V>) => this.#readUnder(entry),
      write: (entry: WindowEntry<K, V>) => this.#write(entry),
      drop: (entry: WindowEntry<K, V>) => this.#dropEntry(entry),
    }
    this.#cache = new EntryCache(owner, {
      environment,
      isCached: options.caching === true,
      hasDisk: environment.backing !== undefined,
    })
    this.#isHeld = options.isHeld === true && this.#cache.isCached
  }

  get serdes(): StoreSerdes<K, V> {
    return { key: this.#keySerde, value: this.#valueSerde }
  }

  get cacheReads(): CacheReads | undefined {
    return this.#cache.isCached ? this.#cache : undefined
  }

  get hasChanged(): boolean {
    return this.#cache.hasChanged
  }
  get changeCount(): number {
    return this.#cache.changeCount
  }

  fetch(key: K, windowStartMs: number): V | undefined {
    return this.find(key, windowStartMs)?.value
  }

  /** The entry of a key's window that has a value. It belongs to the store. */
  find(key: K, windowStartMs: number): FoundWindowEntry<K, V> | undefined {
    if (windowStartMs <= this.#expiredMs) return undefined
    const id = keyIdentity(key, this.#keySerde)
    const entry = this.#segments.get(windowStartMs)?.get(id)
    if (entry) this.#cache.use(entry)
    else this.#cache.misses++
    const found = entry ?? this.#readBacking(key, id, windowStartMs)
    return found === undefined || found.value === null
      ? undefined
      : (found as FoundWindowEntry<K, V>)
  }

  /** Hands changes to a listener at each flush; false where the store holds nothing back. */
  holdBack(listener: FlushListener<WindowEntry<K, V>>): boolean {
    return this.#cache.holdBack(listener)
  }

  /** Sets the value of a key's window, or deletes it with null, and gives its entry; none where the window has expired. */
  put(
    key: K,
    value: V | null,
    windowStartMs: number,
    timestampMs: number = this.#record.timestampMs,
  ): WindowEntry<K, V> | undefined {
    if (windowStartMs > this.#newestStartMs) this.#advance(windowStartMs)
    const id = keyIdentity(key, this.#keySerde)
    if (windowStartMs <= this.#expiredMs) {
      // It is not kept, but logged, as in Java.
      this.#cache.change(new WindowEntry<K, V>(id, key, windowStartMs, null), value, timestampMs)
      return undefined
    }
    let entry = this.#segments.get(windowStartMs)?.get(id)
    if (!entry) {
      entry = new WindowEntry<K, V>(id, key, windowStartMs, this.#backing ? undefined : null)
      this.#keep(entry)
    }
    this.#cache.change(entry, value, timestampMs)
    return entry
  }

  /** As `put`, for an entry that `find` gave just now. */
  replace(entry: WindowEntry<K, V>, value: V | null, timestampMs: number): void {
    this.#cache.change(entry, value, timestampMs)
  }

  *fetchRange(key: K, fromMs: number, toMs: number): Generator<readonly [start: number, value: V]> {
    yield* this.windowsOf(key, { fromMs, toMs })
  }

  *backwardFetchRange(
    key: K,
    fromMs: number,
    toMs: number,
  ): Generator<readonly [start: number, value: V]> {
    yield* this.windowsOf(key, { fromMs, toMs, isReverse: true })
  }

  /** The windows of one key. */
  *windowsOf(
    key: K,
    { fromMs, toMs, isReverse = false }: Omit<WindowRange, 'keys'>,
  ): Generator<readonly [start: number, value: V]> {
    for (const startMs of this.#startsOf(key, { fromMs, toMs, isReverse })) {
      const value = this.fetch(key, startMs)
      if (value !== undefined) yield [startMs, value]
    }
  }

  /** The entries of a key's windows that start within the two times, both included, earliest first. */
  *fetchEntries(key: K, fromMs: number, toMs: number): Generator<FoundWindowEntry<K, V>> {
    for (const startMs of this.#startsOf(key, { fromMs, toMs })) {
      const entry = this.find(key, startMs)
      if (entry) yield entry
    }
  }

  /** Lets go of windows that are held and start at `untilMs` or before. */
  drop(untilMs: number): void {
    if (this.#isHeld) this.#drop(Math.min(untilMs, this.#expiredMs))
  }

  /** The earliest start of a window at `fromMs` or later. */
  firstStartMs(fromMs: number): number | undefined {
    const range = { fromMs, toMs: Number.MAX_SAFE_INTEGER }
    for (const step of this.#steps(this.#walk(range))) return startMsOf(step)
    return undefined
  }

  *all(): Generator<readonly [key: Windowed<K>, value: V]> {
    yield* this.fetchAll(0, Number.MAX_SAFE_INTEGER)
  }

  *backwardAll(): Generator<readonly [key: Windowed<K>, value: V]> {
    yield* this.backwardFetchAll(0, Number.MAX_SAFE_INTEGER)
  }

  *fetchAll(fromMs: number, toMs: number): Generator<readonly [key: Windowed<K>, value: V]> {
    yield* this.#pairs({ fromMs, toMs })
  }

  *backwardFetchAll(
    fromMs: number,
    toMs: number,
  ): Generator<readonly [key: Windowed<K>, value: V]> {
    yield* this.#pairs({ fromMs, toMs, isReverse: true })
  }

  *fetchKeyRange(
    keyFrom: K | null,
    keyTo: K | null,
    fromMs: number,
    toMs: number,
  ): Generator<readonly [key: Windowed<K>, value: V]> {
    yield* this.#pairs({ fromMs, toMs, keys: keyRange(this.#keySerde, keyFrom, keyTo) })
  }

  *backwardFetchKeyRange(
    keyFrom: K | null,
    keyTo: K | null,
    fromMs: number,
    toMs: number,
  ): Generator<readonly [key: Windowed<K>, value: V]> {
    const keys = keyRange(this.#keySerde, keyFrom, keyTo)
    yield* this.#pairs({ fromMs, toMs, keys, isReverse: true })
  }

  *#pairs(range: WindowRange): Generator<readonly [key: Windowed<K>, value: V]> {
    for (const { windowed, value } of this.windowsWithin(range)) yield [windowed, value]
  }

  /** The windows of several keys, by their starts, then by the order of the keys' bytes, as {@link StoreWalk} goes through them. */
  *windowsWithin({ keys = {}, ...range }: WindowRange): Generator<{
    readonly windowed: Windowed<K>
    readonly value: V
    readonly timestampMs: number
  }> {
    for (const step of this.#steps(this.#walk(range))) {
      if (!isWithin(keyBytesOf(step), keys)) continue
      const { entry, stored } = step
      const startMs = startMsOf(step)
      const key = entry ? entry.key : this.#keySerde.deserialize(keyBytesOf(step))
      const value = entry ? (entry.value as V) : this.#valueSerde.deserialize(stored.value)
      const window: Window = { startMs, endMs: startMs + this.#windowSizeMs }
      const { timestampMs } = entry ?? stored
      yield { windowed: new Windowed(key, window), value, timestampMs }
    }
  }

  /** The starts of a key's windows, leaping over what other keys have in between. */
  *#startsOf(key: K, range: Omit<WindowRange, 'keys'>): Generator<number> {
    const bytes = this.#keySerde.serialize(key)
    const order = orderOf(bytes)
    const { isReverse = false } = range
    const walk = this.#walk(range)
    for (const step of this.#steps(walk)) {
      const found = step.order.slice(8)
      const startMs = startMsOf(step)
      if (found === order) {
        yield startMs
        continue
      }
      const isAhead = isReverse ? found > order : found < order
      const nextMs = isAhead ? startMs : startMs + (isReverse ? -1 : 1)
      if (nextMs < 0) return
      walk.seek(backingKey(bytes, nextMs))
    }
  }

  *#steps(walk: StoreWalk<WindowEntry<K, V>>): Generator<WalkStep<WindowEntry<K, V>>> {
    // On disk old windows lie until the next commit, and more may grow old meanwhile.
    for (let step = walk.next(); step; step = walk.next())
      if (startMsOf(step) > this.#droppedMs) yield step
  }

  #walk({
    fromMs,
    toMs,
    isReverse = false,
  }: Omit<WindowRange, 'keys'>): StoreWalk<WindowEntry<K, V>> {
    this.#order ??= new OrderedEntries(this.#ordered())
    const range = {
      from: startKey(Math.max(0, fromMs, this.#droppedMs + 1)),
      before: toMs < Number.MAX_SAFE_INTEGER ? startKey(Math.max(0, toMs + 1)) : undefined,
    }
    return new StoreWalk({ order: this.#order, backing: this.#backing, range, isReverse })
  }

  *#ordered(): Generator<readonly [order: string, entry: WindowEntry<K, V>]> {
    for (const segment of this.#segments.values())
      for (const entry of segment.values()) yield [this.#orderOf(entry), entry]
  }

  flush(): void {
    this.#cache.flush()
    if (!this.#backing || this.#droppedMs <= this.#droppedInBackingMs) return
    this.#backing.removeRange(startKey(0), startKey(this.#droppedMs + 1))
    this.#droppedInBackingMs = this.#droppedMs
  }

  committed(): void {
    this.#cache.committed()
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
    const known = this.#segments.get(startMs)?.get(id)
    if (value === null) {
      if (known) this.#dropEntry(known)
      return
    }
    const entry = known ?? new WindowEntry<K, V>(id, typedKey, startMs, null)
    entry.value = this.#valueSerde.deserialize(value)
    entry.timestampMs = timestampMs
    if (!known) this.#keep(entry)
  }

  close(): void {
    this.#segments.clear()
    this.#order?.clear()
    this.#cache.close()
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
    this.#order?.removeBefore(orderOf(startKey(untilMs + 1)))
  }

  #keep(entry: WindowEntry<K, V>): void {
    const { windowStartMs } = entry
    const segment = this.#segments.get(windowStartMs)
    if (segment) segment.set(entry.id, entry)
    else this.#segments.set(windowStartMs, new Map([[entry.id, entry]]))
    this.#order?.add(this.#orderOf(entry), entry)
  }

  #orderOf({ key, windowStartMs }: WindowEntry<K, V>): string {
    return orderOf(backingKey(this.#keySerde.serialize(key), windowStartMs))
  }

  #readBacking(key: K, id: KeyIdentity, startMs: number): WindowEntry<K, V> | undefined {
    const stored = this.#backing?.get(backingKey(this.#keySerde.serialize(key), startMs))
    if (!stored) return undefined
    const value = this.#valueSerde.deserialize(stored.value)
    const entry = new WindowEntry<K, V>(id, key, startMs, value)
    entry.timestampMs = stored.timestampMs
    this.#keep(entry)
    this.#cache.read(entry, stored.value.byteLength)
    return entry
  }

  #readUnder({ key, windowStartMs }: WindowEntry<K, V>): V | null {
    const stored = this.#backing?.get(backingKey(this.#keySerde.serialize(key), windowStartMs))
    return stored ? this.#valueSerde.deserialize(stored.value) : null
  }

  #write(entry: WindowEntry<K, V>): number {
    const key = this.#keySerde.serialize(entry.key)
    const value = entry.value == null ? null : this.#valueSerde.serialize(entry.value)
    const start = entry.windowStartMs
    this.#changelog?.log(windowStoreKey(key, start), value, entry.timestampMs, [])
    if (value === null) this.#backing?.remove(backingKey(key, start))
    if (this.#segments.get(start)?.get(entry.id) !== entry) return -1
    if (value === null) return key.byteLength
    this.#backing?.put(backingKey(key, start), value, entry.timestampMs)
    return key.byteLength + value.byteLength
  }

  #sizeOf({ key, value }: WindowEntry<K, V>): number {
    const valueBytes = value == null ? 0 : this.#valueSerde.serialize(value).byteLength
    return this.#keySerde.serialize(key).byteLength + valueBytes
  }

  #dropEntry(entry: WindowEntry<K, V>): void {
    const segment = this.#segments.get(entry.windowStartMs)
    if (segment?.get(entry.id) !== entry) return
    segment.delete(entry.id)
    this.#order?.remove(this.#orderOf(entry))
    if (segment.size === 0) this.#segments.delete(entry.windowStartMs)
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

const orderBytes = (order: string): Buffer => Buffer.from(order, 'latin1')

const startMsOf = ({ order }: { readonly order: string }): number =>
  readInt64(orderBytes(order.slice(0, 8)), 0)

const keyBytesOf = ({ order }: { readonly order: string }): Buffer => orderBytes(order.slice(8))
