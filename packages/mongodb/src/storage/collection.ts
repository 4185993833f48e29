import { findField } from '../bson/element.ts'
import { KeyWriter } from '../bson/key.ts'
import { Value } from '../bson/value.ts'
import type { Table } from './engine.ts'
import { type Index, RECORD_ID_BYTES } from './index.ts'
import type { IndexKeys } from './index-keys.ts'

const ID = Buffer.from('_id')
const APPEND = { append: true }
const idWriter = new KeyWriter()

/** The key of a record: its id, big-endian. */
function recordKey(recordId: number): Buffer {
  const key = Buffer.allocUnsafe(RECORD_ID_BYTES)
  key.writeUInt32BE(Math.floor(recordId / 0x1_0000_0000), 0)
  key.writeUInt32BE(recordId >>> 0, 4)
  return key
}

/** What a collection was created with; the catalog keeps it. */
export interface CollectionInfo {
  readonly namespace: string
  /** 16 bytes, as in `listCollections`. */
  readonly uuid: Buffer
  /** The name of its table. */
  readonly table: string
  /** The options of `create`, a BSON document. */
  options: Buffer
}

/** How far the building of an index has come. */
export interface BuildProgress {
  readonly last: Buffer | undefined
  readonly isDone: boolean
}

/** How many documents there are, and their bytes. */
export interface CollectionSize {
  readonly count: number
  readonly dataBytes: number
}

/**
 * The documents of one collection, by record id in order of insertion, and its indexes.
 *
 * Invariants: the first index is that on `_id`; every document has entries in every index that does
 * not leave it out; `count` and `dataBytes` are those of the documents stored. Its methods that
 * change something run inside a write transaction only; a change that throws has written nothing.
 */
export class Collection {
  readonly info: CollectionInfo
  readonly records: Table
  #indexes: readonly Index[]
  #building: readonly Index[] = []
  /** What writes keep up: the indexes that queries use and those that are being built. */
  #maintained: readonly Index[]
  /** With what the running transaction changed; `stored` is what others may see. */
  count: number
  dataBytes: number
  stored: CollectionSize
  /** Whether count and size changed since they were stored. */
  isDirty = false
  /** Whether it was dropped; cursors on it end. */
  isDropped = false
  /** Documents written and read since the start. */
  readonly traffic: { written: number; read: number } = { written: 0, read: 0 }
  readonly #onIndexNews: (collection: Collection) => void
  #nextRecordId: number

  constructor(
    info: CollectionInfo,
    records: Table,
    indexes: readonly Index[],
    size: CollectionSize,
    onIndexNews: (collection: Collection) => void,
  ) {
    this.info = info
    this.records = records
    this.#indexes = indexes
    this.#maintained = indexes
    this.count = size.count
    this.dataBytes = size.dataBytes
    this.stored = { count: size.count, dataBytes: size.dataBytes }
    this.#onIndexNews = onIndexNews
    this.#nextRecordId = 1
    for (const key of records.getKeys({ reverse: true, limit: 1 }))
      this.#nextRecordId = key.readUInt32BE(0) * 0x1_0000_0000 + key.readUInt32BE(4) + 1
  }

  get namespace(): string {
    return this.info.namespace
  }
  /** The indexes that are complete, that on `_id` first. */
  get indexes(): readonly Index[] {
    return this.#indexes
  }
  set indexes(indexes: readonly Index[]) {
    this.#indexes = indexes
    this.#maintained = [...indexes, ...this.#building]
  }
  /** Indexes that are being built: writes keep them up, queries do not use them. */
  get building(): readonly Index[] {
    return this.#building
  }
  set building(indexes: readonly Index[]) {
    this.#building = indexes
    this.#maintained = [...this.#indexes, ...indexes]
  }
  get idIndex(): Index {
    return this.#indexes[0]!
  }

  /** The record whose `_id` equals `id`, or undefined. */
  findById(id: Value): Buffer | undefined {
    return this.idIndex.table.getBinary(idWriter.reset().value(id.bytes, id.type, id.at).take())
  }

  /** The document of a record, owned by the caller; undefined where it is gone. */
  document(recordId: Buffer): Buffer | undefined {
    return this.records.getBinary(recordId)
  }

  /**
   * Stores a document that begins with `_id`. `doc` is borrowed.
   *
   * @throws MongoError DuplicateKey, CannotIndexParallelArrays; nothing was written then.
   */
  insert(doc: Buffer): void {
    const entries = this.#entriesOf(doc, undefined)
    const recordId = recordKey(this.#nextRecordId)
    this.records.putSync(recordId, doc, APPEND)
    this.#nextRecordId++
    for (let index = 0; index < entries.length; index++) {
      const keys = entries[index]
      if (keys && this.#maintained[index]!.insert(keys, recordId)) this.#onIndexNews(this)
    }
    this.count++
    this.dataBytes += doc.length
    this.traffic.written++
    this.isDirty = true
  }

  /**
   * Puts `after` in the place of `before`; only index entries that differ are touched.
   *
   * @throws MongoError DuplicateKey, CannotIndexParallelArrays; nothing was written then.
   */
  replace(recordId: Buffer, before: Buffer, after: Buffer): void {
    const old: (IndexKeys | undefined)[] = []
    const fresh: (IndexKeys | undefined)[] = []
    // The `_id` of a document never changes: its index is left out.
    for (let index = 1; index < this.#maintained.length; index++) {
      old[index] = this.#maintained[index]!.keysOf(before)
      fresh[index] = this.#maintained[index]!.keysOf(after)
      const keys = fresh[index]
      if (keys) this.#maintained[index]!.checkUnique(this.namespace, keys, after, recordId)
    }
    this.records.putSync(recordId, after)
    for (let index = 1; index < this.#maintained.length; index++) {
      const gone = old[index]
      const come = fresh[index]
      if (gone && come && isSameKeys(gone, come)) continue
      if (gone) this.#maintained[index]!.remove(gone, recordId)
      if (come && this.#maintained[index]!.insert(come, recordId)) this.#onIndexNews(this)
    }
    this.dataBytes += after.length - before.length
    this.traffic.written++
    this.isDirty = true
  }

  remove(recordId: Buffer, doc: Buffer): void {
    for (const index of this.#maintained) {
      const keys = index.keysOf(doc)
      if (keys) index.remove(keys, recordId)
    }
    this.records.removeSync(recordId)
    this.count--
    this.dataBytes -= doc.length
    this.isDirty = true
  }

  /**
   * Adds the next `count` documents behind the record `after` to an index that is being built, and
   * returns where it stopped: the last record, and whether there are none behind it.
   *
   * @throws MongoError DuplicateKey, CannotIndexParallelArrays; entries written are for the caller to clear.
   */
  fill(index: Index, after: Buffer | undefined, count: number): BuildProgress {
    let last = after
    let taken = 0
    const range = after ? { start: after, exclusiveStart: true } : {}
    for (const { key, value } of this.records.getRange({ ...range, limit: count })) {
      last = key
      taken++
      const keys = index.keysOf(value)
      if (!keys) continue
      index.checkUnique(this.namespace, keys, value, key)
      index.insert(keys, key)
    }
    return { last, isDone: taken < count }
  }

  #entriesOf(doc: Buffer, own: Buffer | undefined): (IndexKeys | undefined)[] {
    const entries: (IndexKeys | undefined)[] = []
    for (const index of this.#maintained) {
      const keys = index.isId ? idKeys(doc) : index.keysOf(doc)
      if (keys) index.checkUnique(this.namespace, keys, doc, own)
      entries.push(keys)
    }
    return entries
  }
}

function idKeys(doc: Buffer): IndexKeys {
  const element = findField(doc, 0, ID)
  const key = idWriter
    .reset()
    .value(doc, doc[element]!, element + 5)
    .take()
  return { keys: [key], isMultikey: false, hasLongKeys: false, isAbsent: false }
}

function isSameKeys(a: IndexKeys, b: IndexKeys): boolean {
  if (a.keys.length !== b.keys.length) return false
  for (let index = 0; index < a.keys.length; index++)
    if (!a.keys[index]!.equals(b.keys[index]!)) return false
  return true
}

/** The `_id` of a stored document. */
export function idOf(doc: Buffer): Value {
  const element = findField(doc, 0, ID)
  return new Value(doc[element]!, doc, element + 5)
}
