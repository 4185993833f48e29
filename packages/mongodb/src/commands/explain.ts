import { hostname } from 'node:os'
import type { ReplyFields } from '../bson/encode.ts'
import { BsonType } from '../bson/types.ts'
import { documentValue, EMPTY_DOCUMENT, entriesOf, type Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { type Access, type Plan, planQuery } from '../query/plan.ts'
import { ScanStage } from '../query/scan.ts'
import { drainStage, type Stage } from '../query/stage.ts'
import { openAggregate } from './aggregate.ts'
import { type CommandTable, command, type ServerState } from './context.ts'
import { openFind } from './find.ts'
import { SERVER_VERSION } from './handshake.ts'
import type { CommandRequest } from './request.ts'

interface Explained {
  readonly namespace: string
  readonly filter: Value
  readonly plan: Plan | undefined
  readonly scan: ScanStage | undefined
  readonly stage: Stage | undefined
  /** Stages above the access, the outermost first. */
  readonly above: readonly ReplyFields[]
  /** Stages of a pipeline behind the plan. */
  readonly rest: readonly ReplyFields[] | undefined
}

interface Execution {
  readonly returned: number
  readonly millis: number
  readonly scan: ScanStage | undefined
}

/** The stages of an access as `explain` shows them, with figures where it has run. */
function accessStages(
  plan: Plan | undefined,
  filter: Value,
  execution: Execution | undefined,
): ReplyFields {
  if (!plan) return { stage: 'EOF' }
  const counts = execution?.scan?.counts
  const figures = (own: ReplyFields): ReplyFields => (execution ? own : {})
  const advanced = { nReturned: execution?.returned }
  const residual = plan.hasFilter ? { filter } : {}
  const { access } = plan
  switch (access.kind) {
    case 'id':
      return {
        stage: 'IDHACK',
        ...figures({
          ...advanced,
          keysExamined: counts?.keysExamined,
          docsExamined: counts?.docsExamined,
        }),
      }
    case 'collection':
      return {
        stage: 'COLLSCAN',
        ...residual,
        ...figures({ ...advanced, docsExamined: counts?.docsExamined }),
        direction: access.isReverse ? 'backward' : 'forward',
      }
    case 'index':
      return {
        stage: 'FETCH',
        ...residual,
        ...figures({ ...advanced, docsExamined: counts?.docsExamined }),
        inputStage: {
          ...indexStage(access),
          ...figures({ nReturned: counts?.keysExamined, keysExamined: counts?.keysExamined }),
        },
      }
    case 'or':
      return {
        stage: 'FETCH',
        ...residual,
        ...figures({ ...advanced, docsExamined: counts?.docsExamined }),
        inputStage: {
          stage: 'OR',
          ...figures({ nReturned: counts?.docsExamined }),
          inputStages: access.branches.map(indexStage),
        },
      }
  }
}

function indexStage({ index, bounds, isReverse }: Access & { kind: 'index' }): ReplyFields {
  const { spec } = index
  return {
    stage: 'IXSCAN',
    keyPattern: spec.keyPattern,
    indexName: spec.name,
    isMultiKey: spec.isMultikey,
    isUnique: spec.isUnique,
    isSparse: spec.isSparse,
    isPartial: spec.partialFilter !== undefined,
    indexVersion: 2,
    direction: isReverse ? 'backward' : 'forward',
    indexBounds: bounds.text,
  }
}

function wrap(above: readonly ReplyFields[], inner: ReplyFields): ReplyFields {
  return above.reduceRight<ReplyFields>((input, stage) => ({ ...stage, inputStage: input }), inner)
}

/** The stages of a query from its options, the outermost first. */
function stagesAbove(request: CommandRequest, plan: Plan | undefined): ReplyFields[] {
  const above: ReplyFields[] = []
  const limit = request.count('limit') ?? 0
  const projection = request.document('projection')
  const skip = request.count('skip') ?? 0
  if (limit > 0) above.push({ stage: 'LIMIT', limitAmount: limit })
  if (projection && projection.size > 5)
    above.push({ stage: 'PROJECTION_DEFAULT', transformBy: projection })
  if (skip > 0) above.push({ stage: 'SKIP', skipAmount: skip })
  if (plan && plan.sort.length > 0)
    above.push({
      stage: 'SORT',
      sortPattern: request.document('sort'),
      memLimit: 33_554_432,
      type: 'simple',
    })
  return above
}

function explained(inner: CommandRequest, state: ServerState): Explained {
  switch (inner.name) {
    case 'find': {
      const collection = state.catalog.get(inner.namespace)
      const { plan, scan, stage } = openFind(inner, collection)
      return {
        namespace: inner.namespace,
        filter: inner.documentOrEmpty('filter'),
        plan,
        scan,
        stage,
        above: stagesAbove(inner, plan),
        rest: undefined,
      }
    }
    case 'aggregate': {
      const { pipeline, namespace } = openAggregate(inner, state)
      const first = pipeline.plan && inner.array('pipeline')?.[0]
      const match = first && [...entriesOf(first)][0]
      const filter = match?.[0] === '$match' ? match[1] : documentValue(EMPTY_DOCUMENT)
      const above =
        pipeline.plan && pipeline.plan.sort.length > 0
          ? [{ stage: 'SORT', memLimit: 33_554_432, type: 'simple' }]
          : []
      const rest = pipeline.rest.map(({ name, spec }) => ({ [name]: spec }))
      return {
        namespace,
        filter,
        plan: pipeline.plan,
        scan: pipeline.scan,
        stage: pipeline.stage,
        above,
        rest: rest.length > 0 ? rest : undefined,
      }
    }
    case 'count':
    case 'distinct':
      return simple(
        inner,
        state,
        inner.documentOrEmpty('query'),
        inner.name === 'count' ? [{ stage: 'COUNT' }] : [],
      )
    case 'findAndModify':
      return simple(inner, state, inner.documentOrEmpty('query'), [
        { stage: inner.bool('remove') ? 'DELETE' : 'UPDATE' },
      ])
    case 'update':
    case 'delete': {
      const [statement] = inner.documents(inner.name === 'update' ? 'updates' : 'deletes')
      const filter =
        statement && [...entriesOf(documentValue(statement))].find(([name]) => name === 'q')?.[1]
      if (filter?.type !== BsonType.object)
        throw codeError('Location40414', 'the statement has no q')
      return simple(inner, state, filter, [
        { stage: inner.name === 'update' ? 'UPDATE' : 'DELETE' },
      ])
    }
    default:
      throw codeError('CommandNotFound', `Explain failed due to unknown command: ${inner.name}`)
  }
}

function simple(
  inner: CommandRequest,
  state: ServerState,
  filter: Value,
  above: readonly ReplyFields[],
): Explained {
  const collection = state.catalog.get(inner.namespace)
  const plan = collection && planQuery(collection, { filter, hint: inner.get('hint') })
  const scan = collection && plan && new ScanStage(collection, plan)
  return { namespace: inner.namespace, filter, plan, scan, stage: scan, above, rest: undefined }
}

async function explain(request: CommandRequest, state: ServerState): Promise<ReplyFields> {
  const verbosity = request.string('verbosity') ?? 'allPlansExecution'
  if (!['queryPlanner', 'executionStats', 'allPlansExecution'].includes(verbosity))
    throw codeError(
      'FailedToParse',
      'verbosity string must be one of: queryPlanner, executionStats, allPlansExecution',
    )
  const wanted = request.document('explain')
  if (!wanted) throw codeError('TypeMismatch', 'explain needs a command')
  const inner = request.inner(wanted)
  const query = explained(inner, state)
  const queryPlanner = {
    namespace: query.namespace,
    indexFilterSet: false,
    parsedQuery: query.filter,
    winningPlan: wrap(query.above, accessStages(query.plan, query.filter, undefined)),
    rejectedPlans: [],
  }
  let executionStats: ReplyFields | undefined
  if (verbosity !== 'queryPlanner') {
    const start = state.clock.monotonicMs()
    let returned = 0
    if (query.stage)
      await drainStage(query.stage, () => {
        returned++
        return true
      })
    const counts = query.scan?.counts
    const execution: Execution = {
      returned,
      millis: Math.round(state.clock.monotonicMs() - start),
      scan: query.scan,
    }
    executionStats = {
      executionSuccess: true,
      nReturned: returned,
      executionTimeMillis: execution.millis,
      totalKeysExamined: counts?.keysExamined ?? 0,
      totalDocsExamined: counts?.docsExamined ?? 0,
      executionStages: wrap(query.above, accessStages(query.plan, query.filter, execution)),
    }
  }
  const result = { queryPlanner, ...(executionStats && { executionStats }) }
  return {
    explainVersion: '1',
    ...(query.rest ? { stages: [{ $cursor: result }, ...query.rest] } : result),
    command: wanted,
    serverInfo: { host: hostname(), port: state.settings.address.port, version: SERVER_VERSION },
  }
}

/** explain. */
export const explainCommands: CommandTable = { explain: command(explain, ['verbosity']) }
