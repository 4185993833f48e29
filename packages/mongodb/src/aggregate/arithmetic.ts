import {
  compareDecimals,
  decimalAt,
  decimalValue,
  finite,
  negateDecimal,
  truncateDecimal,
} from '../bson/decimal.ts'
import { add, divide, modulo, multiply, numberOf, subtract, toInteger } from '../bson/number.ts'
import { BsonType, isNumber, typeName } from '../bson/types.ts'
import { dateValue, doubleValue, intValue, longValue, NULL, type Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { binary, type OperatorTable, unary, variadic } from './operator.ts'

function wantNumber(name: string, value: Value): void {
  if (!isNumber(value.type))
    throw codeError(
      'Location28765',
      `${name} only supports numeric types, not ${typeName(value.type)}`,
    )
}

/** A result that left int64 goes on as a double. */
const orDouble = (result: Value | undefined, numbers: () => number): Value =>
  result ?? doubleValue(numbers())

function sum(values: readonly Value[]): Value {
  let total: Value = intValue(0)
  let date: Value | undefined
  for (const value of values) {
    if (value.isNullish) return NULL
    if (value.type === BsonType.date) {
      if (date) throw codeError('Location16612', 'only one date allowed in an $add expression')
      date = value
    } else if (!isNumber(value.type))
      throw codeError(
        'TypeMismatch',
        `$add only supports numeric or date types, not ${typeName(value.type)}`,
      )
    else {
      const before = total
      total = orDouble(add(before, value), () => numberOf(before)! + numberOf(value)!)
    }
  }
  return date ? dateValue(date.millis + Math.round(numberOf(total)!)) : total
}

function product(values: readonly Value[]): Value {
  let total: Value = intValue(1)
  for (const value of values) {
    if (value.isNullish) return NULL
    if (!isNumber(value.type))
      throw codeError(
        'TypeMismatch',
        `$multiply only supports numeric types, not ${typeName(value.type)}`,
      )
    const before = total
    total = orDouble(multiply(before, value), () => numberOf(before)! * numberOf(value)!)
  }
  return total
}

function difference(a: Value, b: Value): Value {
  if (a.isNullish || b.isNullish) return NULL
  if (a.type === BsonType.date) {
    if (b.type === BsonType.date) return longValue(a.long - b.long)
    if (isNumber(b.type)) return dateValue(a.millis - Math.round(numberOf(b)!))
  }
  if (!isNumber(a.type) || !isNumber(b.type))
    throw codeError('TypeMismatch', `can't $subtract ${typeName(b.type)} from ${typeName(a.type)}`)
  return orDouble(subtract(a, b), () => numberOf(a)! - numberOf(b)!)
}

function quotient(a: Value, b: Value): Value {
  if (a.isNullish || b.isNullish) return NULL
  if (!isNumber(a.type) || !isNumber(b.type))
    throw codeError(
      'TypeMismatch',
      `$divide only supports numeric types, not ${typeName(a.type)} and ${typeName(b.type)}`,
    )
  if (numberOf(b) === 0) throw codeError('BadValue', "can't $divide by zero")
  return divide(a, b)
}

function remainder(a: Value, b: Value): Value {
  if (a.isNullish || b.isNullish) return NULL
  if (!isNumber(a.type) || !isNumber(b.type))
    throw codeError(
      'Location16611',
      `$mod only supports numeric types, not ${typeName(a.type)} and ${typeName(b.type)}`,
    )
  if (numberOf(b) === 0) throw codeError('Location16610', "can't $mod by zero")
  return modulo(a, b)
}

/** A function of doubles; whole numbers go through `whole`, or become doubles. */
function numeric(
  name: string,
  double: (value: number) => number,
  whole?: (value: Value) => Value,
  decimal?: (value: Value) => Value,
): ReturnType<typeof unary> {
  return unary(name, (value) => {
    if (value.isNullish) return NULL
    wantNumber(name, value)
    if (whole && (value.type === BsonType.int || value.type === BsonType.long)) return whole(value)
    if (decimal && value.type === BsonType.decimal) return decimal(value)
    return doubleValue(double(numberOf(value)!))
  })
}

const same = (value: Value): Value => value

function absolute(value: Value): Value {
  const whole = toInteger(value)!
  if (whole >= 0n) return value
  if (value.type === BsonType.int && whole > -2147483648n) return intValue(Number(-whole))
  if (whole === -(2n ** 63n)) throw codeError('Location28680', "can't take $abs of long long min")
  return longValue(-whole)
}

/** A decimal rounded to a whole one: down, up, or toward zero. */
function wholeDecimal(value: Value, direction: -1 | 0 | 1): Value {
  const decimal = decimalAt(value.bytes, value.at)
  const cut = truncateDecimal(decimal)
  if (cut === undefined) return value
  const order = compareDecimals(decimal, finite(cut, 0))
  const step = order * direction > 0 ? BigInt(direction) : 0n
  return decimalValue(finite(cut + step, 0))
}

/** Rounds half to even, or cuts, at a decimal place. */
function toPlace(name: string, isRound: boolean) {
  return variadic(
    name,
    ([value, place]) => {
      if (value!.isNullish || place?.isNullish) return NULL
      wantNumber(name, value!)
      const places = place ? numberOf(place) : 0
      if (places === undefined || !Number.isInteger(places) || places < -20 || places > 100)
        throw codeError('Location51083', `${name} precision must be an integer between -20 and 100`)
      if (value!.type === BsonType.decimal)
        return decimalValue(shiftDecimal(value!, places, isRound))
      if (value!.type === BsonType.double) {
        const number = numberOf(value!)!
        return Number.isFinite(number) ? doubleValue(atPlace(number, places, isRound)) : value!
      }
      if (places >= 0) return value!
      const unit = 10n ** BigInt(-places)
      const whole = toInteger(value!)!
      const result = isRound ? roundHalfEven(whole, unit) : (whole / unit) * unit
      return value!.type === BsonType.int && BigInt.asIntN(32, result) === result
        ? intValue(Number(result))
        : longValue(result)
    },
    1,
    2,
  )
}

function roundHalfEven(value: bigint, unit: bigint): bigint {
  const isNegative = value < 0n
  const magnitude = isNegative ? -value : value
  let steps = magnitude / unit
  const rest = (magnitude % unit) * 2n
  if (rest > unit || (rest === unit && steps % 2n === 1n)) steps++
  return (isNegative ? -steps : steps) * unit
}

function shiftDecimal(
  value: Value,
  places: number,
  isRound: boolean,
): ReturnType<typeof decimalAt> {
  const decimal = decimalAt(value.bytes, value.at)
  if (decimal.kind !== 'finite' || -decimal.exponent <= places) return decimal
  const unit = 10n ** BigInt(-decimal.exponent - places)
  const scaled = isRound
    ? roundHalfEven(decimal.coefficient, unit)
    : (decimal.coefficient / unit) * unit
  return finite(scaled / unit, -places)
}

function atPlace(number: number, places: number, isRound: boolean): number {
  if (places === 0) {
    if (!isRound) return Math.trunc(number)
    const floor = Math.floor(number)
    const rest = number - floor
    if (rest !== 0.5) return Math.round(number)
    return floor % 2 === 0 ? floor : floor + 1
  }
  if (places > 0 && isRound) return Number(number.toFixed(places))
  const scale = 10 ** places
  return (isRound ? Math.round(number * scale) : Math.trunc(number * scale)) / scale
}

function power(a: Value, b: Value): Value {
  if (a.isNullish || b.isNullish) return NULL
  wantNumber('$pow', a)
  wantNumber('$pow', b)
  if (numberOf(a) === 0 && numberOf(b)! < 0)
    throw codeError('Location28764', '$pow cannot take a base of 0 and a negative exponent')
  const isWhole = (value: Value): boolean =>
    value.type === BsonType.int || value.type === BsonType.long
  if (isWhole(a) && isWhole(b) && numberOf(b)! >= 0 && numberOf(b)! < 64) {
    const result = toInteger(a)! ** toInteger(b)!
    if (a.type === BsonType.int && b.type === BsonType.int && BigInt.asIntN(32, result) === result)
      return intValue(Number(result))
    if (BigInt.asIntN(64, result) === result) return longValue(result)
  }
  return doubleValue(numberOf(a)! ** numberOf(b)!)
}

/** Operators of numbers. */
export const arithmeticOperators: OperatorTable = {
  $add: variadic('$add', sum),
  $multiply: variadic('$multiply', product),
  $subtract: binary('$subtract', difference),
  $divide: binary('$divide', quotient),
  $mod: binary('$mod', remainder),
  $abs: numeric('$abs', Math.abs, absolute, (value) => {
    const decimal = decimalAt(value.bytes, value.at)
    return decimal.kind === 'finite' && decimal.coefficient < 0n
      ? decimalValue(negateDecimal(decimal))
      : value
  }),
  $ceil: numeric('$ceil', Math.ceil, same, (value) => wholeDecimal(value, 1)),
  $floor: numeric('$floor', Math.floor, same, (value) => wholeDecimal(value, -1)),
  $round: toPlace('$round', true),
  $trunc: toPlace('$trunc', false),
  $sqrt: numeric('$sqrt', (value) => {
    if (value < 0)
      throw codeError('Location28714', "$sqrt's argument must be greater than or equal to 0")
    return Math.sqrt(value)
  }),
  $exp: numeric('$exp', Math.exp),
  $ln: numeric('$ln', (value) => {
    if (value <= 0) throw codeError('Location28766', "$ln's argument must be a positive number")
    return Math.log(value)
  }),
  $log10: numeric('$log10', (value) => {
    if (value <= 0) throw codeError('Location28761', "$log10's argument must be a positive number")
    return Math.log10(value)
  }),
  $pow: binary('$pow', power),
}
