import { findField } from '../bson/element.ts'
import type { ReplyFields } from '../bson/encode.ts'
import { isTruthy, numberOf } from '../bson/number.ts'
import { BsonType, typeName } from '../bson/types.ts'
import { EMPTY_DOCUMENT, elementsOf, entriesOf, Value } from '../bson/value.ts'
import { codeError, MongoError } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import { idOfFilter, planQuery } from '../query/plan.ts'
import { ScanStage } from '../query/scan.ts'
import { drainStage } from '../query/stage.ts'
import { type Collection, idOf } from '../storage/collection.ts'
import { prepareDocument } from '../update/document.ts'
import { compileUpdate, seedOf, type Update } from '../update/update.ts'
import { type CommandTable, command, type ServerState } from './context.ts'
import type { CommandRequest } from './request.ts'

const STATEMENTS_MAX = 100_000
// One transaction takes this many documents of a bulk, so that others get their turn.
const CHUNK = 1_000

interface WriteError {
  readonly index: number
  readonly error: MongoError
}

function checkStatements(count: number): void {
  if (count < 1 || count > STATEMENTS_MAX)
    throw codeError(
      'InvalidLength',
      `Write batch sizes must be between 1 and ${STATEMENTS_MAX}. Got ${count} operations.`,
    )
}

/** Write errors as replies have them. */
export function errorFields({ index, error }: WriteError): ReplyFields {
  return { index, code: error.codeNumber, ...error.details, errmsg: error.message }
}

const isOrdered = (request: CommandRequest): boolean => {
  const ordered = request.get('ordered')
  return !ordered || isTruthy(ordered)
}

/**
 * Runs the statements of a bulk one after another in shared transactions. `run` gives false where a
 * statement has to be run by itself, outside of them.
 */
async function runBulk(
  state: ServerState,
  request: CommandRequest,
  count: number,
  run: (index: number) => boolean,
  runAlone?: (index: number) => Promise<void>,
): Promise<WriteError[]> {
  checkStatements(count)
  const ordered = isOrdered(request)
  const errors: WriteError[] = []
  let index = 0
  let isStopped = false
  const failed = (error: unknown): void => {
    if (!(error instanceof MongoError)) throw error
    errors.push({ index, error })
    if (ordered) isStopped = true
  }
  while (index < count && !isStopped) {
    const start = index
    let isAlone = false
    await state.engine.write(() => {
      // A transaction that was taken back runs its statements anew.
      index = start
      const end = Math.min(count, start + CHUNK)
      for (; index < end && !isStopped; index++)
        try {
          isAlone = !run(index)
          if (isAlone) return
        } catch (error) {
          failed(error)
        }
    })
    if (!isAlone) continue
    try {
      await runAlone!(index)
    } catch (error) {
      failed(error)
    }
    index++
  }
  return errors
}

async function insert(request: CommandRequest, state: ServerState): Promise<ReplyFields> {
  const { namespace } = request
  const documents = request.documents('documents')
  const { catalog, counts } = state
  let inserted = 0
  const errors = await runBulk(state, request, documents.length, (index) => {
    const doc = prepareDocument(documents[index]!)
    const collection = catalog.obtain(namespace)
    collection.insert(doc)
    catalog.markDirty(collection)
    inserted++
    return true
  })
  counts.insert += documents.length
  counts.inserted += inserted
  return { n: inserted, ...(errors.length > 0 && { writeErrors: errors.map(errorFields) }) }
}

/** One statement of an update command. */
export interface UpdateStatement {
  readonly filter: Value
  readonly update: Value
  readonly isMulti: boolean
  readonly isUpsert: boolean
  readonly arrayFilters: readonly Value[] | undefined
  readonly hint: Value | undefined
}

const Q = Buffer.from('q')
const U = Buffer.from('u')

function parseStatement(doc: Buffer): UpdateStatement {
  const q = findField(doc, 0, Q)
  const u = findField(doc, 0, U)
  if (q < 0) throw missing('q')
  if (u < 0) throw missing('u')
  const filter = new Value(doc[q]!, doc, q + 3)
  if (filter.type !== BsonType.object) throw wrongType('update.updates.q', filter, 'object')
  let isMulti = false
  let isUpsert = false
  let arrayFilters: Value[] | undefined
  let hint: Value | undefined
  for (const [name, value] of entriesOf(new Value(BsonType.object, doc, 0)))
    switch (name) {
      case 'q':
      case 'u':
        break
      case 'multi':
        isMulti = isTruthy(value)
        break
      case 'upsert':
        isUpsert = isTruthy(value)
        break
      case 'arrayFilters':
        if (value.type !== BsonType.array)
          throw wrongType('update.updates.arrayFilters', value, 'array')
        arrayFilters = elementsOf(value)
        break
      case 'hint':
        hint = value
        break
      case 'upsertSupplied':
        break
      case 'collation':
        refuseCollation(value)
        break
      case 'c':
      case 'sort':
        throw codeError('NotImplemented', `update.updates.${name} is not supported yet`)
      default:
        throw codeError('Location40415', `BSON field 'update.updates.${name}' is an unknown field.`)
    }
  return { filter, update: new Value(doc[u]!, doc, u + 3), isMulti, isUpsert, arrayFilters, hint }
}

/** @throws MongoError NotImplemented for any collation but the simple one */
export function refuseCollation(collation: Value | undefined): void {
  if (!collation || collation.type !== BsonType.object) return
  for (const [name, value] of entriesOf(collation))
    if (name === 'locale' && value.type === BsonType.string && value.text === 'simple') return
  if (collation.size > 5)
    throw codeError('NotImplemented', 'collation is not supported yet, except {locale: "simple"}')
}

const missing = (name: string): Error =>
  codeError('Location40414', `BSON field 'update.updates.${name}' is missing but a required field`)
const wrongType = (name: string, value: Value, expected: string): Error =>
  codeError(
    'TypeMismatch',
    `BSON field '${name}' is the wrong type '${typeName(value.type)}', expected type '${expected}'`,
  )

/** What an update did. */
export interface UpdateOutcome {
  matched: number
  modified: number
  upserted: Value | undefined
  before: Buffer | undefined
  after: Buffer | undefined
}

const nothingDone = (): UpdateOutcome => ({
  matched: 0,
  modified: 0,
  upserted: undefined,
  before: undefined,
  after: undefined,
})

function change(
  state: ServerState,
  collection: Collection,
  target: { recordId: Buffer; doc: Buffer },
  update: Update,
  outcome: UpdateOutcome,
): void {
  const after = update.apply(target.doc, false)
  outcome.matched++
  outcome.before = target.doc
  outcome.after = after
  if (after === target.doc || after.equals(target.doc)) return
  collection.replace(target.recordId, target.doc, prepareDocument(after))
  state.catalog.markDirty(collection)
  outcome.modified++
}

/** Inserts what an upsert makes of its filter; inside a transaction only. */
function upsert(
  state: ServerState,
  namespace: string,
  statement: UpdateStatement,
  update: Update,
  outcome: UpdateOutcome,
): void {
  const id = update.isReplacement ? idOfFilter(statement.filter) : undefined
  // A replacement by _id, what sinks send, needs nothing of the filter but its _id.
  const doc = id
    ? prepareDocument(update.apply(withId(id), true))
    : prepareDocument(update.apply(seedOf(statement.filter), true))
  const collection = state.catalog.obtain(namespace)
  collection.insert(doc)
  state.catalog.markDirty(collection)
  outcome.upserted = idOf(doc)
  outcome.after = doc
}

/** `{_id: id}` */
function withId(id: Value): Buffer {
  return prepareDocument(EMPTY_DOCUMENT, id)
}

/** Updates the first match, or upserts; inside a transaction only. */
export function updateOne(
  state: ServerState,
  namespace: string,
  statement: UpdateStatement,
): UpdateOutcome {
  const outcome = nothingDone()
  const collection = state.catalog.get(namespace)
  const isPositional =
    statement.update.type === BsonType.object &&
    statement.update.bytes.includes(POSITIONAL, statement.update.at)
  const update = compileUpdate({
    update: statement.update,
    matches: isPositional ? compileFilter(statement.filter) : () => true,
    arrayFilters: statement.arrayFilters,
  })
  const target = collection && findOne(collection, statement)
  if (collection && target) change(state, collection, target, update, outcome)
  else {
    // The filter is checked even where there is nothing to find.
    if (!collection) compileFilter(statement.filter)
    if (statement.isUpsert) upsert(state, namespace, statement, update, outcome)
  }
  return outcome
}
const POSITIONAL = Buffer.from('.$')

function findOne(
  collection: Collection,
  statement: UpdateStatement,
): { recordId: Buffer; doc: Buffer } | undefined {
  const id = statement.hint ? undefined : idOfFilter(statement.filter)
  if (id) {
    const recordId = collection.findById(id)
    const doc = recordId && collection.document(recordId)
    return doc && { recordId, doc }
  }
  const plan = planQuery(collection, { filter: statement.filter, hint: statement.hint })
  const scan = new ScanStage(collection, plan, false)
  const doc = scan.next()
  scan.suspend()
  return Buffer.isBuffer(doc) ? { recordId: Buffer.from(scan.recordId), doc } : undefined
}

/** Records that match now, found a slice of time at a time. */
async function findAll(
  collection: Collection,
  filter: Value,
  hint: Value | undefined,
): Promise<Buffer[]> {
  const scan = new ScanStage(collection, planQuery(collection, { filter, hint }))
  const found: Buffer[] = []
  await drainStage(scan, () => {
    found.push(Buffer.from(scan.recordId))
    return true
  })
  return found
}

/** Applies `apply` to every record that still matches, in chunks of a transaction each. */
async function forEachMatch(
  state: ServerState,
  collection: Collection,
  statement: { filter: Value; hint: Value | undefined },
  apply: (target: { recordId: Buffer; doc: Buffer }) => void,
): Promise<void> {
  const matches = compileFilter(statement.filter)
  const found = await findAll(collection, statement.filter, statement.hint)
  for (let start = 0; start < found.length; start += CHUNK) {
    let failure: unknown
    await state.engine.write(() => {
      try {
        for (const recordId of found.slice(start, start + CHUNK)) {
          if (collection.isDropped) return
          const doc = collection.document(recordId)
          if (doc && matches(doc)) apply({ recordId, doc })
        }
      } catch (error) {
        // What was changed before stays, as in MongoDB.
        if (!(error instanceof MongoError)) throw error
        failure = error
      }
    })
    if (failure !== undefined) throw failure
  }
}

async function updateMany(
  state: ServerState,
  namespace: string,
  statement: UpdateStatement,
): Promise<UpdateOutcome> {
  const matches = compileFilter(statement.filter)
  const update = compileUpdate({
    update: statement.update,
    matches,
    arrayFilters: statement.arrayFilters,
  })
  if (update.isReplacement)
    throw codeError('FailedToParse', 'multi update is not supported for replacement-style update')
  const outcome = nothingDone()
  const collection = state.catalog.get(namespace)
  if (collection)
    await forEachMatch(state, collection, statement, (target) => {
      change(state, collection, target, update, outcome)
    })
  // Whether there is still no match is looked at again, inside the transaction.
  if (outcome.matched === 0 && statement.isUpsert)
    return state.engine.write(() => updateOne(state, namespace, statement))
  return outcome
}

async function update(request: CommandRequest, state: ServerState): Promise<ReplyFields> {
  const { namespace } = request
  const documents = request.documents('updates')
  let matched = 0
  let modified = 0
  const upserted: { index: number; _id: Value }[] = []
  const add = (index: number, outcome: UpdateOutcome): void => {
    matched += outcome.matched
    modified += outcome.modified
    if (outcome.upserted) upserted.push({ index, _id: outcome.upserted })
  }
  const errors = await runBulk(
    state,
    request,
    documents.length,
    (index) => {
      const statement = parseStatement(documents[index]!)
      if (statement.isMulti) return false
      add(index, updateOne(state, namespace, statement))
      return true
    },
    async (index) => {
      add(index, await updateMany(state, namespace, parseStatement(documents[index]!)))
    },
  )
  const { counts } = state
  counts.update += documents.length
  counts.updated += modified
  counts.inserted += upserted.length
  return {
    n: matched + upserted.length,
    nModified: modified,
    ...(upserted.length > 0 && { upserted }),
    ...(errors.length > 0 && { writeErrors: errors.map(errorFields) }),
  }
}

interface DeleteStatement {
  readonly filter: Value
  readonly hint: Value | undefined
  readonly isSingle: boolean
}

function parseDelete(doc: Buffer): DeleteStatement {
  let filter: Value | undefined
  let hint: Value | undefined
  let limit: number | undefined
  for (const [name, value] of entriesOf(new Value(BsonType.object, doc, 0)))
    if (name === 'q') filter = value
    else if (name === 'limit') limit = numberOf(value)
    else if (name === 'hint') hint = value
    else if (name === 'collation') refuseCollation(value)
    else
      throw codeError('Location40415', `BSON field 'delete.deletes.${name}' is an unknown field.`)
  if (filter?.type !== BsonType.object)
    throw codeError(
      'Location40414',
      "BSON field 'delete.deletes.q' is missing but a required field",
    )
  if (limit !== 0 && limit !== 1)
    throw codeError(
      'FailedToParse',
      `The limit field in delete objects must be 0 or 1. Got ${limit}`,
    )
  return { filter, hint, isSingle: limit === 1 }
}

async function deleteDocuments(request: CommandRequest, state: ServerState): Promise<ReplyFields> {
  const { namespace } = request
  const documents = request.documents('deletes')
  let deleted = 0
  const remove = (collection: Collection, target: { recordId: Buffer; doc: Buffer }): void => {
    collection.remove(target.recordId, target.doc)
    state.catalog.markDirty(collection)
    deleted++
  }
  const errors = await runBulk(
    state,
    request,
    documents.length,
    (index) => {
      const statement = parseDelete(documents[index]!)
      if (!statement.isSingle) return false
      const collection = state.catalog.get(namespace)
      const target = collection && findOne(collection, { ...statement, ...single })
      if (collection && target) remove(collection, target)
      else if (!collection) compileFilter(statement.filter)
      return true
    },
    async (index) => {
      const statement = parseDelete(documents[index]!)
      const collection = state.catalog.get(namespace)
      if (collection)
        await forEachMatch(state, collection, statement, (target) => remove(collection, target))
      else compileFilter(statement.filter)
    },
  )
  state.counts.delete += documents.length
  state.counts.deleted += deleted
  return { n: deleted, ...(errors.length > 0 && { writeErrors: errors.map(errorFields) }) }
}
const single = {
  update: new Value(BsonType.null, Buffer.alloc(1), 0),
  isMulti: false,
  isUpsert: false,
  arrayFilters: undefined,
}

/** Deletes every match of a filter: what the TTL pass needs. */
export async function deleteMatches(
  state: ServerState,
  collection: Collection,
  filter: Value,
): Promise<number> {
  let deleted = 0
  await forEachMatch(state, collection, { filter, hint: undefined }, ({ recordId, doc }) => {
    collection.remove(recordId, doc)
    state.catalog.markDirty(collection)
    deleted++
  })
  return deleted
}

const write = { isWrite: true }

/** insert, update, delete. */
export const writeCommands: CommandTable = {
  insert: command(insert, ['documents', 'ordered', 'bypassDocumentValidation'], write),
  update: command(update, ['updates', 'ordered', 'bypassDocumentValidation', 'let'], write),
  delete: command(deleteDocuments, ['deletes', 'ordered', 'let'], write),
}
