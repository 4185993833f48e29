import { encodeDocument, type ReplyFields } from '../bson/encode.ts'
import { isTruthy, numberOf } from '../bson/number.ts'
import { BsonType, typeName } from '../bson/types.ts'
import { documentValue, EMPTY_DOCUMENT, entriesOf, type Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import { isSamePattern } from '../query/plan.ts'
import type { BuildProgress, Collection } from '../storage/collection.ts'
import type { Index, IndexSpec } from '../storage/index.ts'
import { refuseCollation } from './collation.ts'
import { singleBatch } from './collections.ts'
import { type CommandTable, command, type Handler, type ServerState } from './context.ts'
import type { CommandRequest } from './request.ts'
import { wantCollection } from './statistics.ts'

const INDEXES_MAX = 64
const SECONDS_MAX = 2_147_483_647

type NewIndex = Omit<IndexSpec, 'table' | 'isMultikey' | 'hasLongKeys'>

function parseIndex(value: Value): NewIndex {
  if (value.type !== BsonType.object)
    throw codeError('TypeMismatch', 'an index specification must be an object')
  let key: Value | undefined
  let name: string | undefined
  let isUnique = false
  let isSparse = false
  let partialFilter: Buffer | undefined
  let expireAfterSeconds: number | undefined
  for (const [field, option] of entriesOf(value))
    switch (field) {
      case 'key':
        key = option
        break
      case 'name':
        name = option.type === BsonType.string ? option.text : undefined
        break
      case 'unique':
        isUnique = isTruthy(option)
        break
      case 'sparse':
        isSparse = isTruthy(option)
        break
      case 'partialFilterExpression':
        compileFilter(option)
        partialFilter = Buffer.from(option.document)
        break
      case 'expireAfterSeconds': {
        const seconds = numberOf(option)
        if (seconds === undefined || seconds < 0 || seconds > SECONDS_MAX)
          throw codeError(
            'CannotCreateIndex',
            `TTL index 'expireAfterSeconds' option must be within an acceptable range, got ${seconds ?? typeName(option.type)}`,
          )
        expireAfterSeconds = seconds
        break
      }
      case 'collation':
        refuseCollation(option)
        break
      case 'v':
      case 'background':
      case 'ns':
        break
      case 'hidden':
        if (!isTruthy(option)) break
        throw codeError('NotImplemented', `createIndexes: ${field} is not supported yet`)
      case 'weights':
      case 'default_language':
      case 'language_override':
      case 'wildcardProjection':
      case 'storageEngine':
      case 'prepareUnique':
      case '2dsphereIndexVersion':
      case 'textIndexVersion':
        throw codeError('NotImplemented', `createIndexes: ${field} is not supported yet`)
      default:
        throw codeError(
          'InvalidOptions',
          `The field '${field}' is not valid for an index specification.`,
        )
    }
  if (key?.type !== BsonType.object || key.size <= 5)
    throw codeError('CannotCreateIndex', 'Index keys cannot be empty.')
  if (!name)
    throw codeError(
      'FailedToParse',
      "The 'name' field is a required property of an index specification",
    )
  checkPattern(key)
  if (expireAfterSeconds !== undefined && [...entriesOf(key)].length > 1)
    throw codeError(
      'CannotCreateIndex',
      'TTL indexes are single-field indexes, compound indexes do not support TTL',
    )
  if (isSparse && partialFilter)
    throw codeError(
      'CannotCreateIndex',
      'cannot mix "partialFilterExpression" and "sparse" options',
    )
  return {
    name,
    keyPattern: Buffer.from(key.document),
    isUnique,
    isSparse,
    partialFilter,
    expireAfterSeconds,
  }
}

function checkPattern(key: Value): void {
  for (const [path, direction] of entriesOf(key)) {
    if (direction.type === BsonType.string)
      throw codeError(
        'CannotCreateIndex',
        `indexes of kind '${direction.text}' are not supported yet`,
      )
    const number = numberOf(direction)
    if (number === undefined || number === 0 || Number.isNaN(number))
      throw codeError(
        'CannotCreateIndex',
        'Values in v:2 index key pattern must be numbers > 0, numbers < 0 or strings',
      )
    if (path === '' || path.split('.').includes(''))
      throw codeError('CannotCreateIndex', 'Index keys cannot contain an empty field.')
    if (path.includes('$'))
      throw codeError(
        'CannotCreateIndex',
        path.includes('$**')
          ? 'wildcard indexes are not supported yet'
          : `Index key contains an illegal field name: field name starts with '$'.`,
      )
  }
}

/** The index that makes a new one needless. @throws MongoError where one is in its way */
function existing(collection: Collection, wanted: NewIndex): Index | undefined {
  const pattern = documentValue(wanted.keyPattern)
  const sameName = collection.indexes.find(({ spec }) => spec.name === wanted.name)
  const sameKey = collection.indexes.find(({ spec }) => isSamePattern(spec.keyPattern, pattern))
  if (sameKey?.isId) return sameKey
  if (sameName && sameName !== sameKey)
    throw codeError(
      'IndexKeySpecsConflict',
      `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: ${wanted.name}`,
    )
  if (!sameKey) return undefined
  const { spec } = sameKey
  const isSame =
    spec.isUnique === wanted.isUnique &&
    spec.isSparse === wanted.isSparse &&
    spec.expireAfterSeconds === wanted.expireAfterSeconds &&
    (spec.partialFilter ?? EMPTY_DOCUMENT).equals(wanted.partialFilter ?? EMPTY_DOCUMENT)
  if (isSame && spec.name === wanted.name) return sameKey
  throw codeError(
    'IndexOptionsConflict',
    isSame
      ? `Index already exists with a different name: ${spec.name}`
      : `An equivalent index already exists with the same name but different options. Requested index: ${wanted.name}`,
  )
}

// Documents that one transaction of a build takes, so that other commands get their turn.
const BUILD_CHUNK = 1_000

/** Builds an index in transactions of its own; writes go on meanwhile and keep it up. */
async function build(state: ServerState, collection: Collection, spec: NewIndex): Promise<void> {
  const { engine, catalog } = state
  let index: Index | undefined
  let progress: BuildProgress = { last: undefined, isDone: false }
  try {
    while (!progress.isDone)
      await engine.write(() => {
        if (collection.isDropped)
          throw codeError('IndexBuildAborted', `collection dropped: ${collection.namespace}`)
        index ??= catalog.beginIndex(collection, spec)
        progress = collection.fill(index, progress.last, BUILD_CHUNK)
        if (progress.isDone) catalog.finishIndex(collection, index)
      })
  } catch (error) {
    await engine.write(() => index && catalog.abortIndex(collection, index))
    throw error
  }
}

const createIndexes: Handler = (request, state) => {
  const { namespace } = request
  const wanted = (request.array('indexes') ?? []).map(parseIndex)
  if (wanted.length === 0) throw codeError('BadValue', 'Must specify at least one index to create')
  return state.catalog.inTurn(async (): Promise<ReplyFields> => {
    const found = state.catalog.get(namespace)
    const collection = found ?? (await state.engine.write(() => state.catalog.obtain(namespace)))
    const before = collection.indexes.length
    // All are looked at before the first is made, so that an error leaves nothing behind.
    const missing = wanted.filter((spec) => !existing(collection, spec))
    if (before + missing.length > INDEXES_MAX)
      throw codeError('CannotCreateIndex', `add index fails, too many indexes for ${namespace}`)
    for (const spec of missing)
      if (!existing(collection, spec)) await build(state, collection, spec)
    return {
      numIndexesBefore: before,
      numIndexesAfter: collection.indexes.length,
      createdCollectionAutomatically: !found,
      ...(missing.length === 0 && { note: 'all indexes already exist' }),
    }
  })
}

function indexesToDrop(collection: Collection, wanted: Value): Index[] {
  if (wanted.type === BsonType.string && wanted.text === '*')
    return collection.indexes.filter((index) => !index.isId)
  if (wanted.type === BsonType.array)
    return [...entriesOf(wanted)].flatMap(([, name]) => indexesToDrop(collection, name))
  const found = collection.indexes.find(({ spec }) =>
    wanted.type === BsonType.string
      ? spec.name === wanted.text
      : isSamePattern(spec.keyPattern, wanted),
  )
  if (!found)
    throw codeError(
      'IndexNotFound',
      wanted.type === BsonType.string
        ? `index not found with name [${wanted.text}]`
        : "can't find index with key",
    )
  if (found.isId) throw codeError('InvalidOptions', 'cannot drop _id index')
  return [found]
}

const dropIndexes: Handler = async (request, state) => {
  const wanted = request.get('index')
  if (!wanted)
    throw codeError(
      'Location40414',
      "BSON field 'dropIndexes.index' is missing but a required field",
    )
  return state.engine.write((): ReplyFields => {
    const collection = state.catalog.get(request.namespace)
    if (!collection) throw codeError('NamespaceNotFound', `ns not found ${request.namespace}`)
    const before = collection.indexes.length
    for (const index of indexesToDrop(collection, wanted))
      state.catalog.dropIndex(collection, index)
    return { nIndexesWas: before }
  })
}

function listIndexes(request: CommandRequest, state: ServerState): ReplyFields {
  const collection = wantCollection(request, state)
  return singleBatch(
    request.namespace,
    collection.indexes.map(({ spec }) =>
      encodeDocument({
        v: 2,
        key: spec.keyPattern,
        name: spec.name,
        ...(spec.isUnique && spec.name !== '_id_' && { unique: true }),
        ...(spec.isSparse && { sparse: true }),
        ...(spec.expireAfterSeconds !== undefined && {
          expireAfterSeconds: spec.expireAfterSeconds,
        }),
        ...(spec.partialFilter && { partialFilterExpression: spec.partialFilter }),
      }),
    ),
  )
}

const write = { isWrite: true }

/** createIndexes, dropIndexes, listIndexes. */
export const indexCommands: CommandTable = {
  createIndexes: command(
    createIndexes,
    ['indexes', 'commitQuorum', 'ignoreUnknownIndexOptions'],
    write,
  ),
  dropIndexes: command(dropIndexes, ['index'], write),
  deleteIndexes: command(dropIndexes, ['index'], write),
  listIndexes: command(listIndexes, ['cursor']),
}
