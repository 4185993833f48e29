import type { TaskRecord } from '../record.ts'
import type { Serde } from '../serdes/serde.ts'
import { sessionStoreKey, splitSessionStoreKey } from '../serdes/windowed.ts'
import { Windowed } from '../windows.ts'
import { type CacheEntry, EntryCache, type FlushListener, type Held } from './entry-cache.ts'
import { boundsOf, type KeyRange, keyRange } from './key-range.ts'
import { OrderedEntries, orderOf } from './ordered-entries.ts'
import {
  type CacheReads,
  type ChangelogWriter,
  type KeyIdentity,
  keyIdentity,
  type StateStore,
  type StoreEnvironment,
  type StoreSerdes,
  type StoreSpec,
} from './state-store.ts'
import { StoreMirror } from './store-mirror.ts'
import { StoreWalk } from './store-walk.ts'

/** What may be asked of a session store from outside its task. */
export interface ReadOnlySessionStore<K, V> {
  fetchSession(key: K, startMs: number, endMs: number): V | undefined
  /** The sessions of a key, by their ends, then by their starts. */
  fetch(key: K): Iterable<readonly [key: Windowed<K>, value: V]>
  backwardFetch(key: K): Iterable<readonly [key: Windowed<K>, value: V]>
  /** The sessions of a key that end at the first time or later and start at the second or earlier. */
  findSessions(
    key: K,
    earliestEndMs: number,
    latestStartMs: number,
  ): Iterable<readonly [key: Windowed<K>, value: V]>
  backwardFindSessions(
    key: K,
    earliestEndMs: number,
    latestStartMs: number,
  ): Iterable<readonly [key: Windowed<K>, value: V]>
  /** The sessions of the keys from the first to the second, both included, by the order of their bytes; null leaves an end open. */
  fetchKeyRange(keyFrom: K | null, keyTo: K | null): Iterable<readonly [key: Windowed<K>, value: V]>
  backwardFetchKeyRange(
    keyFrom: K | null,
    keyTo: K | null,
  ): Iterable<readonly [key: Windowed<K>, value: V]>
}

/** Which sessions are wanted: of a key, or of several. */
export interface SessionRange {
  readonly keys?: KeyRange | undefined
  readonly earliestEndMs?: number | undefined
  readonly latestStartMs?: number | undefined
  readonly isReverse?: boolean | undefined
}

export interface SessionStoreOptions<K, V> {
  readonly name: string
  /** Sessions that ended this long before the newest one are dropped. */
  readonly retentionMs: number
  readonly keySerde?: Serde<K> | undefined
  readonly valueSerde?: Serde<V> | undefined
  /** Kept on disk beside the changelog. Default true, as in Java. */
  readonly persistent?: boolean | undefined
  readonly logging?: Readonly<Record<string, string>> | false | undefined
  /** As a {@link KeyValueStoreOptions}' `caching`. */
  readonly caching?: boolean | undefined
}

/**
 * A store of values by key and session, of which old sessions go by themselves. All of them are in
 * memory; on disk they need not be read from the changelog at a start.
 */
export function sessionStore<K, V>(options: SessionStoreOptions<K, V>): StoreSpec {
  return {
    name: options.name,
    kind: 'window',
    persistent: options.persistent ?? true,
    logging: options.logging ?? {},
    retentionMs: options.retentionMs,
    create: (environment) => new SessionStore(options, environment),
  }
}

/** A session of a key. It belongs to the store. */
export interface Session<K, V> {
  readonly key: K
  readonly startMs: number
  readonly endMs: number
  readonly value: V
}

/** A session in the store; without a value it is gone, and the changelog does not know yet. */
export class SessionEntry<K, V> implements CacheEntry {
  readonly key: K
  readonly startMs: number
  readonly endMs: number
  value: V | null = null
  timestampMs = -1
  held: Held | undefined

  constructor(key: K, startMs: number, endMs: number) {
    this.key = key
    this.startMs = startMs
    this.endMs = endMs
  }
}

/**
 * Invariant: the sessions of a key are in the order of their ends, then of their starts. Which of
 * them may be joined to one is for the aggregation to say; here they may overlap.
 */
export class SessionStore<K, V> implements StateStore, ReadOnlySessionStore<K, V> {
  readonly name: string
  readonly #keySerde: Serde<K>
  readonly #record: TaskRecord
  readonly #valueSerde: Serde<V>
  readonly #retentionMs: number
  readonly #changelog: ChangelogWriter | undefined
  readonly #sessions = new Map<KeyIdentity, SessionEntry<K, V>[]>()
  /** The keys in their order, from the first iterator over several on. */
  #order: OrderedEntries<{ readonly value: K }> | undefined
  readonly #mirror: StoreMirror
  readonly #cache: EntryCache<SessionEntry<K, V>>
  #observedMs = -1
  #sweptMs = -1

  constructor(options: SessionStoreOptions<K, V>, environment: StoreEnvironment) {
    this.name = options.name
    this.#keySerde = environment.keySerde(options.keySerde)
    this.#record = environment.record
    this.#valueSerde = environment.valueSerde(options.valueSerde)
    this.#retentionMs = options.retentionMs
    this.#changelog = options.logging === false ? undefined : environment.changelog
    const owner = {
      sizeOf: (entry: SessionEntry<K, V>) => this.#sizeOf(entry),
      readUnder: () => null,
      write: (entry: SessionEntry<K, V>) => this.#write(entry),
      drop: (entry: SessionEntry<K, V>) => this.#take(entry),
    }
    this.#cache = new EntryCache(owner, {
      environment,
      isCached: options.caching === true,
      hasDisk: false,
    })
    this.#mirror = new StoreMirror(environment.backing, (bytes, value) =>
      this.#restore(bytes, value),
    )
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

  /** Hands changes to a listener at each flush; false where the store holds nothing back. */
  holdBack(listener: FlushListener<SessionEntry<K, V>>): boolean {
    return this.#cache.holdBack(listener)
  }

  fetchSession(key: K, startMs: number, endMs: number): V | undefined {
    this.#mirror.load()
    const found = this.#find(keyIdentity(key, this.#keySerde), startMs, endMs)
    if (found) this.#cache.hits++
    else this.#cache.misses++
    return found?.value ?? undefined
  }

  *fetch(key: K): Generator<readonly [key: Windowed<K>, value: V]> {
    yield* this.sessionsOf(key, {})
  }

  *backwardFetch(key: K): Generator<readonly [key: Windowed<K>, value: V]> {
    yield* this.sessionsOf(key, { isReverse: true })
  }

  *findSessions(
    key: K,
    earliestEndMs: number,
    latestStartMs: number,
  ): Generator<readonly [key: Windowed<K>, value: V]> {
    yield* this.sessionsOf(key, { earliestEndMs, latestStartMs })
  }

  *backwardFindSessions(
    key: K,
    earliestEndMs: number,
    latestStartMs: number,
  ): Generator<readonly [key: Windowed<K>, value: V]> {
    yield* this.sessionsOf(key, { earliestEndMs, latestStartMs, isReverse: true })
  }

  *fetchKeyRange(from: K | null, to: K | null): Generator<readonly [key: Windowed<K>, value: V]> {
    yield* this.sessionsWithin({ keys: keyRange(this.#keySerde, from, to) })
  }

  *backwardFetchKeyRange(
    from: K | null,
    to: K | null,
  ): Generator<readonly [key: Windowed<K>, value: V]> {
    yield* this.sessionsWithin({ keys: keyRange(this.#keySerde, from, to), isReverse: true })
  }

  /** The sessions of one key. */
  *sessionsOf(
    key: K,
    range: Omit<SessionRange, 'keys'>,
  ): Generator<readonly [key: Windowed<K>, value: V]> {
    yield* this.#sessionsOf(key, range)
  }

  *#sessionsOf(
    key: K,
    {
      earliestEndMs = 0,
      latestStartMs = Number.MAX_SAFE_INTEGER,
      isReverse = false,
    }: Omit<SessionRange, 'keys'>,
  ): Generator<readonly [key: Windowed<K>, value: V]> {
    const found = this.find(key, earliestEndMs, latestStartMs)
    for (const session of isReverse ? found.reverse() : found)
      yield [windowedOf(session), session.value]
  }

  /** The sessions of several keys, by the order of the keys' bytes. */
  *sessionsWithin({
    keys = {},
    ...range
  }: SessionRange): Generator<readonly [key: Windowed<K>, value: V]> {
    this.#mirror.load()
    const { isReverse = false } = range
    this.#order ??= new OrderedEntries(this.#ordered())
    const walk = new StoreWalk({
      order: this.#order,
      backing: undefined,
      range: boundsOf(keys),
      isReverse,
    })
    for (let step = walk.next(); step; step = walk.next()) {
      if (step.entry) yield* this.#sessionsOf(step.entry.value, range)
    }
  }

  /** Sessions of a key that end at the first time or later and start at the second or earlier. */
  find(key: K, endFromMs: number, startToMs: number): Session<K, V>[] {
    this.#mirror.load()
    const fromMs = Math.max(endFromMs, this.#expiredMs() + 1)
    const sessions = this.#sessions.get(keyIdentity(key, this.#keySerde)) ?? []
    const found = sessions
      .filter(isThere)
      .filter(({ startMs, endMs }) => endMs >= fromMs && startMs <= startToMs)
    // As in Java, what a search goes through in the cache is found there.
    this.#cache.hits += found.length
    return found
  }

  /** All sessions that end from the first time to the second, by end, start and the key's bytes. */
  findByEnd(endFromMs: number, endToMs: number): Session<K, V>[] {
    this.#mirror.load()
    const fromMs = Math.max(endFromMs, this.#liveMs())
    const found: { session: Session<K, V>; bytes: Buffer }[] = []
    for (const sessions of this.#sessions.values())
      for (const session of sessions)
        if (isThere(session) && session.endMs >= fromMs && session.endMs <= endToMs)
          found.push({ session, bytes: this.#keySerde.serialize(session.key) })
    found.sort(
      (a, b) =>
        a.session.endMs - b.session.endMs ||
        a.session.startMs - b.session.startMs ||
        Buffer.compare(a.bytes, b.bytes),
    )
    return found.map(({ session }) => session)
  }

  /** The earliest end of a session that ends at `endFromMs` or later. */
  firstEndMs(endFromMs: number): number | undefined {
    this.#mirror.load()
    let first: number | undefined
    for (const sessions of this.#sessions.values())
      for (const { endMs, value } of sessions)
        if (value !== null && endMs >= endFromMs && (first === undefined || endMs < first))
          first = endMs
    return first
  }

  /** @param changedMs the time of the record under work, which the changelog's record gets */
  put(
    key: K,
    startMs: number,
    endMs: number,
    value: V | null,
    changedMs: number = this.#record.timestampMs,
  ): void {
    this.#mirror.load()
    if (endMs > this.#observedMs) this.#observe(endMs)
    const id = keyIdentity(key, this.#keySerde)
    let entry = this.#find(id, startMs, endMs)
    if (!entry) {
      entry = new SessionEntry<K, V>(key, startMs, endMs)
      if (endMs >= this.#liveMs()) this.#insert(id, entry)
    }
    this.#cache.change(entry, value, changedMs)
  }

  remove(key: K, startMs: number, endMs: number, changedMs?: number): void {
    this.put(key, startMs, endMs, null, changedMs)
  }

  flush(): void {
    this.#cache.flush()
    this.#mirror.flush()
  }

  restore(changelogKey: Buffer, value: Buffer | null, timestampMs: number): void {
    if (!this.#mirror.restore(changelogKey, value, timestampMs)) this.#restore(changelogKey, value)
  }

  #restore(changelogKey: Buffer, value: Buffer | null): void {
    const split = splitSessionStoreKey(changelogKey)
    if (!split) return
    const { startMs, endMs } = split
    const key = this.#keySerde.deserialize(split.key)
    if (endMs > this.#observedMs) this.#observe(endMs)
    const id = keyIdentity(key, this.#keySerde)
    const known = this.#find(id, startMs, endMs)
    if (value === null) {
      if (known) this.#take(known)
    } else if (endMs >= this.#liveMs()) {
      const entry = known ?? new SessionEntry<K, V>(key, startMs, endMs)
      entry.value = this.#valueSerde.deserialize(value)
      if (!known) this.#insert(id, entry)
    } else this.#mirror.forget(() => Buffer.from(changelogKey))
  }

  close(): void {
    this.#sessions.clear()
    this.#order?.clear()
    this.#cache.close()
  }

  #forgetKey(id: KeyIdentity, key: K): void {
    this.#sessions.delete(id)
    this.#order?.remove(this.#orderOf(key))
  }

  #orderOf(key: K): string {
    return orderOf(this.#keySerde.serialize(key))
  }

  *#ordered(): Generator<readonly [order: string, key: { readonly value: K }]> {
    for (const [first] of this.#sessions.values())
      if (first) yield [this.#orderOf(first.key), { value: first.key }]
  }

  #write({ key, startMs, endMs, value, timestampMs }: SessionEntry<K, V>): number {
    const bytes = value === null ? null : this.#valueSerde.serialize(value)
    const changelogKey = sessionStoreKey(this.#keySerde.serialize(key), startMs, endMs)
    this.#changelog?.log(changelogKey, bytes, timestampMs, [])
    this.#mirror.put(changelogKey, endMs >= this.#liveMs() ? bytes : null, timestampMs)
    return changelogKey.byteLength + (bytes?.byteLength ?? 0)
  }

  #sizeOf({ key, value }: SessionEntry<K, V>): number {
    const valueBytes = value === null ? 0 : this.#valueSerde.serialize(value).byteLength
    return this.#keySerde.serialize(key).byteLength + 16 + valueBytes
  }

  #forgetOnDisk(sessions: readonly SessionEntry<K, V>[]): void {
    for (const { key, startMs, endMs } of sessions)
      if (endMs < this.#liveMs())
        this.#mirror.forget(() => sessionStoreKey(this.#keySerde.serialize(key), startMs, endMs))
  }

  #expiredMs(): number {
    return this.#observedMs - this.#retentionMs
  }

  /**
   * Java drops sessions by segments of time, and final results are given as long as a segment is
   * there: also those of sessions that stream time has leapt over.
   */
  #liveMs(): number {
    const segmentMs = Math.max(Math.floor(this.#retentionMs / 2), 60_000)
    return Math.floor(Math.max(0, this.#expiredMs()) / segmentMs) * segmentMs
  }

  #find(id: KeyIdentity, startMs: number, endMs: number): SessionEntry<K, V> | undefined {
    const sessions = this.#sessions.get(id)
    return sessions?.find((one) => one.startMs === startMs && one.endMs === endMs)
  }

  #insert(id: KeyIdentity, session: SessionEntry<K, V>): void {
    const sessions = this.#sessions.get(id)
    if (!sessions) {
      this.#sessions.set(id, [session])
      this.#order?.add(this.#orderOf(session.key), { value: session.key })
      return
    }
    let at = sessions.length
    while (at > 0 && isBefore(session, sessions[at - 1]!)) at--
    sessions.splice(at, 0, session)
  }

  #take(session: SessionEntry<K, V>): void {
    const id = keyIdentity(session.key, this.#keySerde)
    const sessions = this.#sessions.get(id) ?? []
    const at = sessions.indexOf(session)
    if (at < 0) return
    sessions.splice(at, 1)
    if (sessions.length === 0) this.#forgetKey(id, session.key)
  }

  /** Forgets what has expired, whenever time has moved on by the retention. */
  #observe(endMs: number): void {
    this.#observedMs = endMs
    if (endMs - this.#sweptMs < this.#retentionMs) return
    this.#sweptMs = endMs
    for (const [id, sessions] of this.#sessions) {
      const live = sessions.filter((one) => one.endMs >= this.#liveMs())
      if (live.length < sessions.length) this.#forgetOnDisk(sessions)
      if (live.length === 0) this.#forgetKey(id, sessions[0]!.key)
      else if (live.length < sessions.length) this.#sessions.set(id, live)
    }
  }
}

export const windowedOf = <K>({
  key,
  startMs,
  endMs,
}: Pick<Session<K, unknown>, 'key' | 'startMs' | 'endMs'>): Windowed<K> =>
  new Windowed(key, { startMs, endMs })

const isThere = <K, V>(one: SessionEntry<K, V>): one is SessionEntry<K, V> & Session<K, V> =>
  one.value !== null

const isBefore = <K, V>(a: SessionEntry<K, V>, b: SessionEntry<K, V>): boolean =>
  a.endMs < b.endMs || (a.endMs === b.endMs && a.startMs < b.startMs)
