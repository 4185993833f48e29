import { randomBytes } from 'node:crypto'
import { encodeDocument } from '../bson/encode.ts'
import { BsonType } from '../bson/types.ts'
import { elementsOf, getField, Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { Collection, type CollectionInfo, type CollectionSize } from './collection.ts'
import type { StorageEngine, Table } from './engine.ts'
import { Index, type IndexSpec } from './index.ts'

const ID_PATTERN = encodeDocument({ _id: 1 })
const NAMESPACE_BYTES_MAX = 255

/**
 * The collections and indexes of all databases. What it holds in memory is what its table says,
 * changes of the running transaction included; a database is there while it has a collection.
 *
 * Tables of dropped collections and indexes are emptied and used again, so that no handle closes
 * while something may read it. Keys of the catalog's table: `c:NAMESPACE` for collections,
 * `s:TABLE` for count and size, `tables` for the names in use.
 */
export class Catalog {
  readonly #engine: StorageEngine
  readonly #table: Table
  readonly #collections = new Map<string, Collection>()
  readonly #dirty = new Set<Collection>()
  #freeTables: string[] = []
  #builds: Promise<void> = Promise.resolve()
  #tableCount = 0
  /** Whether the running transaction changed collections or indexes. */
  #hasChanged = false
  #changesInFlight = 0

  constructor(engine: StorageEngine) {
    this.#engine = engine
    this.#table = engine.table('catalog')
    this.reload()
  }

  /** Reads everything from the table again. */
  reload(): void {
    for (const collection of this.#collections.values()) collection.isDropped = true
    this.#collections.clear()
    this.#dirty.clear()
    this.#hasChanged = false
    const tables = this.#table.get(Buffer.from('tables'))
    this.#tableCount = tables ? intField(tables, 'count') : 0
    this.#freeTables = tables
      ? elementsOf(getField(tables, 0, 'free')!).map((name) => name.text)
      : []
    for (const { value } of this.#table.getRange({
      start: Buffer.from('c:'),
      end: Buffer.from('c;'),
    }))
      this.#load(value)
    // Tables of indexes whose building was cut off belong to nobody.
    const used = new Set(this.#freeTables)
    for (const { info, indexes } of this.#collections.values()) {
      used.add(info.table)
      for (const { spec } of indexes) used.add(spec.table)
    }
    for (let number = 1; number <= this.#tableCount; number++)
      if (!used.has(`t${number}`)) this.#freeTables.push(`t${number}`)
  }

  /** Forgets everything: what still runs finds nothing, and reads that are under way end. */
  close(): void {
    for (const collection of this.#collections.values()) collection.isDropped = true
    this.#collections.clear()
  }

  get(namespace: string): Collection | undefined {
    return this.#collections.get(namespace)
  }
  get size(): number {
    return this.#collections.size
  }
  all(): IterableIterator<Collection> {
    return this.#collections.values()
  }
  /** The collections of one database, by name. */
  of(database: string): Collection[] {
    const prefix = `${database}.`
    return [...this.#collections.values()]
      .filter(({ namespace }) => namespace.startsWith(prefix))
      .sort((a, b) => (a.namespace < b.namespace ? -1 : 1))
  }
  databases(): string[] {
    const names = new Set<string>()
    for (const namespace of this.#collections.keys())
      names.add(namespace.slice(0, namespace.indexOf('.')))
    return [...names].sort()
  }

  /** Makes a collection; inside a transaction only. @throws MongoError NamespaceExists, InvalidNamespace */
  create(namespace: string, options: Buffer = encodeDocument({})): Collection {
    checkNamespace(namespace)
    if (this.#collections.has(namespace))
      throw codeError('NamespaceExists', `Collection ${namespace} already exists.`)
    const info: CollectionInfo = {
      namespace,
      uuid: randomBytes(16),
      table: this.#takeTable(),
      options,
    }
    const id: IndexSpec = {
      name: '_id_',
      keyPattern: ID_PATTERN,
      isUnique: true,
      isSparse: false,
      partialFilter: undefined,
      expireAfterSeconds: undefined,
      table: this.#takeTable(),
      isMultikey: false,
      hasLongKeys: false,
    }
    const collection = this.#open(info, [id], { count: 0, dataBytes: 0 })
    this.#save(collection)
    this.markDirty(collection)
    return collection
  }

  /** The collection of this name, made where it is missing; inside a transaction only. */
  obtain(namespace: string): Collection {
    return this.#collections.get(namespace) ?? this.create(namespace)
  }

  drop(collection: Collection): void {
    for (const index of collection.building) this.abortIndex(collection, index)
    for (const { spec, table } of collection.indexes) this.#giveTable(spec.table, table)
    this.#giveTable(collection.info.table, collection.records)
    this.#table.removeSync(catalogKey(collection.namespace))
    this.#table.removeSync(sizeKey(collection))
    this.#collections.delete(collection.namespace)
    this.#dirty.delete(collection)
    collection.isDropped = true
  }

  /** Gives a collection another name; cursors on the old one end. */
  rename(collection: Collection, namespace: string): void {
    checkNamespace(namespace)
    for (const index of collection.building) this.abortIndex(collection, index)
    this.#table.removeSync(catalogKey(collection.namespace))
    this.#collections.delete(collection.namespace)
    this.#dirty.delete(collection)
    collection.isDropped = true
    const renamed = this.#open(
      { ...collection.info, namespace },
      collection.indexes.map(({ spec }) => spec),
      collection,
    )
    this.#save(renamed)
    this.markDirty(renamed)
  }

  /** Begins an index that writes keep up from now on; `finishIndex` or `abortIndex` ends it. */
  beginIndex(
    collection: Collection,
    spec: Omit<IndexSpec, 'table' | 'isMultikey' | 'hasLongKeys'>,
  ): Index {
    const table = this.#takeTable()
    const index = new Index(
      { ...spec, table, isMultikey: false, hasLongKeys: false },
      this.#engine.table(table),
    )
    collection.building = [...collection.building, index]
    return index
  }
  finishIndex(collection: Collection, index: Index): void {
    collection.building = collection.building.filter((other) => other !== index)
    collection.indexes = [...collection.indexes, index]
    this.#save(collection)
  }
  abortIndex(collection: Collection, index: Index): void {
    if (collection.isDropped || !collection.building.includes(index)) return
    collection.building = collection.building.filter((other) => other !== index)
    this.#giveTable(index.spec.table, index.table)
  }

  /** Runs `build` when those before it have ended: one index is built at a time. */
  async inTurn<T>(build: () => Promise<T>): Promise<T> {
    const turn = this.#builds.then(build)
    this.#builds = turn.then(
      () => {},
      () => {},
    )
    return turn
  }

  dropIndex(collection: Collection, index: Index): void {
    collection.indexes = collection.indexes.filter((other) => other !== index)
    index.isDropped = true
    this.#giveTable(index.spec.table, index.table)
    this.#save(collection)
  }

  /** Changes what an index or the collection was made with. */
  change(collection: Collection, index: Index, spec: Partial<IndexSpec>): void {
    collection.indexes = collection.indexes.map((other) =>
      other === index ? new Index({ ...index.spec, ...spec }, index.table) : other,
    )
    this.#save(collection)
  }

  markDirty(collection: Collection): void {
    collection.isDirty = true
    this.#dirty.add(collection)
  }

  /** Whether collections or indexes change in a transaction that is not stored yet. */
  get isChanging(): boolean {
    return this.#changesInFlight > 0
  }

  /**
   * Stores count and size of what changed, at the end of each transaction. What it returns is to be
   * called when the transaction is stored: only then do others see the figures.
   */
  saveSizes(): () => void {
    const sizes: [Collection, CollectionSize][] = []
    for (const collection of this.#dirty) {
      if (!collection.isDirty) continue
      const { count, dataBytes } = collection
      const size = Buffer.allocUnsafe(16)
      size.writeDoubleBE(count, 0)
      size.writeDoubleBE(dataBytes, 8)
      this.#table.putSync(sizeKey(collection), size)
      collection.isDirty = false
      sizes.push([collection, { count, dataBytes }])
    }
    this.#dirty.clear()
    const changes = this.#hasChanged ? 1 : 0
    this.#hasChanged = false
    this.#changesInFlight += changes
    return () => {
      this.#changesInFlight -= changes
      for (const [collection, size] of sizes) collection.stored = size
    }
  }

  #load(entry: Buffer): void {
    const namespace = getField(entry, 0, 'ns')!.text
    const info: CollectionInfo = {
      namespace,
      uuid: Buffer.from(getField(entry, 0, 'uuid')!.raw.subarray(5)),
      table: getField(entry, 0, 'table')!.text,
      options: Buffer.from(getField(entry, 0, 'options')!.document),
    }
    const specs = elementsOf(getField(entry, 0, 'indexes')!).map(({ document }) => {
      const seconds = getField(document, 0, 'expireAfterSeconds')
      const partial = getField(document, 0, 'partialFilter')
      return {
        name: getField(document, 0, 'name')!.text,
        keyPattern: Buffer.from(getField(document, 0, 'key')!.document),
        isUnique: getField(document, 0, 'unique')!.bool,
        isSparse: getField(document, 0, 'sparse')!.bool,
        partialFilter: partial && Buffer.from(partial.document),
        expireAfterSeconds: seconds?.bytes.readDoubleLE(seconds.at),
        table: getField(document, 0, 'table')!.text,
        isMultikey: getField(document, 0, 'multikey')!.bool,
        hasLongKeys: getField(document, 0, 'longKeys')!.bool,
      }
    })
    const size = this.#table.get(Buffer.from(`s:${info.table}`))
    this.#open(info, specs, {
      count: size?.readDoubleBE(0) ?? 0,
      dataBytes: size?.readDoubleBE(8) ?? 0,
    })
  }

  #open(info: CollectionInfo, specs: readonly IndexSpec[], size: CollectionSize): Collection {
    const collection = new Collection(
      info,
      this.#engine.table(info.table),
      specs.map((spec) => new Index(spec, this.#engine.table(spec.table))),
      size,
      (changed) => this.#save(changed),
    )
    this.#collections.set(info.namespace, collection)
    return collection
  }

  #save(collection: Collection): void {
    this.#hasChanged = true
    const { info } = collection
    const uuid = Buffer.alloc(21)
    uuid.writeInt32LE(16, 0)
    uuid[4] = 4
    info.uuid.copy(uuid, 5)
    const entry = encodeDocument({
      ns: info.namespace,
      uuid: new Value(BsonType.binData, uuid, 0),
      table: info.table,
      options: info.options,
      indexes: collection.indexes.map(({ spec }) => ({
        name: spec.name,
        key: spec.keyPattern,
        unique: spec.isUnique,
        sparse: spec.isSparse,
        partialFilter: spec.partialFilter,
        expireAfterSeconds:
          spec.expireAfterSeconds === undefined ? undefined : doubleOf(spec.expireAfterSeconds),
        table: spec.table,
        multikey: spec.isMultikey,
        longKeys: spec.hasLongKeys,
      })),
    })
    this.#table.putSync(catalogKey(info.namespace), entry)
  }

  #takeTable(): string {
    const free = this.#freeTables.pop()
    // What a building that was cut off left is in the way.
    if (free) this.#engine.table(free).clearSync()
    const name = free ?? `t${++this.#tableCount}`
    this.#saveTables()
    return name
  }
  #giveTable(name: string, table: Table): void {
    table.clearSync()
    this.#freeTables.push(name)
    this.#saveTables()
  }
  #saveTables(): void {
    this.#hasChanged = true
    this.#table.putSync(
      Buffer.from('tables'),
      encodeDocument({ count: this.#tableCount, free: this.#freeTables }),
    )
  }
}

const catalogKey = (namespace: string): Buffer => Buffer.from(`c:${namespace}`)
const sizeKey = (collection: Collection): Buffer => Buffer.from(`s:${collection.info.table}`)

function intField(doc: Buffer, name: string): number {
  const value = getField(doc, 0, name)!
  return value.bytes.readInt32LE(value.at)
}

function doubleOf(value: number): Value {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeDoubleLE(value, 0)
  return new Value(BsonType.double, bytes, 0)
}

/** @throws MongoError InvalidNamespace */
export function checkNamespace(namespace: string): void {
  const dot = namespace.indexOf('.')
  const database = namespace.slice(0, dot)
  const name = namespace.slice(dot + 1)
  const isValid =
    dot > 0 &&
    !/[\\/"$*<>:|?. \0]/.test(database) &&
    Buffer.byteLength(database) < 64 &&
    name !== '' &&
    !name.startsWith('.') &&
    !name.endsWith('.') &&
    !name.includes('$') &&
    !name.includes('\0') &&
    Buffer.byteLength(namespace) <= NAMESPACE_BYTES_MAX
  if (!isValid) throw codeError('InvalidNamespace', `Invalid namespace specified '${namespace}'`)
  if (name.startsWith('system.'))
    throw codeError(
      'InvalidNamespace',
      `${namespace} is reserved: system collections are not supported`,
    )
}
