import type { ReplyFields } from '../bson/encode.ts'
import { encodeDocument } from '../bson/encode.ts'
import { documentValue, NULL, type Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { planQuery } from '../query/plan.ts'
import { compileProjection } from '../query/projection.ts'
import { ScanStage } from '../query/scan.ts'
import { sortStage } from '../query/sort.ts'
import type { Stage } from '../query/stage.ts'
import { type Collection, idOf } from '../storage/collection.ts'
import { refuseCollation } from './collation.ts'
import { type CommandTable, command, type ServerState } from './context.ts'
import { sortOf } from './find.ts'
import type { CommandRequest } from './request.ts'
import { updateOne } from './update-one.ts'

/** The first match in the order asked for; inside a transaction only. */
function firstMatch(collection: Collection, request: CommandRequest): Buffer | undefined {
  const { sort, natural } = sortOf(request.document('sort'))
  const plan = planQuery(collection, {
    filter: request.documentOrEmpty('query'),
    sort,
    hint: request.get('hint'),
    ...(natural && { natural }),
  })
  const scan = new ScanStage(collection, plan, false)
  const stage: Stage = plan.sort.length > 0 ? sortStage(scan, plan.sort, 1) : scan
  const doc = stage.next()
  stage.suspend()
  return Buffer.isBuffer(doc) ? doc : undefined
}

async function findAndModify(request: CommandRequest, state: ServerState): Promise<ReplyFields> {
  const { namespace } = request
  const isRemove = request.bool('remove')
  const isUpsert = request.bool('upsert')
  const wantsNew = request.bool('new')
  const update = request.get('update')
  refuseCollation(request.get('collation'))
  if (isRemove === (update !== undefined))
    throw codeError(
      'FailedToParse',
      isRemove
        ? "Cannot specify both an 'update' and 'remove'=true"
        : 'Either an update or remove=true must be specified',
    )
  if (isRemove && (isUpsert || wantsNew))
    throw codeError(
      'FailedToParse',
      `Cannot specify both ${isUpsert ? 'upsert=true' : 'new=true'} and remove=true`,
    )
  const fields = request.document('fields')
  const project =
    fields && fields.size > 5 ? compileProjection(fields, { isFind: true }) : undefined
  const shown = (doc: Buffer | undefined): Value =>
    doc ? documentValue(project ? project(doc) : doc) : NULL
  const filter = request.documentOrEmpty('query')
  const { counts } = state
  return state.engine.write((): ReplyFields => {
    const collection = state.catalog.get(namespace)
    const doc = collection && firstMatch(collection, request)
    if (isRemove) {
      if (collection && doc) {
        collection.remove(collection.findById(idOf(doc))!, doc)
        state.catalog.markDirty(collection)
        counts.deleted++
      }
      return { lastErrorObject: { n: doc ? 1 : 0 }, value: shown(doc) }
    }
    const outcome = updateOne(state, namespace, {
      // The document is held by its _id, so that the sort decides; the filter goes along for `$`.
      filter: doc
        ? documentValue(encodeDocument({ $and: [filter, { _id: { $eq: idOf(doc) } }] }))
        : filter,
      update: update!,
      isMulti: false,
      isUpsert: isUpsert && !doc,
      arrayFilters: request.array('arrayFilters'),
      hint: undefined,
    })
    counts.updated += outcome.modified
    if (outcome.upserted) counts.inserted++
    return {
      lastErrorObject: {
        n: doc || outcome.upserted ? 1 : 0,
        updatedExisting: doc !== undefined,
        upserted: outcome.upserted,
      },
      value: shown(wantsNew ? outcome.after : outcome.before),
    }
  })
}

const fields = [
  'query',
  'sort',
  'remove',
  'update',
  'new',
  'fields',
  'upsert',
  'arrayFilters',
  'hint',
  'collation',

  'bypassDocumentValidation',
]

/** findAndModify. */
export const findAndModifyCommands: CommandTable = {
  findAndModify: command(findAndModify, fields, { isWrite: true }),
  findandmodify: command(findAndModify, fields, { isWrite: true }),
}
