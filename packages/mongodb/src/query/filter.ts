import { compileExpression } from '../aggregate/expression.ts'
import type { Scope } from '../aggregate/operator.ts'
import { compareAt, compareValues } from '../bson/compare.ts'
import { ElementCursor } from '../bson/element.ts'
import { isTruthy, numberOf, toInteger } from '../bson/number.ts'
import { BsonType, typeName, typeOfName, typeRank } from '../bson/types.ts'
import { elementsOf, entriesOf, Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { anyAtPath, parsePath, type ValueTest } from './path.ts'
import { compileRegex } from './regex.ts'

/** Whether a document matches. */
export type Matcher = (doc: Buffer, at?: number) => boolean

const DEPTH_MAX = 100

/**
 * Compiles a filter document.
 *
 * @throws MongoError BadValue and others, worded as MongoDB words them.
 */
export function compileFilter(filter: Value, scope?: Scope, depth = 0): Matcher {
  if (filter.type !== BsonType.object) throw codeError('BadValue', 'a filter must be an object')
  if (depth > DEPTH_MAX) throw codeError('BadValue', 'exceeded maximum query tree depth')
  const all: Matcher[] = []
  for (const [name, value] of entriesOf(filter)) {
    const matcher = name.startsWith('$')
      ? compileLogical(name, value, scope, depth)
      : compileField(name, value, depth)
    if (matcher) all.push(matcher)
  }
  return conjunction(all)
}

function conjunction(all: readonly Matcher[]): Matcher {
  const [first, second] = all
  if (!first) return () => true
  if (!second) return first
  if (all.length === 2) return (doc, at) => first(doc, at) && second(doc, at)
  return (doc, at) => {
    for (const matcher of all) if (!matcher(doc, at)) return false
    return true
  }
}

function compileLogical(
  name: string,
  value: Value,
  scope: Scope | undefined,
  depth: number,
): Matcher | undefined {
  switch (name) {
    case '$and':
      return conjunction(branches(name, value, scope, depth))
    case '$or': {
      const any = branches(name, value, scope, depth)
      return (doc, at) => any.some((matcher) => matcher(doc, at))
    }
    case '$nor': {
      const none = branches(name, value, scope, depth)
      return (doc, at) => !none.some((matcher) => matcher(doc, at))
    }
    case '$expr': {
      const expression = compileExpression(value, scope?.names)
      return (doc, at = 0) =>
        isTruthy(expression(new Value(BsonType.object, doc, at), scope?.variables))
    }
    case '$comment':
      return undefined
    case '$alwaysTrue':
      return () => true
    case '$alwaysFalse':
      return () => false
    case '$where':
    case '$text':
    case '$jsonSchema':
    case '$sampleRate':
      throw codeError('BadValue', `${name} is not supported yet`)
    default:
      throw codeError(
        'BadValue',
        `unknown top level operator: ${name}. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.`,
      )
  }
}

function branches(name: string, value: Value, scope: Scope | undefined, depth: number): Matcher[] {
  if (value.type !== BsonType.array) throw codeError('BadValue', `${name} must be an array`)
  const filters = elementsOf(value)
  if (filters.length === 0) throw codeError('BadValue', '$and/$or/$nor must be a nonempty array')
  return filters.map((filter) => {
    if (filter.type !== BsonType.object)
      throw codeError('BadValue', '$or/$and/$nor entries need to be full objects')
    return compileFilter(filter, scope, depth + 1)
  })
}

/** Whether a value is a document of operators, such as `{$gt: 5}`. */
export function isOperators(value: Value): boolean {
  if (value.type !== BsonType.object) return false
  const cursor = new ElementCursor(value.bytes, value.at)
  if (!cursor.next() || value.bytes[cursor.nameAt] !== 0x24) return false
  // A DBRef is a value.
  return !['$ref', '$id', '$db'].includes(cursor.name)
}

function compileField(name: string, value: Value, depth: number): Matcher {
  if (!isOperators(value)) return atPath(name, equalityTest(value), true)
  return compileOperators(name, value, depth)
}

function atPath(path: string, test: ValueTest, spreadsLeaf: boolean): Matcher {
  const parsed = parsePath(path)
  return (doc, at = 0) => anyAtPath(doc, at, parsed, 0, test, spreadsLeaf)
}

function compileOperators(path: string, operators: Value, depth: number): Matcher {
  const all: Matcher[] = []
  for (const [name, operand] of entriesOf(operators)) {
    const matcher = compileOperator(path, name, operand, operators, depth)
    if (matcher) all.push(matcher)
  }
  return conjunction(all)
}

const not =
  (matcher: Matcher): Matcher =>
  (doc, at) =>
    !matcher(doc, at)

function compileOperator(
  path: string,
  name: string,
  operand: Value,
  siblings: Value,
  depth: number,
): Matcher | undefined {
  switch (name) {
    case '$eq':
      return atPath(path, equalityTest(operand, true), true)
    case '$ne':
      refuseRegex(name, operand)
      return not(atPath(path, equalityTest(operand, true), true))
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      refuseRegex(name, operand)
      return atPath(path, orderTest(name, operand), true)
    case '$in':
      return atPath(path, inTest(name, operand), true)
    case '$nin':
      return not(atPath(path, inTest(name, operand), true))
    case '$exists': {
      const exists = atPath(path, (type) => type !== BsonType.missing, false)
      return isTruthy(operand) ? exists : not(exists)
    }
    case '$type':
      return atPath(path, typeTest(operand), true)
    case '$mod':
      return atPath(path, modTest(operand), true)
    case '$regex': {
      const options = [...entriesOf(siblings)].find(([other]) => other === '$options')?.[1]
      return atPath(path, regexTest(operand, options), true)
    }
    case '$options':
      if ([...entriesOf(siblings)].some(([other]) => other === '$regex')) return undefined
      throw codeError('BadValue', '$options needs a $regex')
    case '$size':
      return atPath(path, sizeTest(operand), false)
    case '$all':
      return compileAll(path, operand, depth)
    case '$elemMatch':
      return atPath(path, elementTest(operand, depth), false)
    case '$not': {
      if (operand.type === BsonType.regex) return not(atPath(path, regexTest(operand), true))
      if (operand.type !== BsonType.object)
        throw codeError('BadValue', '$not needs a regex or a document')
      if (!isOperators(operand)) {
        if (operand.size <= 5) throw codeError('BadValue', '$not cannot be empty')
        const [first] = entriesOf(operand)
        throw codeError('BadValue', `unknown operator: ${first![0]}`)
      }
      return not(compileOperators(path, operand, depth + 1))
    }
    case '$comment':
      return undefined
    case '$bitsAllSet':
    case '$bitsAllClear':
    case '$bitsAnySet':
    case '$bitsAnyClear':
    case '$geoWithin':
    case '$geoIntersects':
    case '$near':
    case '$nearSphere':
      throw codeError('BadValue', `${name} is not supported yet`)
    default:
      throw codeError('BadValue', `unknown operator: ${name}`)
  }
}

function refuseRegex(name: string, operand: Value): void {
  if (operand.type === BsonType.regex)
    throw codeError('BadValue', `Can't have RegEx as arg to predicate over field with ${name}`)
}

/** Equality, null standing for missing too; a regular expression matches text unless `isLiteral`. */
function equalityTest(operand: Value, isLiteral = false): ValueTest {
  if (operand.type === BsonType.regex && !isLiteral) return regexTest(operand)
  if (operand.isNullish) return isNullish
  const { type: wanted, bytes: wantedBytes, at: wantedAt } = operand
  const rank = typeRank(wanted)
  return (type, bytes, at) =>
    typeRank(type) === rank && compareAt(bytes, type, at, wantedBytes, wanted, wantedAt) === 0
}

const isNullish = (type: number): boolean =>
  type === BsonType.missing || type === BsonType.null || type === BsonType.undefined

function orderTest(name: string, operand: Value): ValueTest {
  const includesEqual = name === '$gte' || name === '$lte'
  const sign = name === '$gt' || name === '$gte' ? 1 : -1
  if (operand.isNullish) return includesEqual ? isNullish : () => false
  const { type: wanted, bytes: wantedBytes, at: wantedAt } = operand
  const rank = typeRank(wanted)
  const isEdge = wanted === BsonType.minKey || wanted === BsonType.maxKey
  const isNan = isNanValue(wanted, wantedBytes, wantedAt)
  return (type, bytes, at) => {
    if (type === BsonType.missing) return false
    // Values of another type are no candidates, except against MinKey and MaxKey.
    if (typeRank(type) !== rank && !isEdge) return false
    const order = compareAt(bytes, type, at, wantedBytes, wanted, wantedAt)
    if (order === 0) return includesEqual
    if (isNan || isNanValue(type, bytes, at)) return false
    return order * sign > 0
  }
}

function isNanValue(type: number, bytes: Buffer, at: number): boolean {
  if (type === BsonType.double) return Number.isNaN(bytes.readDoubleLE(at))
  return type === BsonType.decimal && (bytes[at + 15]! & 0x7c) === 0x7c
}

function inTest(name: string, operand: Value): ValueTest {
  if (operand.type !== BsonType.array) throw codeError('BadValue', `${name} needs an array`)
  const values: Value[] = []
  const regexes: ValueTest[] = []
  let hasNull = false
  for (const value of elementsOf(operand)) {
    if (isOperators(value)) throw codeError('BadValue', `cannot nest $ under ${name}`)
    if (value.type === BsonType.regex) regexes.push(regexTest(value))
    else if (value.isNullish) hasNull = true
    else values.push(value)
  }
  values.sort(compareValues)
  return (type, bytes, at) => {
    if (hasNull && isNullish(type)) return true
    let low = 0
    let high = values.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const candidate = values[middle]!
      const order = compareAt(bytes, type, at, candidate.bytes, candidate.type, candidate.at)
      if (order === 0) return true
      if (order < 0) high = middle - 1
      else low = middle + 1
    }
    for (const test of regexes) if (test(type, bytes, at)) return true
    return false
  }
}

function typeTest(operand: Value): ValueTest {
  const wanted = new Set<number>()
  const operands = operand.type === BsonType.array ? elementsOf(operand) : [operand]
  if (operands.length === 0) throw codeError('FailedToParse', '$type must match at least one type')
  for (const one of operands) {
    if (one.type === BsonType.string) {
      if (one.text === 'number') {
        for (const type of [BsonType.double, BsonType.int, BsonType.long, BsonType.decimal])
          wanted.add(type)
        continue
      }
      const type = typeOfName(one.text)
      if (type === undefined) throw codeError('BadValue', `Unknown type name alias: ${one.text}`)
      wanted.add(type)
    } else {
      const code = numberOf(one)
      const type = code === -1 ? BsonType.minKey : code
      if (code === undefined || !Number.isInteger(type) || type === 0 || typeRank(type!) === 255)
        throw codeError('BadValue', `Invalid numerical type code: ${code ?? typeName(one.type)}`)
      wanted.add(type!)
    }
  }
  return (type) => wanted.has(type)
}

function modTest(operand: Value): ValueTest {
  const parts = operand.type === BsonType.array ? elementsOf(operand) : []
  if (parts.length !== 2)
    throw codeError(
      'BadValue',
      operand.type === BsonType.array
        ? `malformed mod, ${parts.length < 2 ? 'not enough' : 'too many'} elements`
        : 'malformed mod, needs to be an array',
    )
  const divisor = toInteger(parts[0]!)
  const remainder = toInteger(parts[1]!)
  if (divisor === undefined) throw codeError('BadValue', 'malformed mod, divisor not a number')
  if (remainder === undefined) throw codeError('BadValue', 'malformed mod, remainder not a number')
  if (divisor === 0n) throw codeError('BadValue', 'divisor cannot be 0')
  return (type, bytes, at) => {
    const value = toInteger(new Value(type, bytes, at))
    return value !== undefined && value % divisor === remainder
  }
}

function regexTest(operand: Value, options?: Value): ValueTest {
  const { pattern, flags } =
    operand.type === BsonType.regex
      ? operand.regex
      : { pattern: textOf(operand, '$regex has to be a string'), flags: '' }
  if (options && options.type !== BsonType.string)
    throw codeError('BadValue', '$options has to be a string')
  const regex = compileRegex(pattern, options ? options.text : flags)
  return (type, bytes, at) => {
    if (type === BsonType.string || type === BsonType.symbol)
      return regex.test(new Value(type, bytes, at).text)
    if (type !== BsonType.regex) return false
    const stored = new Value(type, bytes, at).regex
    return stored.pattern === pattern && stored.flags === (options ? options.text : flags)
  }
}

function textOf(value: Value, message: string): string {
  if (value.type !== BsonType.string) throw codeError('BadValue', message)
  return value.text
}

function sizeTest(operand: Value): ValueTest {
  const wanted = numberOf(operand)
  if (wanted === undefined)
    throw codeError(
      'FailedToParse',
      `Failed to parse $size. Expected a number in: $size: ${typeName(operand.type)}`,
    )
  if (!Number.isInteger(wanted))
    throw codeError('FailedToParse', `Failed to parse $size. Expected an integer: $size: ${wanted}`)
  if (wanted < 0)
    throw codeError(
      'FailedToParse',
      `Failed to parse $size. Expected a non-negative number in: $size: ${wanted}`,
    )
  return (type, bytes, at) => {
    if (type !== BsonType.array) return false
    const cursor = new ElementCursor(bytes, at)
    let count = 0
    while (cursor.next()) count++
    return count === wanted
  }
}

function compileAll(path: string, operand: Value, depth: number): Matcher {
  if (operand.type !== BsonType.array) throw codeError('BadValue', '$all needs an array')
  const values = elementsOf(operand)
  if (values.length === 0) return () => false
  return conjunction(
    values.map((value) => {
      if (isOperators(value)) {
        const entries = [...entriesOf(value)]
        if (entries.length === 1 && entries[0]![0] === '$elemMatch')
          return atPath(path, elementTest(entries[0]![1], depth), false)
        throw codeError('BadValue', 'no $ expressions in $all')
      }
      return atPath(path, equalityTest(value), true)
    }),
  )
}

function elementTest(operand: Value, depth: number): ValueTest {
  if (operand.type !== BsonType.object) throw codeError('BadValue', '$elemMatch needs an Object')
  const isValueMatch =
    isOperators(operand) &&
    !['$and', '$or', '$nor', '$expr', '$where'].includes([...entriesOf(operand)][0]![0])
  // Operators apply to the elements themselves: each is put into a document with one field.
  const matches = isValueMatch ? undefined : compileFilter(operand, undefined, depth + 1)
  const tests = isValueMatch ? compileElementOperators(operand, depth) : undefined
  return (type, bytes, at) => {
    if (type !== BsonType.array) return false
    const cursor = new ElementCursor(bytes, at)
    while (cursor.next()) {
      if (tests) {
        if (tests(cursor.type, bytes, cursor.at)) return true
      } else if (
        (cursor.type === BsonType.object || cursor.type === BsonType.array) &&
        matches!(bytes, cursor.at)
      )
        return true
    }
    return false
  }
}

/** Tests one value by a document of operators: what `$elemMatch` and `$pull` need. */
export function compileElementOperators(operators: Value, depth = 0): ValueTest {
  const matches = compileOperators('0', operators, depth + 1)
  return (type, bytes, at) => {
    const value = new Value(type, bytes, at)
    const size = value.size
    const doc = Buffer.allocUnsafe(size + 8)
    doc.writeInt32LE(size + 8, 0)
    doc[4] = type
    doc[5] = 0x30
    doc[6] = 0
    bytes.copy(doc, 7, at, at + size)
    doc[size + 7] = 0
    return matches(doc, 0)
  }
}
