import type { ReplyFields } from '../bson/encode.ts'
import { arrayValue } from '../bson/encode.ts'
import { KeyWriter } from '../bson/key.ts'
import { numberOf } from '../bson/number.ts'
import { BsonType } from '../bson/types.ts'
import { entriesOf, Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import { eachAtPath, parsePath } from '../query/path.ts'
import { type Plan, planQuery } from '../query/plan.ts'
import { compileProjection } from '../query/projection.ts'
import { ScanStage } from '../query/scan.ts'
import { parseSort, sortStage } from '../query/sort.ts'
import {
  drainStage,
  LimitStage,
  ListStage,
  MapStage,
  SkipStage,
  type Stage,
} from '../query/stage.ts'
import type { Collection } from '../storage/collection.ts'
import { refuseCollation } from './collation.ts'
import { type CommandTable, command, type ServerState } from './context.ts'
import { cursorReply, FIRST_BATCH_DEFAULT } from './cursors.ts'
import type { CommandRequest } from './request.ts'
import { scopeOf } from './scope.ts'

/** A query as find, explain and findAndModify have it. */
export interface FindQuery {
  readonly plan: Plan | undefined
  readonly stage: Stage
  readonly scan: ScanStage | undefined
}

const unsupported = [
  'min',
  'max',
  'returnKey',
  'showRecordId',
  'tailable',
  'awaitData',
  'oplogReplay',
] as const

/** Plans a find command and makes its stages. */
export function openFind(request: CommandRequest, collection: Collection | undefined): FindQuery {
  for (const name of unsupported) {
    const value = request.get(name)
    if (value && !(value.type === BsonType.bool && !value.bool))
      throw codeError('NotImplemented', `find: ${name} is not supported yet`)
  }
  refuseCollation(request.get('collation'))
  const filter = request.documentOrEmpty('filter')
  const scope = scopeOf(request.document('let'))
  const { sort, natural } = sortOf(request.document('sort'))
  const projection = request.document('projection')
  const project =
    projection && projection.size > 5 ? compileProjection(projection, { isFind: true }) : undefined
  const skip = request.count('skip') ?? 0
  const limit = request.count('limit') ?? 0
  let stage: Stage = new ListStage([])
  let plan: Plan | undefined
  let scan: ScanStage | undefined
  if (collection) {
    plan = planQuery(collection, {
      filter,
      sort,
      hint: request.get('hint'),
      scope,
      ...(natural && { natural }),
    })
    stage = scan = new ScanStage(collection, plan)
    if (plan.sort.length > 0)
      stage = sortStage(stage, plan.sort, limit > 0 ? limit + skip : Number.POSITIVE_INFINITY)
  } else compileFilter(filter, scope)
  if (skip > 0) stage = new SkipStage(stage, skip)
  if (project) stage = new MapStage(stage, project)
  if (limit > 0) stage = new LimitStage(stage, limit)
  return { plan, stage, scan }
}

/** The sort of a query, or the natural order that it asks for. */
export function sortOf(sort: Value | undefined): {
  sort: ReturnType<typeof parseSort>
  natural?: 1 | -1
} {
  if (!sort) return { sort: [] }
  const [first] = entriesOf(sort)
  if (first?.[0] === '$natural')
    return { sort: [], natural: (numberOf(first[1]) ?? 1) < 0 ? -1 : 1 }
  return { sort: parseSort(sort) }
}

/** Throws once the time of a command is over. */
export function timeLimit(request: CommandRequest, state: ServerState): (() => void) | undefined {
  const limitMs = request.count('maxTimeMS')
  if (!limitMs) return undefined
  const until = state.clock.monotonicMs() + limitMs
  return () => {
    if (state.clock.monotonicMs() > until)
      throw codeError('MaxTimeMSExpired', 'operation exceeded time limit')
  }
}

async function find(request: CommandRequest, state: ServerState): Promise<Buffer> {
  const { namespace } = request
  state.counts.query++
  const { stage } = openFind(request, state.catalog.get(namespace))
  const limit = request.get('limit')
  // A negative limit is a single batch in old dialects; current drivers send singleBatch.
  const isSingle = request.bool('singleBatch') || (limit && (numberOf(limit) ?? 0) < 0) === true
  const cursor = state.cursors.open(
    namespace,
    stage,
    state.clock.nowMs(),
    request.bool('noCursorTimeout'),
  )
  const checkTime = timeLimit(request, state)
  const { reply, count } = await cursorReply(state.cursors, cursor, {
    field: 'firstBatch',
    count: request.count('batchSize') ?? FIRST_BATCH_DEFAULT,
    isSingle,
    ...(checkTime && { checkTime }),
  })
  state.counts.returned += count
  return reply
}

async function getMore(request: CommandRequest, state: ServerState): Promise<Buffer> {
  state.counts.getmore++
  const id = request.get('getMore')
  if (id?.type !== BsonType.long)
    throw codeError(
      'TypeMismatch',
      "BSON field 'getMore.getMore' is the wrong type, expected type 'long'",
    )
  const namespace = `${request.database}.${request.string('collection') ?? ''}`
  const cursor = state.cursors.get(id.long, namespace)
  cursor.lastUsedMs = state.clock.nowMs()
  const checkTime = timeLimit(request, state)
  const { reply, count } = await cursorReply(state.cursors, cursor, {
    field: 'nextBatch',
    count: request.count('batchSize') || undefined,
    ...(checkTime && { checkTime }),
  })
  state.counts.returned += count
  return reply
}

function killCursors(request: CommandRequest, state: ServerState): ReplyFields {
  const killed: Value[] = []
  const notFound: Value[] = []
  for (const id of request.array('cursors') ?? [])
    if (id.type === BsonType.long && state.cursors.close(id.long)) killed.push(id)
    else notFound.push(id)
  return { cursorsKilled: killed, cursorsNotFound: notFound, cursorsAlive: [], cursorsUnknown: [] }
}

async function count(request: CommandRequest, state: ServerState): Promise<ReplyFields> {
  const collection = state.catalog.get(request.namespace)
  refuseCollation(request.get('collation'))
  const filter = request.documentOrEmpty('query')
  const skip = request.count('skip') ?? 0
  const limit = request.get('limit')
  const most = Math.abs((limit && numberOf(limit)) || 0)
  if (!collection) {
    compileFilter(filter)
    return { n: 0 }
  }
  let n = 0
  if (filter.size <= 5 && !request.get('hint')) n = collection.stored.count
  else {
    const scan = new ScanStage(
      collection,
      planQuery(collection, { filter, hint: request.get('hint') }),
    )
    await drainStage(scan, () => ++n < skip + most || most === 0, timeLimit(request, state))
  }
  n = Math.max(0, n - skip)
  return { n: most > 0 ? Math.min(n, most) : n }
}

async function distinct(request: CommandRequest, state: ServerState): Promise<ReplyFields> {
  const collection = state.catalog.get(request.namespace)
  refuseCollation(request.get('collation'))
  const key = request.string('key')
  if (key === undefined)
    throw codeError('Location40414', "BSON field 'distinct.key' is missing but a required field")
  const path = parsePath(key)
  const filter = request.documentOrEmpty('query')
  if (!collection) {
    compileFilter(filter)
    return { values: [] }
  }
  const writer = new KeyWriter()
  const values = new Map<string, Value>()
  let bytes = 0
  const scan = new ScanStage(
    collection,
    planQuery(collection, { filter, hint: request.get('hint') }),
  )
  await drainStage(
    scan,
    (doc) => {
      eachAtPath(doc, BsonType.object, 0, path, 0, (type, at) => {
        if (type === BsonType.missing || type === BsonType.undefined) return
        const name = writer.reset().value(doc, type, at).latin1()
        if (values.has(name)) return
        const value = new Value(type, doc, at)
        bytes += value.size + 8
        if (bytes > 16 * 1024 * 1024) throw codeError('Location17217', 'distinct too big, 16mb cap')
        values.set(name, new Value(type, Buffer.from(value.raw), 0))
      })
      return true
    },
    timeLimit(request, state),
  )
  const sorted = [...values].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
  return { values: arrayValue(sorted) }
}

const findFields = [
  'filter',
  'sort',
  'projection',
  'hint',
  'skip',
  'limit',
  'batchSize',
  'singleBatch',
  'noCursorTimeout',
  'allowDiskUse',
  'allowPartialResults',
  'collation',
  'let',
  ...unsupported,
]

/** find, getMore, killCursors, count, distinct. */
export const findCommands: CommandTable = {
  find: command(find, findFields),
  getMore: command(getMore, ['collection', 'batchSize']),
  killCursors: command(killCursors, ['cursors']),
  count: command(count, ['query', 'limit', 'skip', 'hint', 'collation', 'fields']),
  distinct: command(distinct, ['key', 'query', 'hint', 'collation']),
}
