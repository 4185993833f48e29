import { compareValues } from '../bson/compare.ts'
import { arrayValue } from '../bson/encode.ts'
import { isTruthy, numberOf, toInteger } from '../bson/number.ts'
import { BsonType, typeName } from '../bson/types.ts'
import {
  boolValue,
  elementsOf,
  entriesOf,
  intValue,
  MISSING,
  NULL,
  stringValue,
  Value,
} from '../bson/value.ts'
import { DocumentWriter } from '../bson/writer.ts'
import { codeError, type ErrorName } from '../errors.ts'
import {
  AverageAccumulator,
  MaxAccumulator,
  MinAccumulator,
  SumAccumulator,
} from './accumulators.ts'
import {
  binary,
  type Expression,
  type OperatorCompiler,
  type OperatorTable,
  operands,
  unary,
  variadic,
} from './operator.ts'

function wantArray(name: string, value: Value, code: ErrorName): Value[] {
  if (value.type !== BsonType.array)
    throw codeError(
      code,
      `The argument to ${name} must be an array, but was of type: ${typeName(value.type)}`,
    )
  return elementsOf(value)
}

const elementAt = binary('$arrayElemAt', (array, position) => {
  if (array.isNullish || position.isNullish) return NULL
  const elements = wantArray('$arrayElemAt', array, 'Location28689')
  const index = numberOf(position)
  if (index === undefined || !Number.isInteger(index))
    throw codeError('Location28690', "$arrayElemAt's second argument must be a whole number")
  return elements.at(index) ?? MISSING
})

const slice = variadic(
  '$slice',
  ([array, first, second]) => {
    if (array!.isNullish || first!.isNullish || second?.isNullish) return NULL
    const elements = wantArray('$slice', array!, 'Location28724')
    const a = numberOf(first!)
    const b = second ? numberOf(second) : undefined
    if (a === undefined || !Number.isInteger(a) || (second && !Number.isInteger(b)))
      throw codeError('Location28725', '$slice needs whole numbers')
    if (b === undefined) return arrayValue(a < 0 ? elements.slice(a) : elements.slice(0, a))
    if (b <= 0) throw codeError('Location28729', 'Third argument to $slice must be positive')
    const start = a < 0 ? Math.max(0, elements.length + a) : a
    return arrayValue(elements.slice(start, start + b))
  },
  2,
  3,
)

const concatArrays = variadic('$concatArrays', (values) => {
  const all: Value[] = []
  for (const value of values) {
    if (value.isNullish) return NULL
    for (const element of wantArray('$concatArrays', value, 'Location28664')) all.push(element)
  }
  return arrayValue(all)
})

/** The fields of `$map`, `$filter` and `$reduce`: `input` and others that see variables. */
function loopFields(name: string, argument: Value, known: readonly string[]): Map<string, Value> {
  if (argument.type !== BsonType.object)
    throw codeError('Location28646', `${name} only supports an object as its argument`)
  const fields = new Map(entriesOf(argument))
  for (const field of fields.keys())
    if (!known.includes(field))
      throw codeError('Location28647', `Unrecognized parameter to ${name}: ${field}`)
  if (!fields.has('input')) throw codeError('Location28648', `Missing 'input' parameter to ${name}`)
  return fields
}

function variableName(fields: Map<string, Value>): string {
  const name = fields.get('as')
  if (!name) return 'this'
  if (name.type !== BsonType.string || !/^[a-z\u0080-\uffff][\w\u0080-\uffff]*$/.test(name.text))
    throw codeError('FailedToParse', `'as' is no valid variable name`)
  return name.text
}

const mapping: OperatorCompiler = (argument, compile) => {
  const fields = loopFields('$map', argument, ['input', 'as', 'in'])
  const name = variableName(fields)
  const body = fields.get('in')
  if (!body) throw codeError('Location16882', "Missing 'in' parameter to $map")
  const input = compile(fields.get('input')!)
  const inner = compile(body, [name])
  return (root, variables) => {
    const array = input(root, variables)
    if (array.isNullish) return NULL
    return arrayValue(
      wantArray('$map', array, 'Location16883').map((value) => {
        const result = inner(root, { name, value, next: variables })
        return result.isMissing ? NULL : result
      }),
    )
  }
}

const filtering: OperatorCompiler = (argument, compile) => {
  const fields = loopFields('$filter', argument, ['input', 'as', 'cond', 'limit'])
  const name = variableName(fields)
  const condition = fields.get('cond')
  if (!condition) throw codeError('Location28650', "Missing 'cond' parameter to $filter")
  const input = compile(fields.get('input')!)
  const test = compile(condition, [name])
  const limit = fields.has('limit') ? compile(fields.get('limit')!) : undefined
  return (root, variables) => {
    const array = input(root, variables)
    if (array.isNullish) return NULL
    const kept = wantArray('$filter', array, 'Location28651').filter((value) =>
      isTruthy(test(root, { name, value, next: variables })),
    )
    const most = limit && numberOf(limit(root, variables))
    return arrayValue(most === undefined ? kept : kept.slice(0, most))
  }
}

const reducing: OperatorCompiler = (argument, compile) => {
  const fields = loopFields('$reduce', argument, ['input', 'initialValue', 'in'])
  const initial = fields.get('initialValue')
  const body = fields.get('in')
  if (!initial || !body)
    throw codeError('Location40077', "$reduce requires 'initialValue' and 'in' to be specified")
  const input = compile(fields.get('input')!)
  const start = compile(initial)
  const inner = compile(body, ['this', 'value'])
  return (root, variables) => {
    const array = input(root, variables)
    if (array.isNullish) return NULL
    let value = start(root, variables)
    for (const element of wantArray('$reduce', array, 'Location40080'))
      value = inner(root, {
        name: 'this',
        value: element,
        next: { name: 'value', value, next: variables },
      })
    return value
  }
}

const range = variadic(
  '$range',
  ([start, end, step]) => {
    const [from, to, by] = [start!, end!, step].map((value) => (value ? toInteger(value) : 1n))
    if (from === undefined || to === undefined || by === undefined)
      throw codeError('Location34443', '$range requires whole numbers')
    if (by === 0n) throw codeError('Location34449', '$range requires a non-zero step value')
    if ((to - from) / by > 1_000_000n)
      throw codeError('ExceededMemoryLimit', '$range would use too much memory')
    const values: Value[] = []
    for (let value = from; by > 0n ? value < to : value > to; value += by)
      values.push(intValue(Number(value)))
    return arrayValue(values)
  },
  2,
  3,
)

const mergeObjects = variadic('$mergeObjects', (values) => {
  const fields = new Map<string, Value>()
  for (const value of values) {
    if (value.isNullish) continue
    if (value.type !== BsonType.object)
      throw codeError(
        'Location40400',
        `$mergeObjects requires object inputs, but input is of type ${typeName(value.type)}`,
      )
    for (const [name, field] of entriesOf(value)) fields.set(name, field)
  }
  return documentOf(fields)
})

function documentOf(fields: Iterable<readonly [string, Value]>): Value {
  const writer = new DocumentWriter().begin()
  for (const [name, value] of fields) writer.value(name, value)
  return new Value(BsonType.object, writer.end().take(), 0)
}

const objectToArray = unary('$objectToArray', (value) => {
  if (value.isNullish) return NULL
  if (value.type !== BsonType.object)
    throw codeError(
      'Location40390',
      `$objectToArray requires a document input, found: ${typeName(value.type)}`,
    )
  return arrayValue(
    [...entriesOf(value)].map(([name, field]) =>
      documentOf([
        ['k', stringValue(name)],
        ['v', field],
      ]),
    ),
  )
})

const arrayToObject = unary('$arrayToObject', (value) => {
  if (value.isNullish) return NULL
  const fields = new Map<string, Value>()
  for (const element of wantArray('$arrayToObject', value, 'Location40386')) {
    const pair =
      element.type === BsonType.array
        ? elementsOf(element)
        : [...entriesOf(element)]
            .filter(([name]) => name === 'k' || name === 'v')
            .map(([, field]) => field)
    if (pair.length !== 2 || pair[0]!.type !== BsonType.string)
      throw codeError('Location40392', '$arrayToObject requires pairs of a string and a value')
    fields.set(pair[0]!.text, pair[1]!)
  }
  return documentOf(fields)
})

/** `$sum`, `$avg`, `$min` and `$max` over one array or over several operands. */
const folding =
  (name: string, make: () => { add(value: Value): void; result(): Value }): OperatorCompiler =>
  (argument, compile) => {
    const all: Expression[] = operands(name, argument, compile, 0, Number.POSITIVE_INFINITY)
    return (root, variables) => {
      const accumulator = make()
      for (const operand of all) {
        const value = operand(root, variables)
        if (all.length === 1 && value.type === BsonType.array)
          for (const element of elementsOf(value)) accumulator.add(element)
        else accumulator.add(value)
      }
      return accumulator.result()
    }
  }

const getField: OperatorCompiler = (argument, compile) => {
  let name: Value | undefined = argument
  let input: Expression = (root) => root
  if (argument.type === BsonType.object)
    for (const [field, value] of entriesOf(argument)) {
      if (field === 'field') name = value
      else if (field === 'input') input = compile(value)
      else throw codeError('Location3041701', `$getField found an unknown argument: ${field}`)
    }
  if (name.type !== BsonType.string)
    throw codeError('Location5654601', "$getField requires 'field' to be a string")
  const { text } = name
  return (root, variables) => {
    const document = input(root, variables)
    if (document.type !== BsonType.object) return document.isNullish ? NULL : MISSING
    for (const [field, value] of entriesOf(document)) if (field === text) return value
    return MISSING
  }
}

/** Operators of arrays and documents. */
export const arrayOperators: OperatorTable = {
  $arrayElemAt: elementAt,
  $slice: slice,
  $concatArrays: concatArrays,
  $map: mapping,
  $filter: filtering,
  $reduce: reducing,
  $range: range,
  $size: unary('$size', (value) => intValue(wantArray('$size', value, 'Location17124').length)),
  $isArray: unary('$isArray', (value) => boolValue(value.type === BsonType.array)),
  $in: binary('$in', (value, array) =>
    boolValue(
      wantArray('$in', array, 'Location40081').some((other) => compareValues(value, other) === 0),
    ),
  ),
  $indexOfArray: binary('$indexOfArray', (array, value) =>
    array.isNullish
      ? NULL
      : intValue(
          wantArray('$indexOfArray', array, 'Location40090').findIndex(
            (other) => compareValues(value, other) === 0,
          ),
        ),
  ),
  $reverseArray: unary('$reverseArray', (value) =>
    value.isNullish
      ? NULL
      : arrayValue(wantArray('$reverseArray', value, 'Location34435').reverse()),
  ),
  $first: unary('$first', (value) =>
    value.isNullish ? NULL : (wantArray('$first', value, 'Location28689')[0] ?? MISSING),
  ),
  $last: unary('$last', (value) =>
    value.isNullish ? NULL : (wantArray('$last', value, 'Location28689').at(-1) ?? MISSING),
  ),
  $mergeObjects: mergeObjects,
  $objectToArray: objectToArray,
  $arrayToObject: arrayToObject,
  $getField: getField,
  $sum: folding('$sum', () => new SumAccumulator()),
  $avg: folding('$avg', () => new AverageAccumulator()),
  $min: folding('$min', () => new MinAccumulator()),
  $max: folding('$max', () => new MaxAccumulator()),
}
