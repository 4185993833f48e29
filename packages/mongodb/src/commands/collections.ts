import { encodeDocument, type ReplyFields } from '../bson/encode.ts'
import { numberOf } from '../bson/number.ts'
import { BsonType } from '../bson/types.ts'
import { documentValue, entriesOf, Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import { isSamePattern } from '../query/plan.ts'
import { checkNamespace } from '../storage/catalog.ts'
import type { Collection } from '../storage/collection.ts'
import { refuseCollation } from './collation.ts'
import { type CommandTable, command, type Handler, type ServerState } from './context.ts'
import { collectionStats } from './statistics.ts'

const write = { isWrite: true }

const create: Handler = async (request, state) => {
  const { namespace } = request
  refuseCollation(request.get('collation'))
  for (const name of [
    'capped',
    'size',
    'max',
    'timeseries',
    'viewOn',
    'validator',
    'clusteredIndex',
    'expireAfterSeconds',
  ]) {
    const value = request.get(name)
    if (value && !(value.type === BsonType.bool && !value.bool))
      throw codeError('NotImplemented', `create: ${name} is not supported yet`)
  }
  await state.engine.write(() => {
    // Made again with the same options is made already, as in MongoDB.
    if (!state.catalog.get(namespace)) state.catalog.create(namespace)
  })
  return {}
}

const drop: Handler = async (request, state) => {
  const { namespace } = request
  return state.engine.write(() => {
    const collection = state.catalog.get(namespace)
    // Dropping what is not there succeeds since MongoDB 7.
    if (!collection) return {}
    state.catalog.drop(collection)
    return { nIndexesWas: collection.indexes.length, ns: namespace }
  })
}

const dropDatabase: Handler = async (request, state) => {
  await state.engine.write(() => {
    for (const collection of state.catalog.of(request.database)) state.catalog.drop(collection)
  })
  return { dropped: request.database }
}

const renameCollection: Handler = async (request, state) => {
  const from = request.string('renameCollection') ?? ''
  const to = request.string('to') ?? ''
  checkNamespace(to)
  const dropsTarget = request.bool('dropTarget')
  await state.engine.write(() => {
    const collection = state.catalog.get(from)
    if (!collection)
      throw codeError('NamespaceNotFound', `Source collection ${from} does not exist`)
    if (from === to) throw codeError('IllegalOperation', "Can't rename a collection to itself")
    const target = state.catalog.get(to)
    if (target && !dropsTarget) throw codeError('NamespaceExists', 'target namespace exists')
    if (target) state.catalog.drop(target)
    state.catalog.rename(collection, to)
  })
  return {}
}

/** A whole result in one batch: names and indexes are few. */
export function singleBatch(namespace: string, documents: readonly Buffer[]): ReplyFields {
  return { cursor: { id: 0n, ns: namespace, firstBatch: documents } }
}

const listCollections: Handler = (request, state) => {
  const isNameOnly = request.bool('nameOnly')
  const matches = compileFilter(request.documentOrEmpty('filter'))
  const documents = state.catalog
    .of(request.database)
    .map((collection) => {
      const name = collection.namespace.slice(request.database.length + 1)
      if (isNameOnly) return encodeDocument({ name, type: 'collection' })
      return encodeDocument({
        name,
        type: 'collection',
        options: collection.info.options,
        info: { readOnly: false, uuid: uuidValue(collection) },
        idIndex: { v: 2, key: { _id: 1 }, name: '_id_' },
      })
    })
    .filter((doc) => matches(doc))
  return singleBatch(`${request.database}.$cmd.listCollections`, documents)
}

function uuidValue(collection: Collection): Value {
  const bytes = Buffer.alloc(21)
  bytes.writeInt32LE(16, 0)
  bytes[4] = 4
  collection.info.uuid.copy(bytes, 5)
  return new Value(BsonType.binData, bytes, 0)
}

const listDatabases: Handler = (request, state) => {
  const isNameOnly = request.bool('nameOnly')
  const matches = compileFilter(request.documentOrEmpty('filter'))
  let totalSize = 0
  const databases = state.catalog
    .databases()
    .map((name) => {
      if (isNameOnly) return encodeDocument({ name })
      const sizeOnDisk = databaseBytes(state, name)
      totalSize += sizeOnDisk
      return encodeDocument({ name, sizeOnDisk: BigInt(sizeOnDisk), empty: false })
    })
    .filter((doc) => matches(doc))
  if (isNameOnly) return { databases }
  return {
    databases,
    totalSize: BigInt(totalSize),
    totalSizeMb: BigInt(Math.floor(totalSize / 2 ** 20)),
  }
}

function databaseBytes(state: ServerState, database: string): number {
  let bytes = 0
  for (const collection of state.catalog.of(database))
    bytes += Number(collectionStats(collection, 1).totalSize)
  return bytes
}

const collMod: Handler = async (request, state) => {
  const change = request.document('index')
  if (!change) {
    for (const [name] of entriesOf(documentValue(request.body)))
      if (
        [
          'validator',
          'validationLevel',
          'validationAction',
          'viewOn',
          'pipeline',
          'expireAfterSeconds',
          'changeStreamPreAndPostImages',
        ].includes(name)
      )
        throw codeError('NotImplemented', `collMod: ${name} is not supported yet`)
    return {}
  }
  const fields = new Map(entriesOf(change))
  const seconds = fields.get('expireAfterSeconds')
  const name = fields.get('name')
  const pattern = fields.get('keyPattern')
  for (const field of fields.keys())
    if (!['name', 'keyPattern', 'expireAfterSeconds'].includes(field))
      throw codeError('NotImplemented', `collMod: index.${field} is not supported yet`)
  const after = seconds && numberOf(seconds)
  if (after === undefined || after < 0)
    throw codeError('InvalidOptions', 'no expireAfterSeconds field to change')
  return state.engine.write(() => {
    const collection = state.catalog.get(request.namespace)
    if (!collection) throw codeError('NamespaceNotFound', `ns does not exist: ${request.namespace}`)
    const index = collection.indexes.find(({ spec }) =>
      name?.type === BsonType.string
        ? spec.name === name.text
        : pattern !== undefined && isSamePattern(spec.keyPattern, pattern),
    )
    if (!index) throw codeError('IndexNotFound', 'cannot find index for collMod')
    const before = index.spec.expireAfterSeconds
    state.catalog.change(collection, index, { expireAfterSeconds: after })
    return {
      ...(before !== undefined && { expireAfterSeconds_old: before }),
      expireAfterSeconds_new: after,
    }
  })
}

/** create, drop, dropDatabase, renameCollection, listCollections, listDatabases, collMod. */
export const collectionCommands: CommandTable = {
  create: command(
    create,
    [
      'capped',
      'size',
      'max',
      'timeseries',
      'viewOn',
      'pipeline',
      'validator',
      'validationLevel',
      'validationAction',
      'clusteredIndex',
      'expireAfterSeconds',
      'collation',
      'storageEngine',
      'indexOptionDefaults',
      'autoIndexId',
      'idIndex',
      'changeStreamPreAndPostImages',
    ],
    write,
  ),
  drop: command(drop, [], write),
  dropDatabase: command(dropDatabase, [], write),
  renameCollection: command(renameCollection, ['to', 'dropTarget'], write),
  listCollections: command(listCollections, [
    'filter',
    'nameOnly',
    'authorizedCollections',
    'cursor',
  ]),
  listDatabases: command(listDatabases, ['filter', 'nameOnly', 'authorizedDatabases']),
  collMod: command(
    collMod,
    [
      'index',
      'validator',
      'validationLevel',
      'validationAction',
      'viewOn',
      'pipeline',
      'expireAfterSeconds',
      'changeStreamPreAndPostImages',
    ],
    write,
  ),
}
