import { openPipeline, type Pipeline, parsePipeline } from '../aggregate/pipeline.ts'
import { encodeDocument } from '../bson/encode.ts'
import { numberOf } from '../bson/number.ts'
import { BsonType } from '../bson/types.ts'
import { entriesOf, type Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { refuseCollation } from './collation.ts'
import { type CommandTable, command, type ServerState } from './context.ts'
import { cursorReply, FIRST_BATCH_DEFAULT } from './cursors.ts'
import { timeLimit } from './find.ts'
import type { CommandRequest } from './request.ts'
import { scopeOf } from './scope.ts'
import { collectionStats, indexStats } from './statistics.ts'

/** Compiles the pipeline of an aggregate command. */
export function openAggregate(
  request: CommandRequest,
  state: ServerState,
): { pipeline: Pipeline; namespace: string } {
  const target = request.get('aggregate')!
  const isDatabase = target.type !== BsonType.string
  if (isDatabase && numberOf(target) !== 1)
    throw codeError(
      'FailedToParse',
      "Invalid command format: the 'aggregate' field must specify a collection name or 1",
    )
  const stages = parsePipeline(request.array('pipeline') ?? missingPipeline())
  refuseCollation(request.get('collation'))
  const { names, variables } = scopeOf(request.document('let'))
  const namespace = isDatabase ? `${request.database}.$cmd.aggregate` : request.namespace
  const collection = isDatabase ? undefined : state.catalog.get(namespace)
  const first = stages[0]?.name
  if (isDatabase && first !== '$currentOp' && first !== '$changeStream')
    throw codeError(
      'InvalidNamespace',
      `{aggregate: 1} is not valid for '${first ?? 'an empty pipeline'}'; a collection is required.`,
    )
  const pipeline = openPipeline(
    stages,
    collection,
    {
      names,
      variables,
      collection: (name) => state.catalog.get(`${request.database}.${name}`),
      source: (stage, spec) => {
        if (stage === '$currentOp') return []
        if (stage === '$indexStats') return collection ? indexStats(collection, state) : []
        if (stage !== '$collStats') return undefined
        if (!collection)
          throw codeError(
            'NamespaceNotFound',
            `Unable to retrieve storageStats in $collStats stage :: caused by :: Collection [${namespace}] not found.`,
          )
        return [collStats(namespace, spec, collectionStats(collection, 1), state)]
      },
    },
    request.get('hint'),
  )
  return { pipeline, namespace }
}

function missingPipeline(): never {
  throw codeError(
    'Location40414',
    "BSON field 'aggregate.pipeline' is missing but a required field",
  )
}

function collStats(
  namespace: string,
  spec: Value,
  stats: Record<string, never> | object,
  state: ServerState,
): Buffer {
  const asked = new Map(entriesOf(spec))
  for (const name of asked.keys())
    if (!['storageStats', 'count', 'latencyStats', 'queryExecStats'].includes(name))
      throw codeError('Location40415', `BSON field '$collStats.${name}' is an unknown field.`)
  return encodeDocument({
    ns: namespace,
    localTime: new Date(state.clock.nowMs()),
    ...(asked.has('storageStats') && { storageStats: { ...stats } }),
    ...(asked.has('count') && { count: (stats as { count: number }).count }),
  })
}

async function aggregate(request: CommandRequest, state: ServerState): Promise<Buffer> {
  state.counts.command--
  state.counts.query++
  if (request.bool('explain'))
    throw codeError('NotImplemented', 'aggregate: explain is a command of its own')
  const options = request.document('cursor')
  if (!options)
    throw codeError(
      'FailedToParse',
      "The 'cursor' option is required, except for aggregate with the explain argument",
    )
  const size = [...entriesOf(options)].find(([name]) => name === 'batchSize')?.[1]
  const { pipeline, namespace } = openAggregate(request, state)
  const cursor = state.cursors.open(namespace, pipeline.stage, state.clock.nowMs())
  const checkTime = timeLimit(request, state)
  const { reply, count } = await cursorReply(state.cursors, cursor, {
    field: 'firstBatch',
    count: (size && numberOf(size)) ?? FIRST_BATCH_DEFAULT,
    ...(checkTime && { checkTime }),
  })
  state.counts.returned += count
  return reply
}

/** aggregate. */
export const aggregateCommands: CommandTable = {
  aggregate: command(aggregate, [
    'pipeline',
    'cursor',
    'explain',
    'allowDiskUse',
    'hint',
    'collation',
    'let',
    'bypassDocumentValidation',
  ]),
}
