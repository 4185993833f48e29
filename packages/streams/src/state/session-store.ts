import type { Serde } from '../serdes/serde.ts'
import { sessionStoreKey, splitSessionStoreKey } from '../serdes/windowed.ts'
import { Windowed } from '../windows.ts'
import {
  type ChangelogWriter,
  type KeyIdentity,
  keyIdentity,
  type StateStore,
  type StoreEnvironment,
  type StoreSerdes,
  type StoreSpec,
} from './state-store.ts'
import { StoreMirror } from './store-mirror.ts'

/** What may be asked of a session store from outside its task. */
export interface ReadOnlySessionStore<K, V> {
  fetchSession(key: K, startMs: number, endMs: number): V | undefined
  /** The sessions of a key, by their ends, then by their starts. */
  fetch(key: K): Iterable<readonly [key: Windowed<K>, value: V]>
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

interface Changed<K, V> {
  readonly session: Session<K, V>
  value: V | null
  changedMs: number
}

/**
 * Invariant: the sessions of a key are in the order of their ends, then of their starts. Which of
 * them may be joined to one is for the aggregation to say; here they may overlap.
 */
export class SessionStore<K, V> implements StateStore, ReadOnlySessionStore<K, V> {
  readonly name: string
  readonly #keySerde: Serde<K>
  readonly #valueSerde: Serde<V>
  readonly #retentionMs: number
  readonly #logging: boolean
  readonly #sessions = new Map<KeyIdentity, Session<K, V>[]>()
  readonly #mirror: StoreMirror
  #changed = new Map<string, Changed<K, V>>()
  #observedMs = -1
  #sweptMs = -1

  constructor(options: SessionStoreOptions<K, V>, environment: StoreEnvironment) {
    this.name = options.name
    this.#keySerde = environment.keySerde(options.keySerde)
    this.#valueSerde = environment.valueSerde(options.valueSerde)
    this.#retentionMs = options.retentionMs
    this.#logging = options.logging !== false
    this.#mirror = new StoreMirror(environment.backing, (bytes, value) =>
      this.#restore(bytes, value),
    )
  }

  get serdes(): StoreSerdes<K, V> {
    return { key: this.#keySerde, value: this.#valueSerde }
  }

  get dirtyCount(): number {
    return this.#changed.size
  }

  fetchSession(key: K, startMs: number, endMs: number): V | undefined {
    this.#mirror.load()
    const sessions = this.#sessions.get(keyIdentity(key, this.#keySerde)) ?? []
    return sessions.find((one) => one.startMs === startMs && one.endMs === endMs)?.value
  }

  *fetch(key: K): Generator<readonly [key: Windowed<K>, value: V]> {
    for (const session of this.find(key, 0, Number.MAX_SAFE_INTEGER))
      yield [windowedOf(session), session.value]
  }

  /** Sessions of a key that end at the first time or later and start at the second or earlier. */
  find(key: K, endFromMs: number, startToMs: number): Session<K, V>[] {
    this.#mirror.load()
    const fromMs = Math.max(endFromMs, this.#expiredMs() + 1)
    const sessions = this.#sessions.get(keyIdentity(key, this.#keySerde)) ?? []
    return sessions.filter(({ startMs, endMs }) => endMs >= fromMs && startMs <= startToMs)
  }

  /** All sessions that end from the first time to the second, by end, start and the key's bytes. */
  findByEnd(endFromMs: number, endToMs: number): Session<K, V>[] {
    this.#mirror.load()
    const fromMs = Math.max(endFromMs, this.#liveMs())
    const found: { session: Session<K, V>; bytes: Buffer }[] = []
    for (const sessions of this.#sessions.values())
      for (const session of sessions)
        if (session.endMs >= fromMs && session.endMs <= endToMs)
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
      for (const { endMs } of sessions)
        if (endMs >= endFromMs && (first === undefined || endMs < first)) first = endMs
    return first
  }

  /** @param changedMs the time of the record under work, which the changelog's record gets */
  put(key: K, startMs: number, endMs: number, value: V | null, changedMs: number): void {
    this.#mirror.load()
    if (endMs > this.#observedMs) this.#observe(endMs)
    if (value === null) {
      this.remove(key, startMs, endMs, changedMs)
      return
    }
    const session = { key, startMs, endMs, value }
    this.#change(session, value, changedMs)
    if (endMs >= this.#liveMs()) this.#insert(session)
  }

  remove(key: K, startMs: number, endMs: number, changedMs: number): void {
    this.#mirror.load()
    const session = this.#take(keyIdentity(key, this.#keySerde), startMs, endMs)
    this.#change(session ?? { key, startMs, endMs, value: null as V }, null, changedMs)
  }

  flush(writer: ChangelogWriter): void {
    const changed = this.#changed
    this.#changed = new Map()
    for (const { session, value, changedMs } of changed.values()) {
      const { key, startMs, endMs } = session
      const bytes = value === null ? null : this.#valueSerde.serialize(value)
      const changelogKey = sessionStoreKey(this.#keySerde.serialize(key), startMs, endMs)
      if (this.#logging) writer.log(changelogKey, bytes, changedMs, [])
      this.#mirror.put(changelogKey, endMs >= this.#liveMs() ? bytes : null, changedMs)
    }
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
    if (value === null) this.#take(keyIdentity(key, this.#keySerde), startMs, endMs)
    else if (endMs >= this.#liveMs())
      this.#insert({ key, startMs, endMs, value: this.#valueSerde.deserialize(value) })
    else this.#mirror.forget(() => Buffer.from(changelogKey))
  }

  close(): void {
    this.#sessions.clear()
    this.#changed.clear()
  }

  #forgetOnDisk(sessions: readonly Session<K, V>[]): void {
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

  #insert(session: Session<K, V>): void {
    const id = keyIdentity(session.key, this.#keySerde)
    const sessions = this.#sessions.get(id)
    if (!sessions) {
      this.#sessions.set(id, [session])
      return
    }
    let at = sessions.length
    while (at > 0 && isBefore(session, sessions[at - 1]!)) at--
    const before = sessions[at - 1]
    if (before && before.startMs === session.startMs && before.endMs === session.endMs)
      sessions[at - 1] = session
    else sessions.splice(at, 0, session)
  }

  #take(id: KeyIdentity, startMs: number, endMs: number): Session<K, V> | undefined {
    const sessions = this.#sessions.get(id) ?? []
    const at = sessions.findIndex((one) => one.startMs === startMs && one.endMs === endMs)
    if (at < 0) return undefined
    const [taken] = sessions.splice(at, 1)
    if (sessions.length === 0) this.#sessions.delete(id)
    return taken
  }

  #change(session: Session<K, V>, value: V | null, changedMs: number): void {
    const { key, startMs, endMs } = session
    const id = `${startMs}/${endMs}/${keyIdentity(key, this.#keySerde)}`
    const changed = this.#changed.get(id)
    if (!changed) this.#changed.set(id, { session, value, changedMs })
    else {
      changed.value = value
      changed.changedMs = changedMs
    }
  }

  /** Forgets what has expired, whenever time has moved on by the retention. */
  #observe(endMs: number): void {
    this.#observedMs = endMs
    if (endMs - this.#sweptMs < this.#retentionMs) return
    this.#sweptMs = endMs
    for (const [id, sessions] of this.#sessions) {
      const live = sessions.filter((one) => one.endMs >= this.#liveMs())
      if (live.length < sessions.length) this.#forgetOnDisk(sessions)
      if (live.length === 0) this.#sessions.delete(id)
      else if (live.length < sessions.length) this.#sessions.set(id, live)
    }
  }
}

export const windowedOf = <K, V>({ key, startMs, endMs }: Session<K, V>): Windowed<K> =>
  new Windowed(key, { startMs, endMs })

const isBefore = <K, V>(a: Session<K, V>, b: Session<K, V>): boolean =>
  a.endMs < b.endMs || (a.endMs === b.endMs && a.startMs < b.startMs)
