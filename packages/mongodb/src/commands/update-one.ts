import { ElementCursor, findField } from '../bson/element.ts'
import { isTruthy } from '../bson/number.ts'
import { BsonType, typeName } from '../bson/types.ts'
import { EMPTY_DOCUMENT, elementsOf, Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import { idOfFilter } from '../query/plan.ts'
import { type Collection, idOf } from '../storage/collection.ts'
import { prepareDocument } from '../update/document.ts'
import { compileUpdate, seedOf, type Update } from '../update/update.ts'
import { refuseCollation } from './collation.ts'
import type { ServerState } from './context.ts'
import { findOne, type Target } from './matches.ts'

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

/** Reads a statement. @throws MongoError where a field is missing, wrong or unknown */
export function parseStatement(doc: Buffer): UpdateStatement {
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
  const cursor = new ElementCursor(doc, 0)
  while (cursor.next()) {
    const { name } = cursor
    const value = new Value(cursor.type, doc, cursor.at)
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
  }
  return { filter, update: new Value(doc[u]!, doc, u + 3), isMulti, isUpsert, arrayFilters, hint }
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

/** The outcome of an update that found nothing. */
export const nothingDone = (): UpdateOutcome => ({
  matched: 0,
  modified: 0,
  upserted: undefined,
  before: undefined,
  after: undefined,
})

/** Changes one document; inside a transaction only. */
export function change(
  state: ServerState,
  collection: Collection,
  target: Target,
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
