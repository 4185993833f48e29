import { compareValues, isIdentical } from '../bson/compare.ts'
import { arrayValue } from '../bson/encode.ts'
import { add, multiply, numberOf, toInteger } from '../bson/number.ts'
import { BsonType, isNumber, typeName } from '../bson/types.ts'
import { dateValue, elementsOf, entriesOf, intValue, longValue, Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { compileElementOperators, compileFilter, isOperators } from '../query/filter.ts'
import { shellText } from '../query/shell-text.ts'
import { parseSort, sortKeyOf } from '../query/sort.ts'
import type { MutableNode } from './mutable.ts'

/** Changes one field: what it holds (undefined where it is missing) to what it shall hold. */
export type FieldChange = (
  current: Value | undefined,
  path: string,
  root: MutableNode,
) => Value | typeof REMOVED | undefined

/** The field is to be taken away. `undefined` instead leaves everything as it is. */
export const REMOVED: unique symbol = Symbol('removed')

type MakeChange = (operand: Value, path: string) => FieldChange

/** Operators that leave a path alone which is not there. */
export const onlyExisting: ReadonlySet<string> = new Set(['$unset', '$pop', '$pull', '$pullAll'])

function named(root: MutableNode, path: string, current: Value): string {
  const id = root.get('_id')
  return `{_id: ${id ? shellText(id) : 'null'}} has the field '${path}' of non-numeric type ${typeName(current.type)}`
}

const arithmetic =
  (
    name: string,
    apply: (a: Value, b: Value) => Value | undefined,
    absent: (operand: Value) => Value,
  ): MakeChange =>
  (operand, operandPath) => {
    if (!isNumber(operand.type))
      throw codeError(
        'TypeMismatch',
        `Cannot ${name === '$inc' ? 'increment' : 'multiply'} with non-numeric argument: {${operandPath}: ${shellText(operand)}}`,
      )
    return (current, path, root) => {
      if (!current) return absent(operand)
      if (!isNumber(current.type))
        throw codeError(
          'TypeMismatch',
          `Cannot apply ${name} to a value of non-numeric type. ${named(root, path, current)}`,
        )
      const result = apply(current, operand)
      if (!result)
        throw codeError(
          'BadValue',
          `Failed to apply ${name} operations to current value (${shellText(current)}) for document`,
        )
      return result
    }
  }

const extreme =
  (sign: 1 | -1): MakeChange =>
  (operand) =>
  (current) =>
    !current || compareValues(operand, current) * sign > 0 ? operand : undefined

function zeroLike(operand: Value): Value {
  return operand.type === BsonType.long
    ? longValue(0n)
    : (multiply(operand, intValue(0)) ?? intValue(0))
}

function timestampNow(): Value {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(1, 0)
  bytes.writeUInt32LE(Math.floor(Date.now() / 1000), 4)
  return new Value(BsonType.timestamp, bytes, 0)
}

const currentDate: MakeChange = (operand, path) => {
  if (operand.type === BsonType.bool) return () => dateValue(Date.now())
  const type = operand.type === BsonType.object ? [...entriesOf(operand)][0] : undefined
  if (type?.[0] === '$type' && type[1].type === BsonType.string) {
    if (type[1].text === 'date') return () => dateValue(Date.now())
    if (type[1].text === 'timestamp') return timestampNow
  }
  throw codeError(
    'BadValue',
    `The '$currentDate' of '${path}' must be true or {$type: 'date'|'timestamp'}`,
  )
}

function wantArray(name: string, current: Value, path: string): Value[] {
  if (current.type !== BsonType.array)
    throw codeError(
      'BadValue',
      name === '$push' || name === '$addToSet'
        ? `The field '${path}' must be an array but is of type ${typeName(current.type)}`
        : `Cannot apply ${name} to a non-array value`,
    )
  return elementsOf(current)
}

interface PushModifiers {
  readonly values: readonly Value[]
  readonly slice: number | undefined
  readonly position: number | undefined
  readonly compare: ((a: Value, b: Value) => number) | undefined
}

function pushModifiers(operand: Value): PushModifiers {
  const fields = operand.type === BsonType.object ? new Map(entriesOf(operand)) : undefined
  const each = fields?.get('$each')
  if (!fields || !each)
    return { values: [operand], slice: undefined, position: undefined, compare: undefined }
  if (each.type !== BsonType.array)
    throw codeError(
      'BadValue',
      `The argument to $each in $push must be an array but it was of type: ${typeName(each.type)}`,
    )
  for (const name of fields.keys())
    if (!['$each', '$slice', '$sort', '$position'].includes(name))
      throw codeError('BadValue', `Unrecognized clause in $push: ${name}`)
  const whole = (name: string): number | undefined => {
    const value = fields.get(name)
    if (!value) return undefined
    const number = numberOf(value)
    if (number === undefined || !Number.isInteger(number))
      throw codeError(
        'BadValue',
        `The value for ${name} must be an integer value but was given type: ${typeName(value.type)}`,
      )
    return number
  }
  const sort = fields.get('$sort')
  return {
    values: elementsOf(each),
    slice: whole('$slice'),
    position: whole('$position'),
    compare: sort && elementOrder(sort),
  }
}

function elementOrder(sort: Value): (a: Value, b: Value) => number {
  if (sort.type !== BsonType.object) {
    const direction = numberOf(sort)
    if (direction !== 1 && direction !== -1)
      throw codeError('BadValue', 'The $sort element value must be either 1 or -1')
    return (a, b) => compareValues(a, b) * direction
  }
  const keyOf = sortKeyOf(parseSort(sort))
  const key = (value: Value): Buffer =>
    keyOf(value.type === BsonType.object ? value.document : Buffer.from([5, 0, 0, 0, 0]))
  return (a, b) => Buffer.compare(key(a), key(b))
}

const push: MakeChange = (operand) => {
  const { values, slice, position, compare } = pushModifiers(operand)
  return (current, path) => {
    const elements = current ? wantArray('$push', current, path) : []
    const at =
      position === undefined
        ? elements.length
        : position < 0
          ? Math.max(0, elements.length + position)
          : Math.min(position, elements.length)
    let result = [...elements.slice(0, at), ...values, ...elements.slice(at)]
    if (compare) result.sort(compare)
    if (slice !== undefined) result = slice < 0 ? result.slice(slice) : result.slice(0, slice)
    return arrayValue(result)
  }
}

const addToSet: MakeChange = (operand) => {
  const fields = operand.type === BsonType.object ? [...entriesOf(operand)] : []
  const isEach = fields[0]?.[0] === '$each'
  if (isEach && (fields.length > 1 || fields[0]![1].type !== BsonType.array))
    throw codeError(
      'BadValue',
      '$addToSet: $each must be an array, and no other clause may stand beside it',
    )
  const values = isEach ? elementsOf(fields[0]![1]) : [operand]
  return (current, path) => {
    const elements = current ? wantArray('$addToSet', current, path) : []
    const before = elements.length
    for (const value of values)
      if (!elements.some((element) => compareValues(element, value) === 0)) elements.push(value)
    return current && elements.length === before ? undefined : arrayValue(elements)
  }
}

const pop: MakeChange = (operand, operandPath) => {
  const end = numberOf(operand)
  if (end !== 1 && end !== -1)
    throw codeError(
      'FailedToParse',
      `$pop expects 1 or -1, found: ${operandPath}: ${shellText(operand)}`,
    )
  return (current, path) => {
    if (!current) return undefined
    if (current.type !== BsonType.array)
      throw codeError(
        'TypeMismatch',
        `Path '${path}' contains an element of non-array type '${typeName(current.type)}'`,
      )
    const elements = elementsOf(current)
    if (elements.length === 0) return undefined
    return arrayValue(end === 1 ? elements.slice(0, -1) : elements.slice(1))
  }
}

const keep =
  (name: string, isGone: (element: Value) => boolean): FieldChange =>
  (current, path) => {
    if (!current) return undefined
    const elements = wantArray(name, current, path)
    const kept = elements.filter((element) => !isGone(element))
    return kept.length === elements.length ? undefined : arrayValue(kept)
  }

const pull: MakeChange = (operand) => {
  if (operand.type === BsonType.object) {
    if (isOperators(operand)) {
      const test = compileElementOperators(operand)
      return keep('$pull', ({ type, bytes, at }) => test(type, bytes, at))
    }
    const matches = compileFilter(operand)
    return keep(
      '$pull',
      (element) => element.type === BsonType.object && matches(element.bytes, element.at),
    )
  }
  if (operand.type === BsonType.regex) {
    const wrapped = arrayValue([operand])
    const test = compileElementOperators(inOperator(wrapped))
    return keep('$pull', ({ type, bytes, at }) => test(type, bytes, at))
  }
  return keep('$pull', (element) => compareValues(element, operand) === 0)
}

/** `{$in: values}` */
function inOperator(values: Value): Value {
  const name = Buffer.from('$in\0')
  const bytes = Buffer.concat([
    Buffer.alloc(4),
    Buffer.from([BsonType.array]),
    name,
    values.raw,
    Buffer.alloc(1),
  ])
  bytes.writeInt32LE(bytes.length, 0)
  return new Value(BsonType.object, bytes, 0)
}

const pullAll: MakeChange = (operand) => {
  if (operand.type !== BsonType.array)
    throw codeError(
      'BadValue',
      `$pullAll requires an array argument but was given a ${typeName(operand.type)}`,
    )
  const values = elementsOf(operand)
  return keep('$pullAll', (element) => values.some((value) => compareValues(element, value) === 0))
}

const bit: MakeChange = (operand) => {
  const parts = operand.type === BsonType.object ? [...entriesOf(operand)] : []
  if (parts.length === 0) throw codeError('BadValue', '$bit needs a document such as {and: 5}')
  return (current) => {
    let value: Value = current ?? intValue(0)
    for (const [name, mask] of parts) {
      const isWhole = (one: Value): boolean =>
        one.type === BsonType.int || one.type === BsonType.long
      if (!isWhole(value) || !isWhole(mask) || !['and', 'or', 'xor'].includes(name))
        throw codeError('BadValue', '$bit applies and, or, xor to whole numbers')
      const [a, b] = [toInteger(value)!, toInteger(mask)!]
      const result = name === 'and' ? a & b : name === 'or' ? a | b : a ^ b
      value =
        value.type === BsonType.long || mask.type === BsonType.long
          ? longValue(result)
          : intValue(Number(result))
    }
    return value
  }
}

/** Makes the change of each update operator. */
export const changes: Readonly<Record<string, MakeChange>> = {
  $set: (operand) => (current) => (current && isIdentical(current, operand) ? undefined : operand),
  $setOnInsert: (operand) => () => operand,
  $unset: () => (current) => (current ? REMOVED : undefined),
  $inc: arithmetic('$inc', add, (operand) => operand),
  $mul: arithmetic('$mul', multiply, zeroLike),
  $min: extreme(-1),
  $max: extreme(1),
  $currentDate: currentDate,
  $push: push,
  $addToSet: addToSet,
  $pop: pop,
  $pull: pull,
  $pullAll: pullAll,
  $bit: bit,
}
