import {
  decimalOfDoubleRounded,
  decimalText,
  decimalValue,
  finite,
  parseDecimal,
} from '../bson/decimal.ts'
import { isTruthy, numberOf, toInteger } from '../bson/number.ts'
import { BsonType, isNumber, typeName } from '../bson/types.ts'
import {
  boolValue,
  dateValue,
  doubleValue,
  intValue,
  longValue,
  NULL,
  stringValue,
  TRUE,
  Value,
} from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { parseDate } from './date-text.ts'
import { namedOperands, type OperatorCompiler, type OperatorTable, unary } from './operator.ts'

function refuse(value: Value, to: string, why = ''): never {
  throw codeError(
    'ConversionFailure',
    why
      ? `Failed to parse ${to} '${value.type === BsonType.string ? value.text : ''}' in $convert with no onError value: ${why}`
      : `Unsupported conversion from ${typeName(value.type)} to ${to} in $convert with no onError value`,
  )
}

/** The text of any value that `$toString` takes. */
export function textOf(value: Value): string {
  switch (value.type) {
    case BsonType.string:
    case BsonType.symbol:
      return value.text
    case BsonType.bool:
      return String(value.bool)
    case BsonType.int:
    case BsonType.long:
      return String(toInteger(value))
    case BsonType.double: {
      const number = numberOf(value)!
      if (Number.isNaN(number)) return 'NaN'
      return Number.isFinite(number) ? String(number) : number > 0 ? 'Infinity' : '-Infinity'
    }
    case BsonType.decimal:
      return decimalText(value)
    case BsonType.objectId:
      return value.raw.toString('hex')
    case BsonType.date:
      return new Date(value.millis).toISOString()
    default:
      return refuse(value, 'string')
  }
}

function toWhole(value: Value, to: 'int' | 'long'): Value {
  const make = (whole: bigint): Value => {
    const bits = to === 'int' ? 32 : 64
    if (BigInt.asIntN(bits, whole) !== whole)
      throw codeError(
        'ConversionFailure',
        `Conversion would overflow target type in $convert with no onError value: ${whole}`,
      )
    return to === 'int' ? intValue(Number(whole)) : longValue(whole)
  }
  if (value.type === BsonType.bool) return make(value.bool ? 1n : 0n)
  if (value.type === BsonType.string) {
    if (!/^[+-]?\d+$/.test(value.text)) refuse(value, 'number', 'Did not consume whole string.')
    return make(BigInt(value.text.replace('+', '')))
  }
  if (value.type === BsonType.date && to === 'long') return longValue(value.long)
  const whole = toInteger(value)
  if (whole !== undefined) return make(whole)
  if (isNumber(value.type))
    throw codeError(
      'ConversionFailure',
      `Attempt to convert ${textOf(value)} value to integer type in $convert with no onError value`,
    )
  return refuse(value, to)
}

function toDouble(value: Value): Value {
  if (value.type === BsonType.double) return value
  if (value.type === BsonType.bool) return doubleValue(value.bool ? 1 : 0)
  if (value.type === BsonType.date) return doubleValue(value.millis)
  if (value.type === BsonType.string) {
    if (
      !/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$|^[+-]?(?:inf|infinity|nan)$/i.test(value.text)
    )
      refuse(value, 'number', 'Did not consume whole string.')
    return doubleValue(Number(value.text.replace(/inf(?:inity)?/i, 'Infinity')))
  }
  return isNumber(value.type) ? doubleValue(numberOf(value)!) : refuse(value, 'double')
}

function toDecimal(value: Value): Value {
  switch (value.type) {
    case BsonType.decimal:
      return value
    case BsonType.bool:
      return decimalValue(finite(value.bool ? 1n : 0n, 0))
    case BsonType.int:
    case BsonType.long:
      return decimalValue(finite(toInteger(value)!, 0))
    case BsonType.double:
      return decimalValue(decimalOfDoubleRounded(numberOf(value)!))
    case BsonType.date:
      return decimalValue(finite(value.long, 0))
    case BsonType.string: {
      const decimal = parseDecimal(value.text)
      return decimal ? decimalValue(decimal) : refuse(value, 'number', 'it is no decimal')
    }
    default:
      return refuse(value, 'decimal')
  }
}

function toDate(value: Value): Value {
  switch (value.type) {
    case BsonType.date:
      return value
    case BsonType.long:
    case BsonType.double:
    case BsonType.decimal:
      return dateValue(Number(toInteger(value) ?? refuse(value, 'date')))
    case BsonType.objectId:
      return dateValue(value.bytes.readUInt32BE(value.at) * 1000)
    case BsonType.timestamp:
      return dateValue(value.bytes.readUInt32LE(value.at + 4) * 1000)
    case BsonType.string: {
      const millis = parseDate(value.text)
      if (millis === undefined)
        throw codeError('ConversionFailure', `Error parsing date string '${value.text}'`)
      return dateValue(millis)
    }
    default:
      return refuse(value, 'date')
  }
}

function toObjectId(value: Value): Value {
  if (value.type === BsonType.objectId) return value
  if (value.type !== BsonType.string) return refuse(value, 'objectId')
  if (!/^[0-9a-f]{24}$/i.test(value.text))
    refuse(value, 'objectId', 'it is not 24 hexadecimal digits')
  return new Value(BsonType.objectId, Buffer.from(value.text, 'hex'), 0)
}

const toBool = (value: Value): Value =>
  isNumber(value.type) || value.type === BsonType.bool ? boolValue(isTruthy(value)) : TRUE

const conversions: Readonly<Record<string, (value: Value) => Value>> = {
  int: (value) => toWhole(value, 'int'),
  long: (value) => toWhole(value, 'long'),
  double: toDouble,
  decimal: toDecimal,
  string: (value) => stringValue(textOf(value)),
  date: toDate,
  objectId: toObjectId,
  bool: toBool,
}

const converting = (name: string, to: string): OperatorCompiler =>
  unary(name, (value) => (value.isNullish ? NULL : conversions[to]!(value)))

const convert: OperatorCompiler = (argument, compile) => {
  const named = namedOperands('$convert', argument, compile, {
    input: 'required',
    to: 'required',
    onError: 'optional',
    onNull: 'optional',
  })
  return (root, variables) => {
    const input = named.input!(root, variables)
    if (input.isNullish) return named.onNull?.(root, variables) ?? NULL
    const target = named.to!(root, variables)
    if (target.isNullish) return NULL
    const type =
      target.type === BsonType.string ? target.text : typeName(numberOf(target) ?? BsonType.missing)
    const conversion = conversions[type]
    if (!conversion) throw codeError('BadValue', `Unknown type name: ${type}`)
    try {
      return conversion(input)
    } catch (error) {
      if (!named.onError) throw error
      return named.onError(root, variables)
    }
  }
}

/** Operators of types and conversions. */
export const typeOperators: OperatorTable = {
  $type: unary('$type', (value) => stringValue(typeName(value.type))),
  $isNumber: unary('$isNumber', (value) => boolValue(isNumber(value.type))),
  $toInt: converting('$toInt', 'int'),
  $toLong: converting('$toLong', 'long'),
  $toDouble: converting('$toDouble', 'double'),
  $toDecimal: converting('$toDecimal', 'decimal'),
  $toString: converting('$toString', 'string'),
  $toDate: converting('$toDate', 'date'),
  $toObjectId: converting('$toObjectId', 'objectId'),
  $toBool: converting('$toBool', 'bool'),
  $convert: convert,
}
