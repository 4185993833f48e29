import { type CarriedHeaders, headersOf } from '../record.ts'
import type { Serde } from '../serdes/serde.ts'
import { readInt64, writeInt64 } from '../serdes/windowed.ts'
import {
  type ChangelogWriter,
  type KeyIdentity,
  keyIdentity,
  type StateStore,
  type StoreEnvironment,
  type StoreSpec,
} from './state-store.ts'
import { StoreMirror } from './store-mirror.ts'

export interface JoinWindowStoreOptions<K, V> {
  readonly name: string
  readonly retentionMs: number
  readonly keySerde?: Serde<K> | undefined
  readonly valueSerde?: Serde<V> | undefined
  /** Kept on disk beside the changelog. Default true, as in Java. */
  readonly persistent?: boolean | undefined
  readonly logging?: Readonly<Record<string, string>> | false | undefined
}

/**
 * The store of one side of a stream-stream join. Its changelog is not compacted: every record has a
 * place of its own.
 */
export function joinWindowStore<K, V>(options: JoinWindowStoreOptions<K, V>): StoreSpec {
  const { logging = {} } = options
  return {
    name: options.name,
    kind: 'window',
    persistent: options.persistent ?? true,
    logging: logging === false ? false : { ...logging, 'cleanup.policy': 'delete' },
    retentionMs: options.retentionMs,
    create: (environment) => new JoinWindowStore(options, environment),
  }
}

interface Item<V> {
  readonly timestampMs: number
  readonly sequence: number
  readonly value: V
}

interface Unlogged<K, V> {
  readonly key: K
  readonly timestampMs: number
  readonly sequence: number
  readonly value: V | null
  readonly headers: CarriedHeaders
}

/**
 * Records by key and time, of which several may have the same time.
 *
 * Invariant: the items of a key are in the order of time, then of their sequence numbers.
 */
export class JoinWindowStore<K, V> implements StateStore {
  readonly name: string
  readonly #keySerde: Serde<K>
  readonly #valueSerde: Serde<V>
  readonly #retentionMs: number
  readonly #changelog: ChangelogWriter | undefined
  readonly #items = new Map<KeyIdentity, { readonly key: K; items: Item<V>[] }>()
  readonly #mirror: StoreMirror
  #unlogged: Unlogged<K, V>[] = []
  #sequence = 0
  #observedMs = -1
  #sweptMs = -1

  constructor(options: JoinWindowStoreOptions<K, V>, environment: StoreEnvironment) {
    this.name = options.name
    this.#keySerde = environment.keySerde(options.keySerde)
    this.#valueSerde = environment.valueSerde(options.valueSerde)
    this.#retentionMs = options.retentionMs
    this.#changelog = options.logging === false ? undefined : environment.changelog
    this.#mirror = new StoreMirror(environment.backing, (bytes, value) =>
      this.#restore(bytes, value),
    )
  }

  get hasChanged(): boolean {
    return this.#unlogged.length > 0
  }
  get changeCount(): number {
    return this.#unlogged.length
  }

  /** Adds a record. One without a value is only logged, and moves no time, as in Java. */
  put(key: K, value: V | null, timestampMs: number, headers: CarriedHeaders): void {
    this.#mirror.load()
    this.#sequence = (this.#sequence + 1) & 0x7fff_ffff
    const sequence = this.#sequence
    this.#unlogged.push({ key, timestampMs, sequence, value, headers })
    if (value === null) return
    this.#observe(timestampMs)
    this.#insert(key, { timestampMs, sequence, value })
  }

  /** The records of a key from the first time to the second, both included, earliest first. */
  *fetch(
    key: K,
    fromMs: number,
    toMs: number,
  ): Generator<readonly [timestampMs: number, value: V]> {
    this.#mirror.load()
    const items = this.#items.get(keyIdentity(key, this.#keySerde))?.items
    if (!items) return
    const firstMs = Math.max(fromMs, this.#observedMs - this.#retentionMs + 1)
    // A copy: what is forwarded for one of them may come back as a record of this key.
    for (const { timestampMs, value } of items.slice(lowerBound(items, firstMs))) {
      if (timestampMs > toMs) return
      yield [timestampMs, value]
    }
  }

  flush(): void {
    const unlogged = this.#unlogged
    this.#unlogged = []
    for (const { key, timestampMs, sequence, value, headers } of unlogged) {
      const changelogKey = encodeKey(this.#keySerde.serialize(key), timestampMs, sequence)
      const bytes = value === null ? null : this.#valueSerde.serialize(value)
      this.#changelog?.log(changelogKey, bytes, timestampMs, headersOf(headers))
      if (bytes !== null && timestampMs > this.#observedMs - this.#retentionMs)
        this.#mirror.put(changelogKey, bytes, timestampMs)
    }
    this.#mirror.flush()
  }

  restore(changelogKey: Buffer, value: Buffer | null, timestampMs: number): void {
    if (value === null || this.#mirror.restore(changelogKey, value, timestampMs)) return
    this.#restore(changelogKey, value)
  }

  #restore(changelogKey: Buffer, value: Buffer): void {
    const keyEnd = changelogKey.byteLength - 12
    if (keyEnd < 0) return
    const timestampMs = readInt64(changelogKey, keyEnd)
    const sequence = changelogKey.readInt32BE(keyEnd + 8)
    // A number that is used again would overwrite, for whoever restores next, what has it now.
    if (sequence > this.#sequence) this.#sequence = sequence
    this.#observe(timestampMs)
    if (timestampMs <= this.#observedMs - this.#retentionMs) {
      this.#mirror.forget(() => Buffer.from(changelogKey))
      return
    }
    const key = this.#keySerde.deserialize(changelogKey.subarray(0, keyEnd))
    const item = { timestampMs, sequence, value: this.#valueSerde.deserialize(value) }
    this.#insert(key, item)
  }

  close(): void {
    this.#items.clear()
    this.#unlogged = []
  }

  #insert(key: K, item: Item<V>): void {
    if (item.timestampMs <= this.#observedMs - this.#retentionMs) return
    const id = keyIdentity(key, this.#keySerde)
    const known = this.#items.get(id)
    if (!known) {
      this.#items.set(id, { key, items: [item] })
      return
    }
    const { items } = known
    const newest = items.at(-1)
    if (!newest || newest.timestampMs <= item.timestampMs) items.push(item)
    else items.splice(lowerBound(items, item.timestampMs + 1), 0, item)
  }

  /** Forgets what has expired, whenever time has moved on by the retention. */
  #observe(timestampMs: number): void {
    if (timestampMs <= this.#observedMs) return
    this.#observedMs = timestampMs
    if (timestampMs - this.#sweptMs < this.#retentionMs) return
    this.#sweptMs = timestampMs
    const firstMs = timestampMs - this.#retentionMs + 1
    for (const [id, { key, items }] of this.#items) {
      const live = lowerBound(items, firstMs)
      for (const { timestampMs: expiredMs, sequence } of items.slice(0, live))
        this.#mirror.forget(() => encodeKey(this.#keySerde.serialize(key), expiredMs, sequence))
      if (live === items.length) this.#items.delete(id)
      else if (live > 0) items.splice(0, live)
    }
  }
}

/** The index of the first item that is not earlier. */
function lowerBound(items: readonly { readonly timestampMs: number }[], fromMs: number): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (items[middle]!.timestampMs < fromMs) low = middle + 1
    else high = middle
  }
  return low
}

/** A key of the changelog: key, time as int64, sequence number as int32. */
function encodeKey(key: Buffer, timestampMs: number, sequence: number): Buffer {
  const bytes = Buffer.allocUnsafe(key.byteLength + 12)
  key.copy(bytes)
  writeInt64(bytes, timestampMs, key.byteLength)
  bytes.writeInt32BE(sequence, key.byteLength + 8)
  return bytes
}
