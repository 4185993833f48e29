import type { Serde } from '../serdes/serde.ts'
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

/** What may be asked of a key-value store from outside its task. */
export interface ReadOnlyKeyValueStore<K, V> {
  get(key: K): V | undefined
  /** Entries by the order of their keys' bytes. */
  all(): Iterable<readonly [key: K, value: V]>
  /** Entries from the first key to the second, both included, by the order of their bytes. */
  range(from: K, to: K): Iterable<readonly [key: K, value: V]>
  readonly entryCount: number
}

export interface KeyValueStoreOptions<K, V> {
  readonly name: string
  readonly keySerde?: Serde<K> | undefined
  readonly valueSerde?: Serde<V> | undefined
  /** Kept on disk beside the changelog. Default true, as in Java. */
  readonly persistent?: boolean | undefined
  readonly logging?: Readonly<Record<string, string>> | false | undefined
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
  readonly #cacheBytes: number
  readonly #logging: boolean
  readonly #entries = new Map<KeyIdentity, Entry<K, V>>()
  readonly #cache = new EntryCache<K, V>()

  constructor(options: KeyValueStoreOptions<K, V>, environment: StoreEnvironment) {
    this.name = options.name
    this.#keySerde = environment.keySerde(options.keySerde)
    this.#valueSerde = environment.valueSerde(options.valueSerde)
    this.#backing = environment.backing
    this.#cacheBytes = environment.cacheBytes
    this.#logging = options.logging !== false
  }

  get serdes(): StoreSerdes<K, V> {
    return { key: this.#keySerde, value: this.#valueSerde }
  }

  get dirtyCount(): number {
    return this.#cache.dirty.length
  }

  get entryCount(): number {
    let count = 0
    for (const _ of this.all()) count++
    return count
  }

  get(key: K): V | undefined {
    return this.find(key)?.value ?? undefined
  }

  /** The entry of a key that has a value. It belongs to the store. */
  find(key: K): Readonly<Entry<K, V>> | undefined {
    const entry = this.#entry(key, keyIdentity(key, this.#keySerde))
    return entry === undefined || entry.value === null ? undefined : entry
  }

  /** Sets a key's value, or deletes it with null. */
  put(key: K, value: V | null, timestampMs: number): void {
    const id = keyIdentity(key, this.#keySerde)
    let entry = this.#entries.get(id)
    if (!entry) {
      entry = this.#newEntry(id, key)
      this.#entries.set(id, entry)
    }
    this.#cache.change(entry, value, timestampMs)
  }

  *all(): Generator<readonly [key: K, value: V]> {
    yield* this.#ordered()
  }

  *range(from: K, to: K): Generator<readonly [key: K, value: V]> {
    const first = this.#keySerde.serialize(from)
    const last = this.#keySerde.serialize(to)
    yield* this.#ordered(first, last)
  }

  flush(writer: ChangelogWriter): void {
    for (const entry of this.#cache.takeDirty()) {
      const key = this.#keySerde.serialize(entry.key)
      const value = entry.value === null ? null : this.#valueSerde.serialize(entry.value)
      if (this.#logging) writer.log(key, value, entry.timestampMs, [])
      if (value === null) {
        this.#backing?.remove(key)
        this.#entries.delete(entry.id)
      } else {
        this.#backing?.put(key, value, entry.timestampMs)
        this.#cache.clean(entry, key.byteLength + value.byteLength)
      }
    }
    if (this.#backing) this.#evict()
  }

  restore(key: Buffer, value: Buffer | null, timestampMs: number): void {
    if (this.#backing) {
      if (value === null) this.#backing.remove(key)
      else this.#backing.put(key, value, timestampMs)
      return
    }
    const typedKey = this.#keySerde.deserialize(key)
    const id = keyIdentity(typedKey, this.#keySerde)
    if (value === null) this.#entries.delete(id)
    else {
      const entry = this.#newEntry(id, typedKey)
      entry.value = this.#valueSerde.deserialize(value)
      entry.timestampMs = timestampMs
      this.#entries.set(id, entry)
    }
  }

  close(): void {
    this.#entries.clear()
    this.#cache.takeDirty()
  }

  #entry(key: K, id: KeyIdentity): Entry<K, V> | undefined {
    const entry = this.#entries.get(id)
    if (entry || !this.#backing) return entry
    const stored = this.#backing.get(this.#keySerde.serialize(key))
    if (!stored) return undefined
    const read = this.#newEntry(id, key)
    read.value = this.#valueSerde.deserialize(stored.value)
    read.timestampMs = stored.timestampMs
    this.#entries.set(id, read)
    this.#cache.clean(read, stored.value.byteLength + 16)
    return read
  }

  #newEntry(id: KeyIdentity, key: K): Entry<K, V> {
    return {
      id,
      key,
      windowStartMs: 0,
      value: null,
      timestampMs: 0,
      dirty: false,
      bytes: 0,
      windowed: undefined,
    }
  }

  *#ordered(first?: Buffer, last?: Buffer): Generator<readonly [key: K, value: V]> {
    const found = new Map<string, readonly [bytes: Buffer, key: K, value: V | null]>()
    for (const entry of this.#entries.values()) {
      const bytes = this.#keySerde.serialize(entry.key)
      if (isWithin(bytes, first, last))
        found.set(bytes.toString('latin1'), [bytes, entry.key, entry.value])
    }
    if (this.#backing) {
      for (const { key, value } of this.#backing.entries(first)) {
        if (last && Buffer.compare(key, last) > 0) break
        const id = key.toString('latin1')
        if (!found.has(id))
          found.set(id, [key, this.#keySerde.deserialize(key), this.#valueSerde.deserialize(value)])
      }
    }
    const ordered = [...found.values()].sort((a, b) => Buffer.compare(a[0], b[0]))
    for (const [, key, value] of ordered) if (value !== null) yield [key, value]
  }

  #evict(): void {
    if (this.#cache.cleanBytes <= this.#cacheBytes) return
    for (const entry of this.#entries.values()) {
      if (this.#cache.cleanBytes <= this.#cacheBytes) return
      if (entry.dirty) continue
      this.#entries.delete(entry.id)
      this.#cache.forget(entry)
    }
  }
}

const isWithin = (bytes: Buffer, first: Buffer | undefined, last: Buffer | undefined): boolean =>
  (!first || Buffer.compare(bytes, first) >= 0) && (!last || Buffer.compare(bytes, last) <= 0)
