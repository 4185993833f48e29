import type { TaskRecord } from '../record.ts'
import type { Serde } from '../serdes/serde.ts'
import { type CacheEntry, EntryCache, type FlushListener, type Held } from './entry-cache.ts'
import { boundsOf, type KeyRange, keyRange } from './key-range.ts'
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
import { StoreWalk } from './store-walk.ts'

/** What may be asked of a key-value store from outside its task. */
export interface ReadOnlyKeyValueStore<K, V> {
  get(key: K): V | undefined
  /** The value with the time of the record that made it: Java's timestamped store. */
  find(key: K): FoundEntry<K, V> | undefined
  /** Entries by the order of their keys' bytes. */
  all(): Iterable<readonly [key: K, value: V]>
  reverseAll(): Iterable<readonly [key: K, value: V]>
  /** Entries from the first key to the second, both included, by the order of their bytes; null leaves an end open. */
  range(from: K | null, to: K | null): Iterable<readonly [key: K, value: V]>
  reverseRange(from: K | null, to: K | null): Iterable<readonly [key: K, value: V]>
  /** Entries whose keys' bytes begin with those of the prefix. */
  prefixScan<P>(prefix: P, prefixSerde: Serde<P>): Iterable<readonly [key: K, value: V]>
  readonly entryCount: number
}

export interface KeyValueStoreOptions<K, V> {
  readonly name: string
  readonly keySerde?: Serde<K> | undefined
  readonly valueSerde?: Serde<V> | undefined
  /** Kept on disk beside the changelog. Default true, as in Java. */
  readonly persistent?: boolean | undefined
  readonly logging?: Readonly<Record<string, string>> | false | undefined
  /**
   * Keeps what was used last in the record cache. What a table's store has there is held back until
   * a commit. Default false, as in Java; tables ask for it.
   */
  readonly caching?: boolean | undefined
}

/** What a store has of a key. It belongs to the store. */
export class KeyEntry<K, V> implements CacheEntry {
  readonly id: KeyIdentity
  readonly key: K
  value: V | null | undefined
  timestampMs = -1
  held: Held | undefined

  constructor(id: KeyIdentity, key: K, value: V | null | undefined) {
    this.id = id
    this.key = key
    this.value = value
  }
}

/** An entry that has a value. */
export interface FoundEntry<K, V> {
  readonly key: K
  readonly value: V
  readonly timestampMs: number
}

/** A store of values by key, with the time of the newest record that made each. */
export function keyValueStore<K, V>(options: KeyValueStoreOptions<K, V>): StoreSpec {
  return {
    name: options.name,
    kind: 'key-value',
    persistent: options.persistent ?? true,
    logging: options.logging ?? {},
    create: (environment) => new KeyValueStore(options, environment),
  }
}

/**
 * The values are kept as they are given; bytes are made at the flush. So a value that is in a store
 * must not be changed in place by anyone who got it.
 */
export class KeyValueStore<K, V> implements StateStore, ReadOnlyKeyValueStore<K, V> {
  readonly name: string
  readonly #keySerde: Serde<K>
  readonly #valueSerde: Serde<V>
  readonly #backing: StoreBacking | undefined
  readonly #changelog: ChangelogWriter | undefined
  readonly #record: TaskRecord
  readonly #entries = new Map<KeyIdentity, KeyEntry<K, V>>()
  readonly #cache: EntryCache<KeyEntry<K, V>>
  /** The entries in their order, from the first iterator on. */
  #order: OrderedEntries<KeyEntry<K, V>> | undefined

  constructor(options: KeyValueStoreOptions<K, V>, environment: StoreEnvironment) {
    this.name = options.name
    this.#keySerde = environment.keySerde(options.keySerde)
    this.#valueSerde = environment.valueSerde(options.valueSerde)
    this.#record = environment.record
    this.#backing = environment.backing
    this.#changelog = options.logging === false ? undefined : environment.changelog
    const owner = {
      sizeOf: (entry: KeyEntry<K, V>) => this.#sizeOf(entry),
      readUnder: (entry: KeyEntry<K, V>) => this.#readUnder(entry),
      write: (entry: KeyEntry<K, V>) => this.#write(entry),
      drop: (entry: KeyEntry<K, V>) => this.#forget(entry),
    }
    this.#cache = new EntryCache(owner, {
      environment,
      isCached: options.caching === true,
      hasDisk: environment.backing !== undefined,
    })
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

  get entryCount(): number {
    let count = 0
    if (this.#backing) {
      const walk = this.#walk({}, false)
      while (walk.next()) count++
    } else for (const { value } of this.#entries.values()) if (value != null) count++
    return count
  }

  get(key: K): V | undefined {
    return this.find(key)?.value
  }

  /** The entry of a key that has a value. It belongs to the store. */
  find(key: K): FoundEntry<K, V> | undefined {
    const id = keyIdentity(key, this.#keySerde)
    const entry = this.#entries.get(id)
    if (entry) this.#cache.use(entry)
    else this.#cache.misses++
    const found = entry ?? this.#read(id, key)
    return found === undefined || found.value === null ? undefined : (found as FoundEntry<K, V>)
  }

  /** Sets a key's value, or deletes it with null. The time is that of the record under work, unless given. */
  put(key: K, value: V | null, timestampMs: number = this.#record.timestampMs): void {
    const id = keyIdentity(key, this.#keySerde)
    let entry = this.#entries.get(id)
    if (!entry) {
      entry = new KeyEntry<K, V>(id, key, this.#backing ? undefined : null)
      this.#keep(entry)
    }
    this.#cache.change(entry, value, timestampMs)
  }

  /** Sets a key's value where it has none; gives the one that it has. */
  putIfAbsent(key: K, value: V, timestampMs?: number): V | undefined {
    const before = this.get(key)
    if (before === undefined) this.put(key, value, timestampMs)
    return before
  }

  /** Deletes a key, and gives the value that it had. */
  delete(key: K, timestampMs?: number): V | undefined {
    const before = this.get(key)
    this.put(key, null, timestampMs)
    return before
  }

  /** Hands changes to a listener at each flush; false where the store holds nothing back. */
  holdBack(listener: FlushListener<KeyEntry<K, V>>): boolean {
    return this.#cache.holdBack(listener)
  }

  *all(): Generator<readonly [key: K, value: V]> {
    yield* this.within({})
  }

  *reverseAll(): Generator<readonly [key: K, value: V]> {
    yield* this.within({}, true)
  }

  *range(from: K | null, to: K | null): Generator<readonly [key: K, value: V]> {
    yield* this.within(keyRange(this.#keySerde, from, to))
  }

  *reverseRange(from: K | null, to: K | null): Generator<readonly [key: K, value: V]> {
    yield* this.within(keyRange(this.#keySerde, from, to), true)
  }

  *prefixScan<P>(prefix: P, prefixSerde: Serde<P>): Generator<readonly [key: K, value: V]> {
    yield* this.within({ prefix: prefixSerde.serialize(prefix) })
  }

  /** Entries by the order of their keys' bytes, or against it, as {@link StoreWalk} goes through them. */
  *within(range: KeyRange, isReverse = false): Generator<readonly [key: K, value: V]> {
    const walk = this.#walk(range, isReverse)
    for (let step = walk.next(); step; step = walk.next()) {
      const { entry, stored } = step
      if (entry) yield [entry.key, entry.value as V]
      else
        yield [this.#keySerde.deserialize(stored.key), this.#valueSerde.deserialize(stored.value)]
    }
  }

  flush(): void {
    this.#cache.flush()
  }

  committed(): void {
    this.#cache.committed()
  }

  restore(key: Buffer, value: Buffer | null, timestampMs: number): void {
    if (this.#backing) {
      if (value === null) this.#backing.remove(key)
      else this.#backing.put(key, value, timestampMs)
      return
    }
    const typedKey = this.#keySerde.deserialize(key)
    const id = keyIdentity(typedKey, this.#keySerde)
    const known = this.#entries.get(id)
    if (value === null) {
      if (known) this.#forget(known)
      return
    }
    const entry = known ?? new KeyEntry<K, V>(id, typedKey, null)
    entry.value = this.#valueSerde.deserialize(value)
    entry.timestampMs = timestampMs
    if (!known) this.#keep(entry)
  }

  close(): void {
    this.#entries.clear()
    this.#order?.clear()
    this.#cache.close()
  }

  #keep(entry: KeyEntry<K, V>): void {
    this.#entries.set(entry.id, entry)
    this.#order?.add(this.#orderOf(entry), entry)
  }

  #forget(entry: KeyEntry<K, V>): void {
    this.#entries.delete(entry.id)
    this.#order?.remove(this.#orderOf(entry))
  }

  #orderOf({ key }: KeyEntry<K, V>): string {
    return orderOf(this.#keySerde.serialize(key))
  }

  #walk(range: KeyRange, isReverse: boolean): StoreWalk<KeyEntry<K, V>> {
    this.#order ??= new OrderedEntries(
      this.#entries.values().map((entry) => [this.#orderOf(entry), entry] as const),
    )
    const backing = this.#backing
    return new StoreWalk({ order: this.#order, backing, range: boundsOf(range), isReverse })
  }

  #read(id: KeyIdentity, key: K): KeyEntry<K, V> | undefined {
    const stored = this.#backing?.get(this.#keySerde.serialize(key))
    if (!stored) return undefined
    const read = new KeyEntry<K, V>(id, key, this.#valueSerde.deserialize(stored.value))
    read.timestampMs = stored.timestampMs
    this.#keep(read)
    this.#cache.read(read, stored.value.byteLength)
    return read
  }

  #readUnder({ key }: KeyEntry<K, V>): V | null {
    const stored = this.#backing?.get(this.#keySerde.serialize(key))
    return stored ? this.#valueSerde.deserialize(stored.value) : null
  }

  #write({ key: typedKey, value: typedValue, timestampMs }: KeyEntry<K, V>): number {
    const key = this.#keySerde.serialize(typedKey)
    const value = typedValue == null ? null : this.#valueSerde.serialize(typedValue)
    this.#changelog?.log(key, value, timestampMs, [])
    if (value === null) this.#backing?.remove(key)
    else this.#backing?.put(key, value, timestampMs)
    return key.byteLength + (value?.byteLength ?? 0)
  }

  #sizeOf({ key, value }: KeyEntry<K, V>): number {
    const valueBytes = value == null ? 0 : this.#valueSerde.serialize(value).byteLength
    return this.#keySerde.serialize(key).byteLength + valueBytes
  }
}
