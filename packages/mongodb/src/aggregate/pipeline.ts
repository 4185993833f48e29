import { encodeDocument } from '../bson/encode.ts'
import { numberOf } from '../bson/number.ts'
import { BsonType, typeName } from '../bson/types.ts'
import { documentValue, elementsOf, entriesOf, type Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import { type Plan, planQuery } from '../query/plan.ts'
import { ScanStage } from '../query/scan.ts'
import { parseSort, type SortField, sortStage } from '../query/sort.ts'
import { LimitStage, ListStage, MapStage, SkipStage, type Stage } from '../query/stage.ts'
import type { Collection } from '../storage/collection.ts'
import { countOfAll, countStage, groupStage, sortByCountStage } from './group.ts'
import { facetStage, lookupStage, unwindStage } from './join.ts'
import type { Scope } from './operator.ts'
import { sampleStage } from './sample.ts'
import { compileTransform, transformStages } from './transforms.ts'

/** What the stages of a pipeline may need. */
export interface PipelineContext extends Scope {
  /** The collection of this name in the same database. */
  collection(name: string): Collection | undefined
  /** Documents of stages such as `$collStats`, which stand first and read no documents. */
  source(stage: string, spec: Value): Buffer[] | undefined
  /** Set where the whole result is pulled at once, inside of another stage. */
  readonly isInner?: boolean
}

interface StageSpec {
  readonly name: string
  readonly spec: Value
}

/** A pipeline that is ready to run. */
export interface Pipeline {
  readonly stage: Stage
  readonly plan: Plan | undefined
  readonly scan: ScanStage | undefined
  /** The stages behind those that the plan took over, for `explain`. */
  readonly rest: readonly StageSpec[]
}

const STAGES_MAX = 1_000
const refused = new Set([
  '$bucket',
  '$bucketAuto',
  '$changeStreamSplitLargeEvent',
  '$densify',
  '$documents',
  '$fill',
  '$geoNear',
  '$graphLookup',
  '$listSessions',
  '$listLocalSessions',
  '$merge',
  '$out',
  '$planCacheStats',
  '$redact',
  '$search',
  '$searchMeta',
  '$setWindowFields',
  '$unionWith',
  '$vectorSearch',
])

/** Reads the stages of a pipeline. @throws MongoError Location40323 */
export function parsePipeline(stages: readonly Value[]): StageSpec[] {
  if (stages.length > STAGES_MAX)
    throw codeError('FailedToParse', `Pipeline length must be no longer than ${STAGES_MAX} stages`)
  return stages.map((stage) => {
    if (stage.type !== BsonType.object)
      throw codeError('TypeMismatch', "Each element of the 'pipeline' array must be an object")
    const [first, second] = entriesOf(stage)
    if (!first || second)
      throw codeError(
        'Location40323',
        'A pipeline stage specification object must contain exactly one field.',
      )
    return { name: first[0], spec: first[1] }
  })
}

/** Compiles a pipeline over a collection; its first stages use indexes where they can. */
export function openPipeline(
  stages: readonly StageSpec[],
  collection: Collection | undefined,
  context: PipelineContext,
  hint?: Value,
): Pipeline {
  const [first] = stages
  const documents = first && context.source(first.name, first.spec)
  if (documents)
    return {
      stage: chain(new ListStage(documents), stages.slice(1), context),
      plan: undefined,
      scan: undefined,
      rest: stages,
    }
  const head = takeHead(stages)
  if (!collection) {
    compileFilter(head.filter, context)
    return {
      stage: chain(new ListStage([]), stages, context),
      plan: undefined,
      scan: undefined,
      rest: stages,
    }
  }
  const [next, more] = stages.slice(head.taken)
  const isWhole = head.filter.size <= 5 && head.sort.length === 0 && !hint
  const counted =
    isWhole && next?.name === '$group' && countOfAll(next.spec, collection.stored.count)
  // Counting everything, as drivers do it, needs no look at the documents.
  if (counted)
    return {
      stage: chain(new ListStage(counted), more ? stages.slice(head.taken + 1) : [], context),
      plan: undefined,
      scan: undefined,
      rest: stages,
    }
  const plan = planQuery(collection, {
    filter: head.filter,
    sort: head.sort,
    hint,
    scope: context,
  })
  const scan = new ScanStage(collection, plan, !context.isInner)
  let stage: Stage = scan
  const rest = stages.slice(head.taken)
  if (plan.sort.length > 0) stage = sortStage(stage, plan.sort, limitAhead(rest))
  return { stage: chain(stage, rest, context), plan, scan, rest }
}

/** The filter and the sort at the beginning, which a plan can serve. */
function takeHead(stages: readonly StageSpec[]): {
  filter: Value
  sort: SortField[]
  taken: number
} {
  const filters: Value[] = []
  let taken = 0
  while (stages[taken]?.name === '$match') {
    const { spec } = stages[taken]!
    checkMatch(spec)
    filters.push(spec)
    taken++
  }
  let sort: SortField[] = []
  if (stages[taken]?.name === '$sort') sort = sortSpec(stages[taken++]!.spec)
  const filter =
    filters.length === 1
      ? filters[0]!
      : documentValue(encodeDocument(filters.length === 0 ? {} : { $and: filters }))
  return { filter, sort, taken }
}

function checkMatch(spec: Value): void {
  if (spec.type !== BsonType.object)
    throw codeError('Location15959', 'the match filter must be an expression in an object')
}

function sortSpec(spec: Value): SortField[] {
  if (spec.type !== BsonType.object)
    throw codeError('Location15973', 'the $sort key specification must be an object')
  if (spec.size <= 5)
    throw codeError('Location15976', '$sort stage must have at least one sort key')
  return parseSort(spec)
}

/** How many documents a sort has to give, where `$skip` and `$limit` follow it. */
function limitAhead(rest: readonly StageSpec[]): number {
  let skipped = 0
  for (const { name, spec } of rest) {
    if (name === '$skip') skipped += numberOf(spec) ?? 0
    else if (name === '$limit') return skipped + (numberOf(spec) ?? 0)
    else break
  }
  return Number.POSITIVE_INFINITY
}

/** Puts stages behind one another. */
function chain(input: Stage, stages: readonly StageSpec[], context: PipelineContext): Stage {
  let stage = input
  for (const [index, { name, spec }] of stages.entries())
    stage = append(stage, name, spec, stages.slice(index + 1), context)
  return stage
}

function append(
  input: Stage,
  name: string,
  spec: Value,
  rest: readonly StageSpec[],
  context: PipelineContext,
): Stage {
  const { names, variables } = context
  if (transformStages.has(name)) {
    const transform = compileTransform(name, spec, names)
    return new MapStage(input, (doc) => transform(doc, variables))
  }
  switch (name) {
    case '$match': {
      checkMatch(spec)
      const matches = compileFilter(spec, context)
      return new MapStage(input, (doc) => (matches(doc) ? doc : undefined))
    }
    case '$sort':
      return sortStage(input, sortSpec(spec), limitAhead(rest))
    case '$limit': {
      const limit = wholeNumber(name, spec, 'Location15957')
      if (limit <= 0) throw codeError('Location15958', 'the limit must be positive')
      return new LimitStage(input, limit)
    }
    case '$skip': {
      const skip = wholeNumber(name, spec, 'Location15956')
      if (skip < 0) throw codeError('Location15956', 'Argument to $skip cannot be negative')
      return new SkipStage(input, skip)
    }
    case '$count':
      return countStage(input, spec)
    case '$group':
      return groupStage(input, spec, names, variables)
    case '$sortByCount':
      return sortByCountStage(input, spec, names, variables)
    case '$unwind':
      return unwindStage(input, spec)
    case '$lookup':
      return lookupStage(input, spec, context, (collection, pipeline, scope) =>
        openPipeline(parsePipeline(pipeline), collection, {
          ...context,
          ...scope,
          source: () => undefined,
          isInner: true,
        }),
      )
    case '$facet':
      return facetStage(input, spec, (documents, pipeline) =>
        chain(new ListStage(documents), parsePipeline(elementsOf(pipeline)), context),
      )
    case '$sample':
      return sampleStage(input, spec)
    case '$changeStream':
      throw codeError('Location40573', 'The $changeStream stage is only supported on replica sets')
    case '$collStats':
    case '$indexStats':
    case '$currentOp':
      throw codeError('Location40602', `${name} is only valid as the first stage in the pipeline.`)
    default:
      if (refused.has(name)) throw codeError('NotImplemented', `${name} is not supported yet`)
      throw codeError('Location40324', `Unrecognized pipeline stage name: '${name}'`)
  }
}

function wholeNumber(name: string, spec: Value, code: 'Location15956' | 'Location15957'): number {
  const number = numberOf(spec)
  if (number === undefined || !Number.isInteger(number))
    throw codeError(
      code,
      `invalid argument to ${name} stage: Expected an integer, found ${typeName(spec.type)}`,
    )
  return number
}
