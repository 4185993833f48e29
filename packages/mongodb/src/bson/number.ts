import {
  addDecimals,
  type Decimal,
  decimalAt,
  decimalOfDoubleRounded,
  decimalToNumber,
  decimalValue,
  divideDecimals,
  finite,
  multiplyDecimals,
  negateDecimal,
  truncateDecimal,
} from './decimal.ts'
import { int32At } from './element.ts'
import { BsonType, isNumber } from './types.ts'
import { doubleValue, intValue, longValue, type Value } from './value.ts'

const LONG_MIN = -(2n ** 63n)
const LONG_MAX = 2n ** 63n - 1n

/** The number of any numeric value, rounded to a double; undefined for what is no number. */
export function numberOf(value: Value): number | undefined {
  switch (value.type) {
    case BsonType.int:
      return int32At(value.bytes, value.at)
    case BsonType.double:
      return value.bytes.readDoubleLE(value.at)
    case BsonType.long:
      return Number(value.long)
    case BsonType.decimal:
      return decimalToNumber(decimalAt(value.bytes, value.at))
    default:
      return undefined
  }
}

/** A number cut to an integer; undefined for NaN, infinities and what is no number. */
export function toInteger(value: Value): bigint | undefined {
  switch (value.type) {
    case BsonType.int:
      return BigInt(int32At(value.bytes, value.at))
    case BsonType.long:
      return value.long
    case BsonType.double: {
      const number = value.bytes.readDoubleLE(value.at)
      return Number.isFinite(number) ? BigInt(Math.trunc(number)) : undefined
    }
    case BsonType.decimal:
      return truncateDecimal(decimalAt(value.bytes, value.at))
    default:
      return undefined
  }
}

/** What conditions take for true: all but false, null, undefined, missing and zero. */
export function isTruthy(value: Value): boolean {
  if (value.type === BsonType.bool) return value.bool
  if (value.isNullish) return false
  return isNumber(value.type) ? numberOf(value) !== 0 : true
}

function asDecimal(value: Value): Decimal {
  if (value.type === BsonType.decimal) return decimalAt(value.bytes, value.at)
  if (value.type === BsonType.double)
    return decimalOfDoubleRounded(value.bytes.readDoubleLE(value.at))
  return finite(toInteger(value)!, 0)
}

/** A whole number as int where both sides are ints and it fits, else as long; undefined beyond int64. */
function wholeValue(result: bigint, isInt: boolean): Value | undefined {
  if (isInt && result >= -2147483648n && result <= 2147483647n) return intValue(Number(result))
  return result >= LONG_MIN && result <= LONG_MAX ? longValue(result) : undefined
}

interface Operation {
  numbers(a: number, b: number): number
  longs(a: bigint, b: bigint): bigint
  decimals(a: Decimal, b: Decimal): Decimal
}

/** Applies an operation in the wider of the two types: int, long, double, decimal. */
function arithmetic(a: Value, b: Value, operation: Operation): Value | undefined {
  if (a.type === BsonType.decimal || b.type === BsonType.decimal)
    return decimalValue(operation.decimals(asDecimal(a), asDecimal(b)))
  if (a.type === BsonType.double || b.type === BsonType.double)
    return doubleValue(operation.numbers(numberOf(a)!, numberOf(b)!))
  const isInt = a.type === BsonType.int && b.type === BsonType.int
  if (isInt) {
    const result = operation.numbers(int32At(a.bytes, a.at), int32At(b.bytes, b.at))
    if (result === (result | 0)) return intValue(result | 0)
  }
  return wholeValue(operation.longs(toInteger(a)!, toInteger(b)!), isInt)
}

const addition: Operation = {
  numbers: (a, b) => a + b,
  longs: (a, b) => a + b,
  decimals: addDecimals,
}
const subtraction: Operation = {
  numbers: (a, b) => a - b,
  longs: (a, b) => a - b,
  decimals: (a, b) => addDecimals(a, negateDecimal(b)),
}
const multiplication: Operation = {
  numbers: (a, b) => a * b,
  longs: (a, b) => a * b,
  decimals: multiplyDecimals,
}

/** The sum of two numbers; undefined where it does not fit an int64. */
export function add(a: Value, b: Value): Value | undefined {
  return arithmetic(a, b, addition)
}
/** The difference of two numbers; undefined where it does not fit an int64. */
export function subtract(a: Value, b: Value): Value | undefined {
  return arithmetic(a, b, subtraction)
}
/** The product of two numbers; undefined where it does not fit an int64. */
export function multiply(a: Value, b: Value): Value | undefined {
  return arithmetic(a, b, multiplication)
}

/** The quotient: a double, or a decimal where one of the two is one. The divisor is not zero. */
export function divide(a: Value, b: Value): Value {
  if (a.type === BsonType.decimal || b.type === BsonType.decimal)
    return decimalValue(divideDecimals(asDecimal(a), asDecimal(b)))
  return doubleValue(numberOf(a)! / numberOf(b)!)
}

/** The remainder with the sign of the dividend. The divisor is not zero. */
export function modulo(a: Value, b: Value): Value {
  if (a.type === BsonType.decimal || b.type === BsonType.decimal) {
    const left = asDecimal(a)
    const quotient = truncateDecimal(divideDecimals(left, asDecimal(b))) ?? 0n
    return decimalValue(
      addDecimals(left, negateDecimal(multiplyDecimals(finite(quotient, 0), asDecimal(b)))),
    )
  }
  if (a.type === BsonType.double || b.type === BsonType.double)
    return doubleValue(numberOf(a)! % numberOf(b)!)
  const isInt = a.type === BsonType.int && b.type === BsonType.int
  return wholeValue(toInteger(a)! % toInteger(b)!, isInt)!
}
