import type { Scope } from '../aggregate/operator.ts'
import { isIdentical } from '../bson/compare.ts'
import { ElementCursor } from '../bson/element.ts'
import { BsonType } from '../bson/types.ts'
import { elementsOf, entriesOf, Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import type { Collection } from '../storage/collection.ts'
import type { Index } from '../storage/index.ts'
import { boundsOf, collectDemands, type Demands, type IndexBounds } from './bounds.ts'
import { compileFilter, isOperators, type Matcher } from './filter.ts'
import type { SortField } from './sort.ts'

/** How documents are found. */
export type Access =
  | { readonly kind: 'id'; readonly id: Value }
  | { readonly kind: 'collection'; readonly isReverse: boolean }
  | {
      readonly kind: 'index'
      readonly index: Index
      readonly bounds: IndexBounds
      readonly isReverse: boolean
    }
  /** The branches of an `$or`, each by an index of its own. */
  | { readonly kind: 'or'; readonly branches: readonly (Access & { kind: 'index' })[] }

/** A query that is ready to run. */
export interface Plan {
  readonly access: Access
  /** Tests every document that the access gives. */
  readonly matches: Matcher
  readonly hasFilter: boolean
  /** Fields that are to be sorted by afterwards; empty where the access gives the order. */
  readonly sort: readonly SortField[]
}

/** What a query asks for. */
export interface PlanRequest {
  readonly filter: Value
  readonly sort?: readonly SortField[]
  /** Order of insertion, forward or backward, without any index. */
  readonly natural?: 1 | -1
  readonly hint?: Value | undefined
  readonly scope?: Scope | undefined
}

/**
 * Chooses how a query runs: by `_id`, by the index that holds most of the filter to points and
 * ranges or gives the order asked for, or over the whole collection.
 *
 * @throws MongoError BadValue for a filter or hint that is wrong.
 */
export function planQuery(collection: Collection, request: PlanRequest): Plan {
  const { filter, sort = [], hint } = request
  const matches = compileFilter(filter, request.scope)
  const hasFilter = filter.size > 5
  const natural = request.natural ?? naturalHint(hint)
  if (natural)
    return { access: { kind: 'collection', isReverse: natural < 0 }, matches, hasFilter, sort }
  const id = hint ? undefined : idOfFilter(filter)
  // With one document at most there is nothing to sort.
  if (id) return { access: { kind: 'id', id }, matches, hasFilter, sort: [] }
  const best = bestIndex(collection, filter, sort, hint)
  if (best) return { access: best.access, matches, hasFilter, sort: best.givesOrder ? [] : sort }
  const branches = orBranches(collection, filter)
  if (branches) return { access: { kind: 'or', branches }, matches, hasFilter, sort }
  return { access: { kind: 'collection', isReverse: false }, matches, hasFilter, sort }
}

interface Candidate {
  readonly access: Access & { kind: 'index' }
  readonly score: number
  readonly givesOrder: boolean
}

/** The index that serves a filter and an order best; undefined where none serves them at all. */
function bestIndex(
  collection: Collection,
  filter: Value,
  sort: readonly SortField[],
  hint: Value | undefined,
): Candidate | undefined {
  const demands = collectDemands(filter)
  const candidates = hint ? [hintedIndex(collection, hint)] : collection.indexes
  let best: Candidate | undefined
  for (const index of candidates) {
    if (!hint && !isUsable(index, demands, filter)) continue
    const bounds = boundsOf(index.fields, demands, index.spec.isMultikey)
    const order = sort.length > 0 ? orderGiven(index, bounds, sort) : 0
    const score = bounds.pointFields * 4 + (bounds.hasRange ? 3 : 0) + (order !== 0 ? 2 : 0)
    if (score === 0 && !hint) continue
    if (best && score <= best.score) continue
    best = {
      access: { kind: 'index', index, bounds, isReverse: order < 0 },
      score,
      givesOrder: order !== 0,
    }
  }
  return best
}

/** How each branch of a filter's `$or` runs; undefined where one would need the whole collection. */
function orBranches(
  collection: Collection,
  filter: Value,
): (Access & { kind: 'index' })[] | undefined {
  for (const [name, value] of entriesOf(filter)) {
    if (name !== '$or') continue
    const branches = elementsOf(value).map((branch) => bestIndex(collection, branch, [], undefined))
    if (branches.every((branch) => branch !== undefined))
      return branches.map(({ access }) => access)
  }
  return undefined
}

/** The `_id` that a filter holds to one value and asks nothing beside. */
export function idOfFilter(filter: Value): Value | undefined {
  const { bytes } = filter
  const cursor = new ElementCursor(bytes, filter.at)
  if (!cursor.next() || cursor.nameEnd - cursor.nameAt !== 3 || cursor.name !== '_id')
    return undefined
  let value = new Value(cursor.type, bytes, cursor.at)
  if (cursor.next()) return undefined
  if (isOperators(value)) {
    const operators = [...entriesOf(value)]
    if (operators.length !== 1 || operators[0]![0] !== '$eq') return undefined
    value = operators[0]![1]
  }
  if (value.isNullish || value.type === BsonType.regex || value.type === BsonType.array)
    return undefined
  return value
}

function naturalHint(hint: Value | undefined): 1 | -1 | undefined {
  if (hint?.type !== BsonType.object) return undefined
  const [first] = entriesOf(hint)
  if (first?.[0] !== '$natural') return undefined
  return first[1].bytes[first[1].at + first[1].size - 1]! & 0x80 ? -1 : 1
}

/** @throws MongoError BadValue where there is no such index */
function hintedIndex(collection: Collection, hint: Value): Index {
  const index =
    hint.type === BsonType.string
      ? collection.indexes.find(({ spec }) => spec.name === hint.text)
      : collection.indexes.find(({ spec }) => isSamePattern(spec.keyPattern, hint))
  if (!index)
    throw codeError(
      'BadValue',
      'error processing query: planner returned error :: caused by :: hint provided does not correspond to an existing index',
    )
  return index
}

/** Whether two key patterns have the same fields in the same directions. */
export function isSamePattern(pattern: Buffer, other: Value): boolean {
  if (other.type !== BsonType.object) return false
  const a = [...entriesOf(new Value(BsonType.object, pattern, 0))]
  const b = [...entriesOf(other)]
  return (
    a.length === b.length &&
    a.every(
      ([name, value], index) =>
        b[index]![0] === name && directionOf(value) === directionOf(b[index]![1]),
    )
  )
}

function directionOf(value: Value): string {
  if (value.type === BsonType.string) return value.text
  return value.bytes[value.at + value.size - 1]! & 0x80 ? '-1' : '1'
}

/** Whether an index that leaves documents out holds all that the filter can match. */
function isUsable(index: Index, demands: Demands, filter: Value): boolean {
  const { isSparse, partialFilter } = index.spec
  if (partialFilter) {
    const wanted = [...entriesOf(new Value(BsonType.object, partialFilter, 0))]
    const given = [...entriesOf(filter)]
    for (const [name, value] of wanted)
      if (!given.some(([other, held]) => other === name && isImplied(value, held))) return false
  }
  if (!isSparse) return true
  // A document without any of the fields is not in a sparse index.
  return index.fields.some(({ path }) =>
    demands
      .get(path)
      ?.some(
        (demand) => demand.kind === 'range' || !demand.values.some((value) => value.isNullish),
      ),
  )
}

/** Whether what a query asks of a field implies what a partial index asks of it. */
function isImplied(wanted: Value, held: Value): boolean {
  if (isIdentical(wanted, held)) return true
  if (!isOperators(wanted)) return false
  // {$exists: true} follows from every value that is not null; others are left to equality.
  const [only, second] = [...entriesOf(wanted)]
  return only?.[0] === '$exists' && !second && only[1].bool && !isOperators(held) && !held.isNullish
}

/** 1 or -1 where the index, forward or backward, gives the order asked for, else 0. */
function orderGiven(index: Index, bounds: IndexBounds, sort: readonly SortField[]): number {
  const { isMultikey, hasLongKeys, isSparse, partialFilter } = index.spec
  if (isMultikey || hasLongKeys) return 0
  if ((isSparse || partialFilter) && bounds.pointFields === 0 && !bounds.hasRange) return 0
  // Several points make several stretches, each in order: fields behind the first such are not.
  const held = new Set(index.fields.slice(0, bounds.singlePointFields).map(({ path }) => path))
  let position = bounds.singlePointFields
  let direction = 0
  for (const { path, isDescending } of sort) {
    if (held.has(path)) continue
    const field = index.fields[position++]
    if (field?.path !== path) return 0
    const wanted = field.isDescending === isDescending ? 1 : -1
    if (direction !== 0 && direction !== wanted) return 0
    direction = wanted
  }
  return direction || 1
}
