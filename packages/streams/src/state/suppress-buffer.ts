import { type Change, headersOf, type RecordHeaders } from '../record.ts'
import type { Serde } from '../serdes/serde.ts'
import {
  type ChangelogWriter,
  type KeyIdentity,
  keyIdentity,
  type StateStore,
  type StoreEnvironment,
  type StoreSpec,
} from './state-store.ts'
import {
  type BufferedContext,
  decodeBuffered,
  encodeBuffered,
  suppressVersionHeaders,
} from './suppress-codec.ts'

/** A result that is held back. */
export interface Buffered<K, V> {
  readonly id: KeyIdentity
  readonly key: K
  readonly timeMs: number
  readonly priorValue: V | null
  oldValue: V | null
  newValue: V | null
  context: BufferedContext
  isDirty: boolean
  /** What the buffer counts for it; 0 where it counts no bytes. */
  byteCount: number
}

export interface SuppressBufferOptions<K, V> {
  readonly name: string
  readonly keySerde: Serde<K> | undefined
  readonly valueSerde: Serde<V> | undefined
  readonly logging?: Readonly<Record<string, string>> | false | undefined
  /** Counts bytes, which means that values are serialized when they come. */
  readonly isMeasured?: boolean | undefined
}

/** The store of a suppress operator: in memory, with a changelog, as in Java. */
export function suppressBuffer<K, V>(options: SuppressBufferOptions<K, V>): StoreSpec {
  return {
    name: options.name,
    kind: 'suppress',
    persistent: false,
    logging: options.logging ?? {},
    create: (environment) => new SuppressBuffer(options, environment),
  }
}

/**
 * Results by key, given back by their time, then by their keys' bytes.
 *
 * Invariant: `#times` holds the time of every bucket, in order, and no bucket is empty.
 */
export class SuppressBuffer<K, V> implements StateStore {
  readonly name: string
  readonly #keySerde: Serde<K>
  readonly #valueSerde: Serde<V>
  readonly #changelog: ChangelogWriter | undefined
  readonly #isMeasured: boolean
  #byteCount = 0
  readonly #index = new Map<KeyIdentity, Buffered<K, V>>()
  readonly #buckets = new Map<number, Map<KeyIdentity, Buffered<K, V>>>()
  readonly #times: number[] = []
  #dirty = new Map<KeyIdentity, K>()

  constructor(options: SuppressBufferOptions<K, V>, environment: StoreEnvironment) {
    this.name = options.name
    this.#keySerde = environment.keySerde(options.keySerde)
    this.#valueSerde = environment.valueSerde(options.valueSerde)
    this.#changelog = options.logging === false ? undefined : environment.changelog
    this.#isMeasured = options.isMeasured === true
  }

  get hasChanged(): boolean {
    return this.#dirty.size > 0
  }
  get changeCount(): number {
    return this.#dirty.size
  }
  get size(): number {
    return this.#index.size
  }
  /** Bytes of all results, where they are counted. */
  get byteCount(): number {
    return this.#byteCount
  }
  /** The earliest time in the buffer, or undefined where it is empty. */
  get minTimeMs(): number | undefined {
    return this.#times[0]
  }

  put(timeMs: number, id: KeyIdentity, key: K, change: Change<V>, context: BufferedContext): void {
    const buffered = this.#index.get(id)
    if (!buffered?.isDirty) this.#dirty.set(id, key)
    if (buffered) {
      buffered.isDirty = true
      // A key keeps the time at which it came in.
      buffered.oldValue = change.oldValue
      buffered.newValue = change.newValue
      buffered.context = context
      this.#measure(buffered)
      return
    }
    const { oldValue, newValue } = change
    this.#insert({
      id,
      key,
      timeMs,
      priorValue: oldValue,
      oldValue,
      newValue,
      context,
      isDirty: true,
      byteCount: 0,
    })
  }

  /** What is held back of a key. */
  find(key: K): Readonly<Buffered<K, V>> | undefined {
    return this.#index.get(this.identity(key))
  }

  /** Takes out results while `until` holds for the time of the next one, in their order. */
  evictWhile(until: (timeMs: number) => boolean, emit: (result: Buffered<K, V>) => void): void {
    for (let timeMs = this.#times[0]; timeMs !== undefined; timeMs = this.#times[0]) {
      if (!until(timeMs)) return
      for (const result of this.#inOrder(this.#buckets.get(timeMs)!)) {
        if (!until(timeMs)) return
        // While it is given out, who looks the key up still finds what was before, as in Java.
        emit(result)
        this.#remove(result)
        this.#dirty.set(result.id, result.key)
      }
    }
  }

  identity(key: K): KeyIdentity {
    return keyIdentity(key, this.#keySerde)
  }

  flush(): void {
    const dirty = this.#dirty
    this.#dirty = new Map()
    for (const [id, key] of dirty) {
      const result = this.#index.get(id)
      if (result) result.isDirty = false
      if (!this.#changelog) continue
      const keyBytes = this.#keySerde.serialize(key)
      if (!result) this.#changelog.log(keyBytes, null, undefined, [])
      else {
        const priorValue = this.#bytes(result.priorValue)
        const newValue = this.#bytes(result.newValue)
        const oldValue =
          result.oldValue === result.priorValue ? priorValue : this.#bytes(result.oldValue)
        const { context, timeMs } = result
        const value = encodeBuffered({ context, priorValue, oldValue, newValue, timeMs })
        this.#changelog.log(keyBytes, value, undefined, suppressVersionHeaders)
      }
    }
  }

  restore(
    keyBytes: Buffer,
    value: Buffer | null,
    _timestampMs: number,
    headers: RecordHeaders,
  ): void {
    const key = this.#keySerde.deserialize(keyBytes)
    const id = keyIdentity(key, this.#keySerde)
    const known = this.#index.get(id)
    if (value === null) {
      if (known) this.#remove(known)
      return
    }
    const { context, priorValue, oldValue, newValue, timeMs } = decodeBuffered(value, headers)
    // As with `put`, a key that is there keeps its time.
    const at = known?.timeMs ?? timeMs
    if (known) this.#remove(known)
    this.#insert({
      id,
      key,
      timeMs: at,
      priorValue: this.#value(priorValue),
      oldValue: this.#value(oldValue),
      newValue: this.#value(newValue),
      context,
      isDirty: false,
      byteCount: 0,
    })
  }

  close(): void {
    this.#index.clear()
    this.#buckets.clear()
    this.#times.length = 0
    this.#byteCount = 0
    this.#dirty.clear()
  }

  #bytes(value: V | null): Buffer | null {
    return value === null ? null : this.#valueSerde.serialize(value)
  }

  #value(bytes: Buffer | null): V | null {
    return bytes === null ? null : this.#valueSerde.deserialize(bytes)
  }

  #insert(result: Buffered<K, V>): void {
    this.#index.set(result.id, result)
    this.#measure(result)
    let bucket = this.#buckets.get(result.timeMs)
    if (!bucket) {
      bucket = new Map()
      this.#buckets.set(result.timeMs, bucket)
      let at = this.#times.length
      while (at > 0 && this.#times[at - 1]! > result.timeMs) at--
      this.#times.splice(at, 0, result.timeMs)
    }
    bucket.set(result.id, result)
  }

  /** Counts a result as Java does: time, key, values, and what is known of the record. */
  #measure(result: Buffered<K, V>): void {
    if (!this.#isMeasured) return
    const { key, priorValue, oldValue, newValue, context } = result
    const prior = this.#bytes(priorValue)
    const old = this.#bytes(oldValue)
    const isSame = prior !== null && old !== null && prior.equals(old)
    let byteCount = 8 + this.#keySerde.serialize(key).byteLength
    byteCount += (prior?.byteLength ?? 0) + (isSame ? 0 : (old?.byteLength ?? 0))
    byteCount += this.#bytes(newValue)?.byteLength ?? 0
    byteCount += 8 + 8 + context.topic.length + 4
    for (const [name, value] of headersOf(context.headers))
      byteCount += name.length + (value?.byteLength ?? 0)
    this.#byteCount += byteCount - result.byteCount
    result.byteCount = byteCount
  }

  #remove(result: Buffered<K, V>): void {
    this.#byteCount -= result.byteCount
    this.#index.delete(result.id)
    const bucket = this.#buckets.get(result.timeMs)!
    bucket.delete(result.id)
    if (bucket.size > 0) return
    this.#buckets.delete(result.timeMs)
    this.#times.splice(this.#times.indexOf(result.timeMs), 1)
  }

  #inOrder(bucket: Map<KeyIdentity, Buffered<K, V>>): Buffered<K, V>[] {
    if (bucket.size === 1) return [...bucket.values()]
    return [...bucket.values()]
      .map((result) => ({ result, bytes: this.#keySerde.serialize(result.key) }))
      .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
      .map(({ result }) => result)
  }
}
