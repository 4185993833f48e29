import type { RecordHeaders, TaskRecord } from '../record.ts'
import type { Serde } from '../serdes/serde.ts'
import { Windowed } from '../windows.ts'
import type { RecordCache } from './record-cache.ts'

/** Takes the records of a changelog. Bytes are owned by the writer from then on. */
export interface ChangelogWriter {
  log(
    key: Buffer,
    value: Buffer | null,
    timestampMs: number | undefined,
    headers: RecordHeaders,
  ): void
}

/** A store of a task. It writes behind: `flush` writes what changed since the last one. */
export interface StateStore {
  readonly name: string
  /** Of stores that hold changes back in the record cache. */
  readonly cacheReads?: CacheReads | undefined
  /** Whether anything waits for the next flush. */
  readonly hasChanged: boolean
  /** Entries that wait for the next commit. */
  readonly changeCount: number
  flush(): void
  /** Says that what was flushed is on the disk. */
  committed?(): void
  /** Takes one record of the changelog. Bytes are borrowed. */
  restore(
    key: Buffer,
    value: Buffer | null,
    timestampMs: number,
    headers: RecordHeaders,
    offset: number,
  ): void
  close(): void
}

/** What is kept of a store outside the heap. Keys are ordered by their bytes. */
export interface StoreBacking {
  get(key: Buffer): StoredValue | undefined
  /** Takes effect with the next commit of the folder. */
  put(key: Buffer, value: Buffer, timestampMs: number): void
  remove(key: Buffer): void
  /** Removes the keys from the first (included) to the second (excluded). */
  removeRange(from: Buffer, to: Buffer): void
  /** How many commits there have been: what is read may differ from what was read before. */
  readonly commitCount: number
  /**
   * What is on disk of a range, in the order of the keys' bytes, as many as the limits leave: none only
   * where there are none. Nothing stays open behind it.
   */
  entries(range?: BackingRange, limits?: BackingLimits): StoredEntry[]
}

/** Which keys of a backing are wanted, by their bytes; an end without a bound is open. */
export interface BackingRange {
  readonly from?: Buffer | undefined
  readonly after?: Buffer | undefined
  readonly to?: Buffer | undefined
  readonly before?: Buffer | undefined
}

/** How much of a range is read at once, and from which end. */
export interface BackingLimits {
  readonly entries?: number
  /** An entry more may go beyond them. */
  readonly bytes?: number
  readonly isReverse?: boolean
}

export interface StoredValue {
  readonly value: Buffer
  readonly timestampMs: number
}

export interface StoredEntry extends StoredValue {
  readonly key: Buffer
}

/** What a store is made in: the serdes that it falls back to, and where it is kept. */
export interface StoreEnvironment {
  keySerde<K>(given: Serde<K> | undefined): Serde<K>
  valueSerde<V>(given: Serde<V> | undefined): Serde<V>
  /** Undefined keeps the store in memory only. */
  readonly backing?: StoreBacking | undefined
  readonly changelog: ChangelogWriter
  /** The memory that the stores of a thread share. */
  readonly cache: RecordCache
  /** The record that the store's task works on. */
  readonly record: TaskRecord
}

/** How often a key that was asked for was in the record cache, and how often not. */
export interface CacheReads {
  readonly hits: number
  readonly misses: number
}

/** What a store makes bytes with. */
export interface StoreSerdes<K, V> {
  readonly key: Serde<K>
  readonly value: Serde<V>
}

/** A store of a topology, before it is made for a task. */
export interface StoreSpec {
  readonly name: string
  readonly kind: 'key-value' | 'window' | 'suppress'
  readonly persistent: boolean
  /** Settings of the changelog topic beside the defaults; false keeps no changelog. */
  readonly logging: Readonly<Record<string, string>> | false
  readonly retentionMs?: number
  create(environment: StoreEnvironment): StateStore
}

/** A key in a form that a Map compares by value. */
export type KeyIdentity = string | number | bigint

/** Says what identifies a key: itself where it is a primitive, its bytes otherwise. */
export function keyIdentity<K>(key: K, serde: Serde<K>): KeyIdentity {
  if (isPrimitive(key)) return key
  if (key instanceof Windowed && isPrimitive(key.key)) {
    key.identity ??= `${key.window.startMs}/${key.window.endMs}@${key.key}`
    return key.identity
  }
  return serde.serialize(key).toString('latin1')
}

const isPrimitive = (key: unknown): key is KeyIdentity =>
  typeof key === 'string' || typeof key === 'number' || typeof key === 'bigint'
