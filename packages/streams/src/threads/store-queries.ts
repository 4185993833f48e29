import type { Clock } from '@khlong/core'
import { StreamsError } from '../errors.ts'
import type { KeyRange } from '../state/key-range.ts'
import { KeyValueStore } from '../state/key-value-store.ts'
import { SessionStore } from '../state/session-store.ts'
import type { StateStore, StoreSerdes } from '../state/state-store.ts'
import { WindowStore } from '../state/window-store.ts'
import type { Windowed } from '../windows.ts'
import type { RawEntry, RawKeyRange, StoreAnswer, StoreQuery, StoreScan } from './store-query.ts'

/** Entries, and bytes, that one page of an iterator holds at most; an entry more may go beyond the bytes. */
const pageEntriesMax = 500
const pageBytesMax = 1_048_576
/** Iterators of one thread that are open at once, and how long one may lie idle. */
const iteratorsMax = 100
const idleMsMax = 60_000

type QueryableStore =
  | KeyValueStore<unknown, unknown>
  | WindowStore<unknown, unknown>
  | SessionStore<unknown, unknown>

interface OpenIterator {
  readonly entries: Iterator<RawEntry>
  lastUsedMs: number
}

/** Answers questions about the stores of a thread's tasks, between two records. */
export class StoreQueries {
  /** The stores of that name, of all tasks that run here; a global table's has one. */
  readonly #storesOf: (name: string) => readonly StateStore[]
  readonly #clock: Clock
  readonly #iterators = new Map<number, OpenIterator>()
  #nextIterator = 1

  constructor(storesOf: (name: string) => readonly StateStore[], clock: Clock) {
    this.#storesOf = storesOf
    this.#clock = clock
  }

  /** @throws StreamsError `STREAMS_STORE_NOT_AVAILABLE`, `STREAMS_QUERY_LIMIT` */
  answer(query: StoreQuery): StoreAnswer {
    switch (query.kind) {
      case 'get':
        return this.#entry(query.store, query.key)
      case 'get-window':
        return this.#value(query.store, query.key, (store, key) =>
          store instanceof WindowStore ? store.fetch(key, query.startMs) : undefined,
        )
      case 'get-session':
        return this.#value(query.store, query.key, (store, key) =>
          store instanceof SessionStore
            ? store.fetchSession(key, query.startMs, query.endMs)
            : undefined,
        )
      case 'count': {
        let count = 0
        for (const store of this.#stores(query.store))
          if (store instanceof KeyValueStore) count += store.entryCount
        return { kind: 'count', count }
      }
      case 'open':
        return this.#open(query.store, query.scan)
      case 'next':
        return this.#page(query.iterator)
      case 'close':
        this.#iterators.delete(query.iterator)
        return { kind: 'closed' }
    }
  }

  #stores(name: string): QueryableStore[] {
    return this.#storesOf(name).filter(isQueryable)
  }

  #entry(name: string, key: Uint8Array): StoreAnswer {
    for (const store of this.#stores(name)) {
      if (!(store instanceof KeyValueStore)) continue
      const { serdes } = store
      const found = store.find(serdes.key.deserialize(asBuffer(key)))
      if (found)
        return {
          kind: 'value',
          value: serdes.value.serialize(found.value),
          timestampMs: found.timestampMs,
        }
    }
    return { kind: 'value', value: undefined }
  }

  #value(
    name: string,
    key: Uint8Array,
    find: (store: QueryableStore, key: unknown) => unknown,
  ): StoreAnswer {
    for (const store of this.#stores(name)) {
      const { serdes } = store
      const value = find(store, serdes.key.deserialize(asBuffer(key)))
      if (value !== undefined) return { kind: 'value', value: serdes.value.serialize(value) }
    }
    return { kind: 'value', value: undefined }
  }

  #open(name: string, scan: StoreScan): StoreAnswer {
    const nowMs = this.#clock.monotonicMs()
    for (const [id, { lastUsedMs }] of this.#iterators)
      if (nowMs - lastUsedMs > idleMsMax) this.#iterators.delete(id)
    if (this.#iterators.size >= iteratorsMax)
      throw new StreamsError(
        'STREAMS_QUERY_LIMIT',
        `${iteratorsMax} iterators over stores are open in this thread; read them to their ends, or leave their loops`,
        { retriable: true },
      )
    const iterator = this.#nextIterator++
    this.#iterators.set(iterator, {
      entries: this.#scan(name, scan),
      lastUsedMs: nowMs,
    })
    return this.#page(iterator)
  }

  #page(iterator: number): StoreAnswer {
    const open = this.#iterators.get(iterator)
    if (!open)
      throw new StreamsError(
        'STREAMS_STORE_NOT_AVAILABLE',
        `the iterator has lain idle for more than ${idleMsMax / 1_000} s, and is closed; begin again`,
        { retriable: true },
      )
    open.lastUsedMs = this.#clock.monotonicMs()
    const entries: RawEntry[] = []
    let bytes = 0
    let isLast = false
    try {
      while (entries.length < pageEntriesMax && bytes < pageBytesMax) {
        const { done, value } = open.entries.next()
        if (done) {
          isLast = true
          break
        }
        entries.push(value)
        bytes += value.key.byteLength + value.value.byteLength
      }
    } catch (error) {
      this.#iterators.delete(iterator)
      throw error
    }
    if (isLast) this.#iterators.delete(iterator)
    return { kind: 'page', iterator, entries, isLast }
  }

  *#scan(name: string, scan: StoreScan): Generator<RawEntry> {
    for (const store of this.#stores(name)) {
      const entries = entriesOf(store, scan)
      for (;;) {
        // Between two pages the task may have gone elsewhere: what is left here is not its store any more.
        if (!this.#storesOf(name).includes(store))
          throw new StreamsError(
            'STREAMS_STORE_NOT_AVAILABLE',
            `a task with store ${name} has moved to another thread or instance; begin again`,
            { retriable: true },
          )
        const { done, value } = entries.next()
        if (done) break
        yield value
      }
    }
  }
}

function* entriesOf(store: QueryableStore, scan: StoreScan): Generator<RawEntry> {
  const { serdes } = store
  if (store instanceof KeyValueStore) {
    if (scan.over !== 'keys') return
    for (const [key, value] of store.within(rangeOf(scan.keys), scan.isReverse))
      yield { key: serdes.key.serialize(key), value: serdes.value.serialize(value) }
  } else if (store instanceof WindowStore) {
    if (scan.over !== 'windows') return
    if (scan.key)
      for (const [startMs, value] of store.windowsOf(
        serdes.key.deserialize(asBuffer(scan.key)),
        scan,
      ))
        yield { key: scan.key, value: serdes.value.serialize(value), startMs }
    else
      for (const { windowed, value } of store.windowsWithin({ ...scan, keys: rangeOf(scan.keys) }))
        yield windowedEntry(serdes, [windowed, value])
  } else if (scan.over === 'sessions') {
    const { key, keys, ...range } = scan
    const entries = key
      ? store.sessionsOf(serdes.key.deserialize(asBuffer(key)), range)
      : store.sessionsWithin({ ...range, keys: rangeOf(keys) })
    for (const entry of entries) yield windowedEntry(serdes, entry)
  }
}

const rangeOf = ({ from, to, prefix }: RawKeyRange = {}): KeyRange => ({
  from: from && asBuffer(from),
  to: to && asBuffer(to),
  prefix: prefix && asBuffer(prefix),
})

function windowedEntry(
  serdes: StoreSerdes<unknown, unknown>,
  [windowed, value]: readonly [key: Windowed<unknown>, value: unknown],
): RawEntry {
  return {
    key: serdes.key.serialize(windowed.key),
    value: serdes.value.serialize(value),
    ...windowed.window,
  }
}

const isQueryable = (store: StateStore): store is QueryableStore =>
  store instanceof KeyValueStore || store instanceof WindowStore || store instanceof SessionStore

/** Bytes that came from another thread, as a serde takes them. */
export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
