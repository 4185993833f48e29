import { Reader, Writer } from '@khlong/core/bytes'
import { StreamsError } from '../errors.ts'
import type { Serde } from '../serdes/serde.ts'
import { readInt64, writeInt64 } from '../serdes/windowed.ts'
import type { ChangelogWriter, StateStore, StoreEnvironment, StoreSpec } from './state-store.ts'
import { StoreMirror } from './store-mirror.ts'

// The changelog of the store that a left or outer join of two streams keeps records in that found no
// partner yet:
//
//   key    time int64 | side byte (1: left) | the key's bytes
//   value  1 (each has its length) | count int32, then each: length int32, bytes
//          each: side byte (1: left) | the value's bytes

export interface OuterJoinStoreOptions<K> {
  readonly name: string
  readonly keySerde?: Serde<K> | undefined
  readonly leftSerde?: Serde<unknown> | undefined
  readonly rightSerde?: Serde<unknown> | undefined
  /** Kept on disk beside the changelog. Default true, as in Java. */
  readonly persistent?: boolean | undefined
  readonly logging?: Readonly<Record<string, string>> | false | undefined
}

/** The store that the two sides of a left or outer join share. */
export function outerJoinStore<K>(options: OuterJoinStoreOptions<K>): StoreSpec {
  return {
    name: options.name,
    kind: 'key-value',
    persistent: options.persistent ?? true,
    logging: options.logging ?? {},
    create: (environment) => new OuterJoinStore(options, environment),
  }
}

/** Records of one key, time and side that wait for a partner. */
export interface Unjoined<K> {
  readonly key: K
  readonly timestampMs: number
  readonly isLeft: boolean
  readonly values: unknown[]
}

interface Slot<K> extends Unjoined<K> {
  readonly bytes: Buffer
  isGone: boolean
}

interface Dirty<K> {
  readonly slot: Slot<K>
  changedMs: number
}

/**
 * Invariant: `#order` holds every slot, in the order of the bytes of their keys; those that are gone
 * are swept out when they are the greater part.
 */
export class OuterJoinStore<K> implements StateStore {
  readonly name: string
  readonly #keySerde: Serde<K>
  readonly #leftSerde: Serde<unknown>
  readonly #rightSerde: Serde<unknown>
  readonly #changelog: ChangelogWriter | undefined
  readonly #slots = new Map<string, Slot<K>>()
  readonly #mirror: StoreMirror
  #order: Slot<K>[] = []
  #dirty = new Map<string, Dirty<K>>()

  constructor(options: OuterJoinStoreOptions<K>, environment: StoreEnvironment) {
    this.name = options.name
    this.#keySerde = environment.keySerde(options.keySerde)
    this.#leftSerde = environment.valueSerde(options.leftSerde)
    this.#rightSerde = environment.valueSerde(options.rightSerde)
    this.#changelog = options.logging === false ? undefined : environment.changelog
    this.#mirror = new StoreMirror(environment.backing, (bytes, value) =>
      this.#restore(bytes, value),
    )
  }

  get hasChanged(): boolean {
    return this.#dirty.size > 0
  }
  get changeCount(): number {
    return this.#dirty.size
  }

  add(key: K, timestampMs: number, isLeft: boolean, value: unknown): void {
    this.#mirror.load()
    const slot = this.#slot(key, this.#bytes(key, timestampMs, isLeft))
    slot.values.push(value)
    this.#change(slot, timestampMs)
  }

  /**
   * Forgets the records of a key, time and side: they have found their partner.
   *
   * @param changedMs the time of the record under work, which the changelog's record gets
   */
  remove(key: K, timestampMs: number, isLeft: boolean, changedMs: number): void {
    this.#mirror.load()
    const slot = this.#slots.get(this.#bytes(key, timestampMs, isLeft).toString('latin1'))
    if (slot) this.#remove(slot, changedMs)
  }

  removeUnjoined(unjoined: Unjoined<K>, changedMs: number): void {
    this.#remove(unjoined as Slot<K>, changedMs)
  }

  /** What waits, by time, the right side before the left, then by the key's bytes. */
  *all(): Generator<Unjoined<K>> {
    this.#mirror.load()
    for (const slot of [...this.#order]) if (!slot.isGone) yield slot
  }

  flush(): void {
    const dirty = this.#dirty
    this.#dirty = new Map()
    for (const [id, { slot, changedMs }] of dirty) {
      const current = this.#slots.get(id)
      const value = current ? this.#encode(current) : null
      this.#changelog?.log(slot.bytes, value, changedMs, [])
      this.#mirror.put(slot.bytes, value, changedMs)
    }
  }

  restore(bytes: Buffer, value: Buffer | null, timestampMs: number): void {
    if (!this.#mirror.restore(bytes, value, timestampMs)) this.#restore(bytes, value)
  }

  #restore(bytes: Buffer, value: Buffer | null): void {
    const id = bytes.toString('latin1')
    const known = this.#slots.get(id)
    if (known) this.#forget(known, id)
    if (value === null) return
    const slot = this.#slot(this.#keySerde.deserialize(bytes.subarray(9)), Buffer.from(bytes))
    slot.values.push(...this.#decode(value))
  }

  close(): void {
    this.#slots.clear()
    this.#order = []
    this.#dirty.clear()
  }

  #bytes(key: K, timestampMs: number, isLeft: boolean): Buffer {
    const keyBytes = this.#keySerde.serialize(key)
    const bytes = Buffer.allocUnsafe(9 + keyBytes.byteLength)
    writeInt64(bytes, timestampMs, 0)
    bytes[8] = isLeft ? 1 : 0
    keyBytes.copy(bytes, 9)
    return bytes
  }

  #slot(key: K, bytes: Buffer): Slot<K> {
    const id = bytes.toString('latin1')
    const known = this.#slots.get(id)
    if (known) return known
    const timestampMs = readInt64(bytes, 0)
    const slot = { key, timestampMs, isLeft: bytes[8] === 1, values: [], bytes, isGone: false }
    this.#slots.set(id, slot)
    let at = this.#order.length
    while (at > 0 && Buffer.compare(this.#order[at - 1]!.bytes, bytes) > 0) at--
    this.#order.splice(at, 0, slot)
    return slot
  }

  #remove(slot: Slot<K>, changedMs: number): void {
    if (slot.isGone) return
    this.#forget(slot, slot.bytes.toString('latin1'))
    this.#change(slot, changedMs)
  }

  #forget(slot: Slot<K>, id: string): void {
    slot.isGone = true
    this.#slots.delete(id)
    if (this.#order.length > 16 && this.#slots.size * 2 < this.#order.length)
      this.#order = this.#order.filter(({ isGone }) => !isGone)
  }

  #change(slot: Slot<K>, changedMs: number): void {
    const id = slot.bytes.toString('latin1')
    const dirty = this.#dirty.get(id)
    if (dirty) dirty.changedMs = changedMs
    else this.#dirty.set(id, { slot, changedMs })
  }

  #encode({ isLeft, values }: Slot<K>): Buffer {
    const serde = isLeft ? this.#leftSerde : this.#rightSerde
    const writer = new Writer(64).uint8(1).int32(values.length)
    for (const value of values) {
      const bytes = serde.serialize(value)
      writer
        .int32(bytes.byteLength + 1)
        .uint8(isLeft ? 1 : 0)
        .raw(bytes)
    }
    return writer.take()
  }

  #decode(bytes: Buffer): unknown[] {
    const reader = new Reader(bytes)
    const kind = reader.uint8()
    const values: unknown[] = []
    if (kind === 1)
      for (let left = reader.count(reader.int32(), 5); left > 0; left--) {
        const value = reader.slice(reader.int32())
        const serde = value[0] === 1 ? this.#leftSerde : this.#rightSerde
        values.push(serde.deserialize(value.subarray(1)))
      }
    try {
      reader.finish()
      if (kind !== 1) throw new RangeError(`list of kind ${kind}`)
    } catch (cause) {
      throw new StreamsError('STREAMS_CHANGELOG_INVALID', `changelog of store ${this.name}`, {
        cause,
      })
    }
    return values
  }
}
