import type { ResolvedStreamsSettings } from '../config.ts'
import { StreamsError } from '../errors.ts'
import { bareEnvironment } from '../state/bare-environment.ts'
import { KeyValueStore } from '../state/key-value-store.ts'
import { SessionStore } from '../state/session-store.ts'
import type { StateStore, StoreSerdes } from '../state/state-store.ts'
import { WindowStore } from '../state/window-store.ts'
import { asBuffer } from '../threads/store-queries.ts'
import type { QueryableStoreType, RawEntry, StoreQuery, StoreScan } from '../threads/store-query.ts'
import type { StreamThreadHandle } from '../threads/thread-handle.ts'
import type { Topology } from '../topology/topology.ts'
import { Windowed } from '../windows.ts'

/** A key-value store of all tasks here. Iterators go task by task, in the order of keys' bytes in each. */
export interface QueryableKeyValueStore<K, V> {
  get(key: K): Promise<V | undefined>
  all(): AsyncIterable<readonly [key: K, value: V]>
  /** Entries from the first key to the second, both included. */
  range(from: K, to: K): AsyncIterable<readonly [key: K, value: V]>
  countEntries(): Promise<number>
}

/** A window store of all tasks here. Iterators go task by task. */
export interface QueryableWindowStore<K, V> {
  fetch(key: K, windowStartMs: number): Promise<V | undefined>
  /** The windows of a key that start within the two times, both included, earliest first. */
  fetchRange(
    key: K,
    fromMs: number,
    toMs: number,
  ): AsyncIterable<readonly [startMs: number, value: V]>
  all(): AsyncIterable<readonly [key: Windowed<K>, value: V]>
}

/** A session store of all tasks here. */
export interface QueryableSessionStore<K, V> {
  fetchSession(key: K, startMs: number, endMs: number): Promise<V | undefined>
  /** The sessions of a key, by their ends, then by their starts. */
  fetch(key: K): AsyncIterable<readonly [key: Windowed<K>, value: V]>
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
  const facades: QueryableStores<K, V> = {
    'key-value': {
      get: (key) => reader.value({ kind: 'get', store, key: reader.keyBytes(key) }),
      all: () => reader.scan({ over: 'all' }, ({ key, value }) => [key, value]),
      range: (from, to) =>
        reader.scan(
          { over: 'range', from: reader.keyBytes(from), to: reader.keyBytes(to) },
          ({ key, value }) => [key, value],
        ),
      countEntries: () => reader.count(),
    },
    window: {
      fetch: (key, startMs) =>
        reader.value({ kind: 'get-window', store, key: reader.keyBytes(key), startMs }),
      fetchRange: (key, fromMs, toMs) =>
        reader.scan(
          { over: 'windows-of', key: reader.keyBytes(key), fromMs, toMs },
          ({ startMs, value }) => [startMs, value],
        ),
      all: () => reader.scan({ over: 'windows' }, windowedEntry),
    },
    session: {
      fetchSession: (key, startMs, endMs) =>
        reader.value({ kind: 'get-session', store, key: reader.keyBytes(key), startMs, endMs }),
      fetch: (key) =>
        reader.scan({ over: 'sessions-of', key: reader.keyBytes(key) }, windowedEntry),
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

  /** Of all tasks, at most one has the key. */
  async value(query: StoreQuery): Promise<V | undefined> {
    const answers = await Promise.all(this.#asked().map((thread) => thread.query(query)))
    for (const answer of answers)
      if (answer.kind === 'value' && answer.value !== undefined)
        return this.#serdes.value.deserialize(asBuffer(answer.value))
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
