import { KEY_BYTES_MAX, KeyWriter } from '../bson/key.ts'
import { BsonType, typeRank } from '../bson/types.ts'
import { elementsOf, entriesOf, NULL, stringValue, Value } from '../bson/value.ts'
import type { IndexField } from '../storage/index-keys.ts'
import { isOperators } from './filter.ts'
import { literalPrefix } from './regex.ts'
import { shellText } from './shell-text.ts'

/** One end of an interval. */
export interface Edge {
  readonly value: Value
  readonly isInclusive: boolean
}

/** What a filter demands of one path, as far as an index can use it. */
export type Demand =
  | { readonly kind: 'points'; readonly values: readonly Value[] }
  | {
      readonly kind: 'range'
      /** The rank that the values have; ends that are left out are those of the rank. */
      readonly rank: number
      readonly low?: Edge
      readonly high?: Edge
    }

/** The demands that every matching document meets, by path. */
export type Demands = Map<string, Demand[]>

const UNDEFINED = new Value(BsonType.undefined, Buffer.alloc(1), 0)
const POINTS_MAX = 4_000

/** Gathers the demands of a filter's conjunction. */
export function collectDemands(filter: Value, demands: Demands = new Map()): Demands {
  for (const [name, value] of entriesOf(filter)) {
    if (name === '$and' && value.type === BsonType.array) {
      for (const branch of elementsOf(value))
        if (branch.type === BsonType.object) collectDemands(branch, demands)
    } else if (!name.startsWith('$')) {
      if (!isOperators(value)) addDemand(demands, name, pointsOf([value]))
      else
        for (const [operator, operand] of entriesOf(value))
          addOperator(demands, name, operator, operand)
    }
  }
  return demands
}

function addOperator(demands: Demands, path: string, operator: string, operand: Value): void {
  switch (operator) {
    case '$eq':
      addDemand(demands, path, pointsOf([operand], true))
      return
    case '$in':
      if (operand.type === BsonType.array) addDemand(demands, path, pointsOf(elementsOf(operand)))
      return
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte': {
      if (!isOrdered(operand)) return
      const edge: Edge = { value: operand, isInclusive: operator.endsWith('e') }
      const rank = typeRank(operand.type)
      addDemand(
        demands,
        path,
        operator.startsWith('$g')
          ? { kind: 'range', rank, low: edge }
          : { kind: 'range', rank, high: edge },
      )
      return
    }
    case '$regex': {
      const { pattern, flags } =
        operand.type === BsonType.regex
          ? operand.regex
          : { pattern: operand.type === BsonType.string ? operand.text : '', flags: '' }
      const prefix = literalPrefix(pattern, flags)
      if (prefix !== undefined) addDemand(demands, path, prefixRange(prefix))
      return
    }
  }
}

/** Text from the prefix up to where it is no longer one; stored patterns are left to a scan. */
function prefixRange(prefix: string): Demand {
  return {
    kind: 'range',
    rank: typeRank(BsonType.string),
    low: { value: stringValue(prefix), isInclusive: true },
    high: { value: stringValue(`${prefix}\u{10ffff}`), isInclusive: true },
  }
}

function isOrdered(value: Value): boolean {
  switch (value.type) {
    case BsonType.null:
    case BsonType.undefined:
    case BsonType.minKey:
    case BsonType.maxKey:
    case BsonType.array:
    case BsonType.regex:
      return false
    default:
      // NaN equals itself only.
      return !(value.type === BsonType.double && Number.isNaN(value.bytes.readDoubleLE(value.at)))
  }
}

function pointsOf(values: readonly Value[], isLiteral = false): Demand | undefined {
  if (values.length > POINTS_MAX) return undefined
  const points: Value[] = []
  for (const value of values) {
    // An array matches as a whole or by an element; a pattern matches many texts.
    if (value.type === BsonType.array || (value.type === BsonType.regex && !isLiteral))
      return undefined
    if (value.isNullish) points.push(UNDEFINED, NULL)
    else points.push(value)
  }
  return { kind: 'points', values: points }
}

function addDemand(demands: Demands, path: string, demand: Demand | undefined): void {
  if (!demand) return
  const list = demands.get(path)
  if (list) list.push(demand)
  else demands.set(path, [demand])
}

/** A stretch of an index: keys from `start` up to, and without, `end`. */
export interface KeyRange {
  readonly start: Buffer
  readonly end: Buffer
}

/** How far an index serves a filter. */
export interface IndexBounds {
  readonly ranges: readonly KeyRange[]
  /** Fields that are held to points, and whether each is held to one. */
  readonly pointFields: number
  readonly singlePointFields: number
  readonly hasRange: boolean
  /** As `explain` shows them. */
  readonly text: Readonly<Record<string, string[]>>
}

const RANGES_MAX = 4_000

/** The stretches of an index whose documents may meet the demands. */
export function boundsOf(
  fields: readonly IndexField[],
  demands: Demands,
  isMultikey: boolean,
): IndexBounds {
  let prefixes: Buffer[] = [Buffer.alloc(0)]
  let pointFields = 0
  let singlePointFields = 0
  const text: Record<string, string[]> = {}
  const sharesArray = isMultikey && hasCommonRoot(fields)
  let range: Demand | undefined
  for (const [position, field] of fields.entries()) {
    if (sharesArray && position > 0) break
    const list = demands.get(field.path)
    const points = list && narrowest(list)
    if (!points) {
      range = list && joinRanges(list, isMultikey)
      break
    }
    if (points.values.length * prefixes.length > RANGES_MAX) break
    const next: Buffer[] = []
    for (const prefix of prefixes)
      for (const value of points.values) next.push(Buffer.concat([prefix, keyOf(value, field)]))
    prefixes = next
    text[field.path] = points.values.map((value) => `[${shellText(value)}, ${shellText(value)}]`)
    pointFields++
    if (points.values.length === 1 && singlePointFields === position) singlePointFields++
  }
  const field = fields[pointFields]
  const ranges = prefixes.map((prefix) =>
    range?.kind === 'range' ? rangeOf(prefix, field!, range) : wholeRange(prefix),
  )
  if (range?.kind === 'range') text[field!.path] = [edgesText(range, field!.isDescending)]
  for (const { path, isDescending } of fields)
    text[path] ??= [isDescending ? '[MaxKey, MinKey]' : '[MinKey, MaxKey]']
  return {
    ranges: withoutOverlap(ranges),
    pointFields,
    singlePointFields,
    hasRange: range !== undefined,
    text,
  }
}

function hasCommonRoot(fields: readonly IndexField[]): boolean {
  const roots = fields.map(({ path }) => path.split('.', 1)[0])
  return new Set(roots).size < roots.length
}

function narrowest(list: readonly Demand[]): (Demand & { kind: 'points' }) | undefined {
  let best: (Demand & { kind: 'points' }) | undefined
  for (const demand of list)
    if (demand.kind === 'points' && (!best || demand.values.length < best.values.length))
      best = demand
  return best
}

/** Joins lower and upper ends of one type; over arrays each end may be met by another element. */
function joinRanges(list: readonly Demand[], isMultikey: boolean): Demand | undefined {
  let joined: (Demand & { kind: 'range' }) | undefined
  for (const demand of list) {
    if (demand.kind !== 'range') continue
    if (!joined) {
      joined = demand
      if (isMultikey) break
    } else if (demand.rank === joined.rank) {
      // The first of two ends on one side stays; the filter sees to the other.
      const low: Edge | undefined = joined.low ?? demand.low
      const high: Edge | undefined = joined.high ?? demand.high
      joined = { kind: 'range', rank: joined.rank, ...(low && { low }), ...(high && { high }) }
    }
  }
  return joined
}

const writer = new KeyWriter()

function keyOf(value: Value, field: IndexField): Buffer {
  return writer.reset().value(value.bytes, value.type, value.at, field.isDescending).takeWhole()
}

function rangeOf(prefix: Buffer, field: IndexField, range: Demand & { kind: 'range' }): KeyRange {
  const edge = (end: Edge | undefined): Buffer | undefined =>
    end && Buffer.concat([prefix, keyOf(end.value, field)])
  const rank = Buffer.concat([
    prefix,
    writer.reset().rank(range.rank, field.isDescending).takeWhole(),
  ])
  // In a descending field the high end comes first.
  const [first, last] = field.isDescending ? [range.high, range.low] : [range.low, range.high]
  const start = edge(first)
  const end = edge(last)
  return {
    start: start ? startOf(start, first!.isInclusive) : rank,
    end: end ? (last!.isInclusive ? behind(end) : cut(end, true)) : behind(rank),
  }
}

function wholeRange(prefix: Buffer): KeyRange {
  if (prefix.length === 0) return { start: Buffer.from([0]), end: Buffer.from([255, 255]) }
  return { start: cut(prefix), end: behind(prefix) }
}

// Stored keys are cut at KEY_BYTES_MAX and end in a hash: ends are cut before it.
const CUT_BYTES = KEY_BYTES_MAX - 20

/** Where a stretch begins. Behind a key that was cut there may be others that begin like it. */
function startOf(key: Buffer, isInclusive: boolean): Buffer {
  return isInclusive || key.length > KEY_BYTES_MAX ? cut(key) : behind(key)
}

function cut(key: Buffer, isEnd = false): Buffer {
  if (key.length <= KEY_BYTES_MAX) return key
  return isEnd ? behind(key) : key.subarray(0, CUT_BYTES)
}

/** The least key that stands behind every key beginning with this one. */
function behind(key: Buffer): Buffer {
  const next = Buffer.from(key.length > KEY_BYTES_MAX ? key.subarray(0, CUT_BYTES) : key)
  let at = next.length - 1
  while (at >= 0 && next[at] === 255) at--
  if (at < 0) return Buffer.from([255, 255, 255])
  next[at]!++
  return next.subarray(0, at + 1)
}

function withoutOverlap(ranges: readonly KeyRange[]): KeyRange[] {
  const sorted = [...ranges].sort((a, b) => Buffer.compare(a.start, b.start))
  const result: KeyRange[] = []
  for (const range of sorted) {
    if (Buffer.compare(range.start, range.end) >= 0) continue
    const last = result.at(-1)
    if (last && Buffer.compare(range.start, last.end) <= 0) {
      if (Buffer.compare(range.end, last.end) > 0)
        result[result.length - 1] = { start: last.start, end: range.end }
    } else result.push(range)
  }
  return result
}

function edgesText(range: Demand & { kind: 'range' }, isDescending: boolean): string {
  const low = range.low ? shellText(range.low.value) : (RANK_LOW[range.rank] ?? 'MinKey')
  const high = range.high ? shellText(range.high.value) : (RANK_HIGH[range.rank] ?? 'MaxKey')
  const open = range.low?.isInclusive === false ? '(' : '['
  const close = range.high?.isInclusive === false || (!range.high && range.rank !== 15) ? ')' : ']'
  if (!isDescending) return `${open}${low}, ${high}${close}`
  return `${close === ')' ? '(' : '['}${high}, ${low}${open === '(' ? ')' : ']'}`
}
const RANK_LOW: Readonly<Record<number, string>> = {
  15: '-inf',
  20: '""',
  25: '{}',
  50: 'new Date(-9223372036854775808)',
  45: 'false',
}
const RANK_HIGH: Readonly<Record<number, string>> = {
  15: 'inf',
  20: '{}',
  25: '[]',
  50: 'new Date(9223372036854775807)',
  45: 'true',
}
