import type { ReplyFields } from '../bson/encode.ts'
import { numberOf } from '../bson/number.ts'
import { BsonType } from '../bson/types.ts'
import { entriesOf, Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import type { Collection } from '../storage/collection.ts'
import { prepareDocument } from '../update/document.ts'
import { compileUpdate } from '../update/update.ts'
import { errorFields, runBulk } from './bulk.ts'
import { refuseCollation } from './collation.ts'
import { type CommandTable, command, type ServerState } from './context.ts'
import { findOne, forEachMatch, isSlow, type Target, withFirstMatch } from './matches.ts'
import type { CommandRequest } from './request.ts'
import {
  change,
  nothingDone,
  parseStatement,
  type UpdateOutcome,
  type UpdateStatement,
  updateOne,
} from './update-one.ts'

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

/** An update of many documents, or of one that takes long to find: it has transactions of its own. */
async function updateAlone(
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
  if (update.isReplacement && statement.isMulti)
    throw codeError('FailedToParse', 'multi update is not supported for replacement-style update')
  const outcome = nothingDone()
  const collection = state.catalog.get(namespace)
  const apply = (target: Target): void => change(state, collection!, target, update, outcome)
  if (collection && statement.isMulti) await forEachMatch(state, collection, statement, apply)
  else if (collection) await withFirstMatch(state, collection, statement, apply)
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
      if (statement.isMulti || isSlow(state.catalog.get(namespace), statement)) return false
      add(index, updateOne(state, namespace, statement))
      return true
    },
    async (index) => {
      add(index, await updateAlone(state, namespace, parseStatement(documents[index]!)))
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
  const remove = (collection: Collection, target: Target): void => {
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
      const collection = state.catalog.get(namespace)
      if (!statement.isSingle || isSlow(collection, statement)) return false
      const target = collection && findOne(collection, statement)
      if (collection && target) remove(collection, target)
      else if (!collection) compileFilter(statement.filter)
      return true
    },
    async (index) => {
      const statement = parseDelete(documents[index]!)
      const collection = state.catalog.get(namespace)
      if (!collection) compileFilter(statement.filter)
      else {
        const apply = (target: Target): void => remove(collection, target)
        if (statement.isSingle) await withFirstMatch(state, collection, statement, apply)
        else await forEachMatch(state, collection, statement, apply)
      }
    },
  )
  state.counts.delete += documents.length
  state.counts.deleted += deleted
  return { n: deleted, ...(errors.length > 0 && { writeErrors: errors.map(errorFields) }) }
}

const write = { isWrite: true }

/** insert, update, delete. */
export const writeCommands: CommandTable = {
  insert: command(insert, ['documents', 'ordered', 'bypassDocumentValidation'], write),
  update: command(update, ['updates', 'ordered', 'bypassDocumentValidation'], write),
  delete: command(deleteDocuments, ['deletes', 'ordered'], write),
}
