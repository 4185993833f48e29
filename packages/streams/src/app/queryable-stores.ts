import type { ResolvedStreamsSettings } from '../config.ts'
import { StreamsError } from '../errors.ts'
import type { Serde } from '../serdes/serde.ts'
import { bareEnvironment } from '../state/bare-environment.ts'
import { keyRange } from '../state/key-range.ts'
import { KeyValueStore } from '../state/key-value-store.ts'
import { SessionStore } from '../state/session-store.ts'
import type { StateStore, StoreSerdes } from '../state/state-store.ts'
import { WindowStore } from '../state/window-store.ts'
import { asBuffer } from '../threads/store-queries.ts'
import type {
  QueryableStoreType,
  RawEntry,
  RawKeyRange,
  StoreQuery,
  StoreScan,
} from '../threads/store-query.ts'
import type { StreamThreadHandle } from '../threads/thread-handle.ts'
import type { Topology } from '../topology/topology.ts'
import { Windowed } from '../windows.ts'

/** Entries of all tasks here: task by task, each in the order that is said. */
type Pairs<K, V> = AsyncIterable<readonly [key: K, value: V]>

/** A key-value store of all tasks here. Iterators go task by task, in the order of keys' bytes in each. */
export interface QueryableKeyValueStore<K, V> {
  get(key: K): Promise<V | undefined>
  /** The value with the time of the record that made it: Java's timestamped store. */
  find(key: K): Promise<{ readonly value: V; readonly timestampMs: number } | undefined>
  all(): Pairs<K, V>
  reverseAll(): Pairs<K, V>
  /** Entries from the first key to the second, both included; null leaves an end open. */
  range(from: K | null, to: K | null): Pairs<K, V>
  reverseRange(from: K | null, to: K | null): Pairs<K, V>
  /** Entries whose keys' bytes begin with those of the prefix. */
  prefixScan<P>(prefix: P, prefixSerde: Serde<P>): Pairs<K, V>
  countEntries(): Promise<number>
}

/** A window store of all tasks here. Iterators go task by task; times are of windows' starts, both included. */
export interface QueryableWindowStore<K, V> {
  fetch(key: K, windowStartMs: number): Promise<V | undefined>
  /** The windows of a key, earliest first. */
  fetchRange(key: K, fromMs: number, toMs: number): Pairs<number, V>
  backwardFetchRange(key: K, fromMs: number, toMs: number): Pairs<number, V>
  all(): Pairs<Windowed<K>, V>
  backwardAll(): Pairs<Windowed<K>, V>
  /** The windows of all keys, earliest first, then by the keys' bytes. */
  fetchAll(fromMs: number, toMs: number): Pairs<Windowed<K>, V>
  backwardFetchAll(fromMs: number, toMs: number): Pairs<Windowed<K>, V>
  /** As `fetchAll`, of the keys from the first to the second, both included; null leaves an end open. */
  fetchKeyRange(
    keyFrom: K | null,
    keyTo: K | null,
    fromMs: number,
    toMs: number,
  ): Pairs<Windowed<K>, V>
  backwardFetchKeyRange(
    keyFrom: K | null,
    keyTo: K | null,
    fromMs: number,
    toMs: number,
  ): Pairs<Windowed<K>, V>
}

/** A session store of all tasks here. */
export interface QueryableSessionStore<K, V> {
  fetchSession(key: K, startMs: number, endMs: number): Promise<V | undefined>
  /** The sessions of a key, by their ends, then by their starts. */
  fetch(key: K): Pairs<Windowed<K>, V>
  backwardFetch(key: K): Pairs<Windowed<K>, V>
  /** The sessions of a key that end at the first time or later and start at the second or earlier. */
  findSessions(key: K, earliestEndMs: number, latestStartMs: number): Pairs<Windowed<K>, V>
  backwardFindSessions(key: K, earliestEndMs: number, latestStartMs: number): Pairs<Windowed<K>, V>
  /** The sessions of the keys from the first to the second, both included; null leaves an end open. */
  fetchKeyRange(keyFrom: K | null, keyTo: K | null): Pairs<Windowed<K>, V>
  backwardFetchKeyRange(keyFrom: K | null, keyTo: K | null): Pairs<Windowed<K>, V>
}

/** What a store of each kind can be asked. */
export interface QueryableStores<K, V> {
  readonly 'key-value': QueryableKeyValueStore<K, V>
  readonly window: QueryableWindowStore<K, V>
  readonly session: QueryableSessionStore<K, V>
}

export interface StoreFacadeOptions<Type extends QueryableStoreType> {
  readonly topology: Topology
  readonly settings: ResolvedStreamsSettings
  readonly name: string
  readonly type: Type
  /** The threads whose tasks are asked; throws where they cannot answer now. */
  readonly threads: () => readonly StreamThreadHandle[]
}

/** @throws StreamsError `STREAMS_STORE_UNKNOWN` */
export function storeFacade<K, V, Type extends QueryableStoreType>(
  options: StoreFacadeOptions<Type>,
): QueryableStores<K, V>[Type] {
  const reader = new StoreReader<K, V>(options)
  const { name: store } = options
  const entries = (keys: RawKeyRange, isReverse = false): Pairs<K, V> =>
    reader.scan({ over: 'keys', keys, isReverse }, ({ key, value }) => [key, value])
  const windowsOf = (key: K, fromMs: number, toMs: number, isReverse = false): Pairs<number, V> =>
    reader.scan(
      { over: 'windows', key: reader.keyBytes(key), fromMs, toMs, isReverse },
      ({ startMs, value }) => [startMs, value],
    )
  const windows = (
    fromMs: number,
    toMs: number,
    isReverse = false,
    keys: RawKeyRange = {},
  ): Pairs<Windowed<K>, V> =>
    reader.scan({ over: 'windows', keys, fromMs, toMs, isReverse }, windowedEntry)
  const sessionsOf = (
    key: K,
    isReverse = false,
    times: { readonly earliestEndMs?: number; readonly latestStartMs?: number } = {},
  ): Pairs<Windowed<K>, V> =>
    reader.scan({ over: 'sessions', key: reader.keyBytes(key), isReverse, ...times }, windowedEntry)
  const sessions = (keys: RawKeyRange, isReverse = false): Pairs<Windowed<K>, V> =>
    reader.scan({ over: 'sessions', keys, isReverse }, windowedEntry)
  const latestMs = Number.MAX_SAFE_INTEGER
  const facades: QueryableStores<K, V> = {
    'key-value': {
      get: (key) => reader.value({ kind: 'get', store, key: reader.keyBytes(key) }),
      find: (key) => reader.find({ kind: 'get', store, key: reader.keyBytes(key) }),
      all: () => entries({}),
      reverseAll: () => entries({}, true),
      range: (from, to) => entries(reader.keyRange(from, to)),
      reverseRange: (from, to) => entries(reader.keyRange(from, to), true),
      prefixScan: (prefix, serde) => entries({ prefix: serde.serialize(prefix) }),
      countEntries: () => reader.count(),
    },
    window: {
      fetch: (key, startMs) =>
        reader.value({ kind: 'get-window', store, key: reader.keyBytes(key), startMs }),
      fetchRange: (key, fromMs, toMs) => windowsOf(key, fromMs, toMs),
      backwardFetchRange: (key, fromMs, toMs) => windowsOf(key, fromMs, toMs, true),
      all: () => windows(0, latestMs),
      backwardAll: () => windows(0, latestMs, true),
      fetchAll: (fromMs, toMs) => windows(fromMs, toMs),
      backwardFetchAll: (fromMs, toMs) => windows(fromMs, toMs, true),
      fetchKeyRange: (from, to, fromMs, toMs) =>
        windows(fromMs, toMs, false, reader.keyRange(from, to)),
      backwardFetchKeyRange: (from, to, fromMs, toMs) =>
        windows(fromMs, toMs, true, reader.keyRange(from, to)),
    },
    session: {
      fetchSession: (key, startMs, endMs) =>
        reader.value({ kind: 'get-session', store, key: reader.keyBytes(key), startMs, endMs }),
      fetch: (key) => sessionsOf(key),
      backwardFetch: (key) => sessionsOf(key, true),
      findSessions: (key, earliestEndMs, latestStartMs) =>
        sessionsOf(key, false, { earliestEndMs, latestStartMs }),
      backwardFindSessions: (key, earliestEndMs, latestStartMs) =>
        sessionsOf(key, true, { earliestEndMs, latestStartMs }),
      fetchKeyRange: (from, to) => sessions(reader.keyRange(from, to)),
      backwardFetchKeyRange: (from, to) => sessions(reader.keyRange(from, to), true),
    },
  }
  return facades[options.type]
}

interface TypedEntry<K, V> {
  readonly key: K
  readonly value: V
  readonly startMs: number
  readonly endMs: number
}

const windowedEntry = <K, V>({
  key,
  value,
  startMs,
  endMs,
}: TypedEntry<K, V>): readonly [Windowed<K>, V] => [new Windowed(key, { startMs, endMs }), value]

/** Asks threads, and makes of bytes what the store's serdes say. */
class StoreReader<K, V> {
  readonly #name: string
  readonly #serdes: StoreSerdes<K, V>
  /** Every thread has the whole of a global table. */
  readonly #isGlobal: boolean
  readonly #threads: () => readonly StreamThreadHandle[]

  constructor({ topology, settings, name, type, threads }: StoreFacadeOptions<QueryableStoreType>) {
    const spec = topology.stores.get(name)
    // Made for its serdes: nothing is put into it.
    const store = spec?.create(bareEnvironment(name, settings))
    if (!store || !isOfType(store, type))
      throw new StreamsError(
        'STREAMS_STORE_UNKNOWN',
        `the topology has no ${type} store ${name}; its stores are ${[...topology.stores.keys()].join(', ') || 'none'}`,
        { fields: { store: name, type } },
      )
    this.#name = name
    this.#serdes = store.serdes as StoreSerdes<K, V>
    this.#isGlobal = topology.globalTables().some((table) => table.store.name === name)
    this.#threads = threads
  }

  keyBytes(key: K): Buffer {
    return this.#serdes.key.serialize(key)
  }

  keyRange(from: K | null, to: K | null): RawKeyRange {
    return keyRange(this.#serdes.key, from, to)
  }

  async value(query: StoreQuery): Promise<V | undefined> {
    return (await this.find(query))?.value
  }

  /** Of all tasks, at most one has the key. */
  async find(
    query: StoreQuery,
  ): Promise<{ readonly value: V; readonly timestampMs: number } | undefined> {
    const answers = await Promise.all(this.#asked().map((thread) => thread.query(query)))
    for (const answer of answers)
      if (answer.kind === 'value' && answer.value !== undefined)
        return {
          value: this.#serdes.value.deserialize(asBuffer(answer.value)),
          timestampMs: answer.timestampMs ?? -1,
        }
    return undefined
  }

  async count(): Promise<number> {
    const query = { kind: 'count', store: this.#name } as const
    const answers = await Promise.all(this.#asked().map((thread) => thread.query(query)))
    return answers.reduce((sum, answer) => sum + (answer.kind === 'count' ? answer.count : 0), 0)
  }

  /** Thread by thread, page by page; who leaves the loop closes the iterator. */
  async *scan<Entry>(
    scan: StoreScan,
    make: (entry: TypedEntry<K, V>) => Entry,
  ): AsyncGenerator<Entry> {
    for (const thread of this.#asked()) {
      let answer = await thread.query({ kind: 'open', store: this.#name, scan })
      let isOpen = answer.kind === 'page' && !answer.isLast
      try {
        while (answer.kind === 'page') {
          for (const entry of answer.entries) yield make(this.#typed(entry))
          if (answer.isLast) break
          answer = await thread.query({ kind: 'next', iterator: answer.iterator })
          isOpen = answer.kind === 'page' && !answer.isLast
        }
      } finally {
        // A thread that is gone has closed it.
        if (isOpen && answer.kind === 'page')
          await thread.query({ kind: 'close', iterator: answer.iterator }).catch(() => {})
      }
    }
  }

  #asked(): readonly StreamThreadHandle[] {
    const threads = this.#threads()
    return this.#isGlobal ? threads.slice(0, 1) : threads
  }

  #typed({ key, value, startMs = 0, endMs = 0 }: RawEntry): TypedEntry<K, V> {
    return {
      key: this.#serdes.key.deserialize(asBuffer(key)),
      value: this.#serdes.value.deserialize(asBuffer(value)),
      startMs,
      endMs,
    }
  }
}

function isOfType(
  store: StateStore,
  type: QueryableStoreType,
): store is
  | KeyValueStore<unknown, unknown>
  | WindowStore<unknown, unknown>
  | SessionStore<unknown, unknown> {
  switch (type) {
    case 'key-value':
      return store instanceof KeyValueStore
    case 'window':
      return store instanceof WindowStore
    case 'session':
      return store instanceof SessionStore
  }
}
