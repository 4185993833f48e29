import { ElementCursor } from '../bson/element.ts'
import { BsonType } from '../bson/types.ts'
import { Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { compileFilter, type Matcher } from '../query/filter.ts'
import { valueAtPath } from '../query/path.ts'
import { shellText } from '../query/shell-text.ts'
import type { Table } from './engine.ts'
import { type IndexField, type IndexKeys, indexKeys } from './index-keys.ts'

/** The size of a record id. */
export const RECORD_ID_BYTES = 8

/** What defines an index; the catalog keeps it. */
export interface IndexSpec {
  readonly name: string
  /** The key pattern: a BSON document, owned. */
  readonly keyPattern: Buffer
  readonly isUnique: boolean
  readonly isSparse: boolean
  readonly partialFilter: Buffer | undefined
  readonly expireAfterSeconds: number | undefined
  /** The name of its table. */
  readonly table: string
  isMultikey: boolean
  hasLongKeys: boolean
}

/** One index of a collection. Entries are key → record id where unique, else key and record id → nothing. */
export class Index {
  readonly spec: IndexSpec
  readonly table: Table
  readonly fields: readonly IndexField[]
  readonly #partial: Matcher | undefined
  /** How often queries used it since the start, for `$indexStats`. */
  uses = 0
  /** Whether it was dropped: its table may hold something else by now. */
  isDropped = false

  constructor(spec: IndexSpec, table: Table) {
    this.spec = spec
    this.table = table
    this.fields = parseKeyPattern(spec.keyPattern)
    this.#partial =
      spec.partialFilter && compileFilter(new Value(BsonType.object, spec.partialFilter, 0))
  }
  get isId(): boolean {
    return this.spec.name === '_id_'
  }

  /** The keys of a document, or undefined where a sparse or partial index leaves it out. */
  keysOf(doc: Buffer): IndexKeys | undefined {
    if (this.#partial && !this.#partial(doc)) return undefined
    const keys = indexKeys(this.fields, doc)
    return keys.isAbsent && this.spec.isSparse ? undefined : keys
  }

  /** @throws MongoError DuplicateKey where another record has one of the keys. */
  checkUnique(namespace: string, keys: IndexKeys, doc: Buffer, own: Buffer | undefined): void {
    if (!this.spec.isUnique) return
    for (const key of keys.keys) {
      const holder = this.table.getBinaryFast(key)
      if (holder && !(own && isSameId(holder, own))) throw this.#duplicate(namespace, doc)
    }
  }

  /** Adds entries; true where the index became multikey or got its first long key. */
  insert(keys: IndexKeys, recordId: Buffer): boolean {
    for (const key of keys.keys) {
      if (this.spec.isUnique) this.table.putSync(key, recordId)
      else this.table.putSync(Buffer.concat([key, recordId]), NOTHING)
    }
    const { spec } = this
    const isNews = (keys.isMultikey && !spec.isMultikey) || (keys.hasLongKeys && !spec.hasLongKeys)
    if (keys.isMultikey) spec.isMultikey = true
    if (keys.hasLongKeys) spec.hasLongKeys = true
    return isNews
  }

  remove(keys: IndexKeys, recordId: Buffer): void {
    for (const key of keys.keys)
      this.table.removeSync(this.spec.isUnique ? key : Buffer.concat([key, recordId]))
  }

  #duplicate(namespace: string, doc: Buffer): Error {
    const root = new Value(BsonType.object, doc, 0)
    const keyValue: Record<string, Value> = {}
    for (const { path } of this.fields) {
      const value = valueAtPath(root, path)
      keyValue[path] = value.isMissing ? new Value(BsonType.null, Buffer.alloc(1), 0) : value
    }
    const text = Object.entries(keyValue)
      .map(([name, value]) => `${name}: ${shellText(value)}`)
      .join(', ')
    return codeError(
      'DuplicateKey',
      `E11000 duplicate key error collection: ${namespace} index: ${this.spec.name} dup key: { ${text} }`,
      { keyPattern: this.spec.keyPattern, keyValue },
    )
  }
}

const NOTHING = Buffer.from([1])

function isSameId(held: Buffer, own: Buffer): boolean {
  for (let index = 0; index < RECORD_ID_BYTES; index++) if (held[index] !== own[index]) return false
  return true
}

/** Reads a key pattern such as `{a: 1, 'b.c': -1}`; what it may hold was checked before. */
function parseKeyPattern(keyPattern: Buffer): IndexField[] {
  const fields: IndexField[] = []
  const cursor = new ElementCursor(keyPattern, 0)
  while (cursor.next()) {
    const path = cursor.name
    const direction = new Value(cursor.type, keyPattern, cursor.at)
    fields.push({
      path,
      parts: path.split('.').map((part) => Buffer.from(part)),
      isDescending: isNegative(direction),
    })
  }
  return fields
}

function isNegative(value: Value): boolean {
  if (value.type === BsonType.double) return value.bytes.readDoubleLE(value.at) < 0
  // The sign of the other numbers is the highest bit of their last byte.
  return (value.bytes[value.at + value.size - 1]! & 0x80) !== 0
}
