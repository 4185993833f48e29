import { Decimal128 } from 'bson'
import { BsonType } from './types.ts'
import { Value } from './value.ts'

/** A finite decimal is `coefficient` × 10^`exponent`; the coefficient carries the sign. */
export interface FiniteDecimal {
  readonly kind: 'finite'
  readonly coefficient: bigint
  readonly exponent: number
}
/** What a Decimal128 can hold. */
export type Decimal =
  | FiniteDecimal
  | { readonly kind: 'nan' }
  | { readonly kind: 'infinity'; readonly isNegative: boolean }

const DIGITS_MAX = 34
const EXPONENT_MIN = -6176
const EXPONENT_MAX = 6111
const COEFFICIENT_LIMIT = 10n ** 34n
const nan: Decimal = { kind: 'nan' }

/** Reads an IEEE 754-2008 decimal128 in its binary integer encoding. */
export function decimalAt(bytes: Buffer, at: number): Decimal {
  const high = bytes.readBigUInt64LE(at + 8)
  const isNegative = high >> 63n === 1n
  const combination = Number((high >> 58n) & 0x1fn)
  if (combination === 0x1f) return nan
  if (combination === 0x1e) return { kind: 'infinity', isNegative }
  // The other form has a coefficient beyond 34 digits: not canonical, it counts as zero.
  if (combination >> 3 === 3)
    return { kind: 'finite', coefficient: 0n, exponent: Number((high >> 47n) & 0x3fffn) - 6176 }
  const exponent = Number((high >> 49n) & 0x3fffn) - 6176
  let coefficient = ((high & 0x1_ffff_ffff_ffffn) << 64n) | bytes.readBigUInt64LE(at)
  if (coefficient >= COEFFICIENT_LIMIT) coefficient = 0n
  return { kind: 'finite', coefficient: isNegative ? -coefficient : coefficient, exponent }
}

/** The exact decimal of a number; NaN and infinities are kept. */
export function decimalOfDouble(value: number): Decimal {
  if (Number.isNaN(value)) return nan
  if (!Number.isFinite(value)) return { kind: 'infinity', isNegative: value < 0 }
  if (Number.isInteger(value)) return finite(BigInt(value), 0)
  scratch.setFloat64(0, value)
  const bits = scratch.getBigUint64(0)
  const biased = Number((bits >> 52n) & 0x7ffn)
  let mantissa = bits & 0xf_ffff_ffff_ffffn
  if (biased > 0) mantissa |= 1n << 52n
  let power = Math.max(biased, 1) - 1075
  while ((mantissa & 1n) === 0n) {
    mantissa >>= 1n
    power++
  }
  // Not an integer, so the power is negative: m × 2^-p = m × 5^p × 10^-p.
  const coefficient = mantissa * 5n ** BigInt(-power)
  return finite(value < 0 ? -coefficient : coefficient, power)
}
const scratch = new DataView(new ArrayBuffer(8))

/** A double as `$toDecimal` and arithmetic see it: by its 15 significant digits. */
export function decimalOfDoubleRounded(value: number): Decimal {
  if (!Number.isFinite(value)) return decimalOfDouble(value)
  return parseDecimal(value.toPrecision(15)) ?? nan
}

/** The decimal `coefficient` × 10^`exponent`. */
export function finite(coefficient: bigint, exponent: number): FiniteDecimal {
  return { kind: 'finite', coefficient, exponent }
}

const digitsOf = (magnitude: bigint): number => magnitude.toString().length
const abs = (value: bigint): bigint => (value < 0n ? -value : value)

/** Compares exactly; NaN is the least. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  if (a.kind === 'nan' || b.kind === 'nan') return a.kind === b.kind ? 0 : a.kind === 'nan' ? -1 : 1
  const signA = signOf(a)
  const signB = signOf(b)
  if (signA !== signB) return signA < signB ? -1 : 1
  if (signA === 0) return 0
  if (a.kind === 'infinity' || b.kind === 'infinity') {
    if (a.kind === b.kind) return 0
    return (a.kind === 'infinity') === signA > 0 ? 1 : -1
  }
  const magnitudeA = abs(a.coefficient)
  const magnitudeB = abs(b.coefficient)
  const orderA = digitsOf(magnitudeA) + a.exponent
  const orderB = digitsOf(magnitudeB) + b.exponent
  if (orderA !== orderB) return orderA < orderB === signA > 0 ? -1 : 1
  const shift = a.exponent - b.exponent
  const alignedA = shift > 0 ? magnitudeA * 10n ** BigInt(shift) : magnitudeA
  const alignedB = shift < 0 ? magnitudeB * 10n ** BigInt(-shift) : magnitudeB
  if (alignedA === alignedB) return 0
  return alignedA < alignedB === signA > 0 ? -1 : 1
}

function signOf(value: Decimal): number {
  if (value.kind === 'nan') return 0
  if (value.kind === 'infinity') return value.isNegative ? -1 : 1
  return value.coefficient === 0n ? 0 : value.coefficient < 0n ? -1 : 1
}

/** The exact sum. */
export function addDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.kind === 'nan' || b.kind === 'nan') return nan
  if (a.kind === 'infinity') return b.kind === 'infinity' && a.isNegative !== b.isNegative ? nan : a
  if (b.kind === 'infinity') return b
  if (a.coefficient === 0n && a.exponent > b.exponent) return b
  if (b.coefficient === 0n && b.exponent > a.exponent) return a
  const exponent = Math.min(a.exponent, b.exponent)
  return finite(
    a.coefficient * 10n ** BigInt(a.exponent - exponent) +
      b.coefficient * 10n ** BigInt(b.exponent - exponent),
    exponent,
  )
}

/** The same with the other sign. */
export function negateDecimal(a: Decimal): Decimal {
  if (a.kind === 'nan') return a
  if (a.kind === 'infinity') return { kind: 'infinity', isNegative: !a.isNegative }
  return finite(-a.coefficient, a.exponent)
}

/** The exact product. */
export function multiplyDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.kind === 'finite' && b.kind === 'finite')
    return finite(a.coefficient * b.coefficient, a.exponent + b.exponent)
  const sign = signOf(a) * signOf(b)
  if (a.kind === 'nan' || b.kind === 'nan' || sign === 0) return nan
  return { kind: 'infinity', isNegative: sign < 0 }
}

/** The quotient to 40 digits and more; the caller has seen to a divisor of zero. */
export function divideDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.kind === 'nan' || b.kind === 'nan' || (a.kind === 'infinity' && b.kind === 'infinity'))
    return nan
  if (a.kind === 'infinity')
    return { kind: 'infinity', isNegative: signOf(a) * (signOf(b) || 1) < 0 }
  if (b.kind === 'infinity') return finite(0n, 0)
  const shift = Math.max(0, 40 + digitsOf(abs(b.coefficient)) - digitsOf(abs(a.coefficient)))
  let quotient = (a.coefficient * 10n ** BigInt(shift)) / b.coefficient
  let exponent = a.exponent - b.exponent - shift
  // An exact quotient keeps no zeros behind it.
  while (exponent < a.exponent - b.exponent && quotient !== 0n && quotient % 10n === 0n) {
    quotient /= 10n
    exponent++
  }
  return finite(quotient, exponent)
}

/** Rounds toward zero to an integer, or undefined for NaN and infinities. */
export function truncateDecimal(value: Decimal): bigint | undefined {
  if (value.kind !== 'finite') return undefined
  if (value.exponent >= 0) return value.coefficient * 10n ** BigInt(value.exponent)
  return value.coefficient / 10n ** BigInt(-value.exponent)
}

/** The nearest double. */
export function decimalToNumber(value: Decimal): number {
  if (value.kind === 'nan') return Number.NaN
  if (value.kind === 'infinity') return value.isNegative ? -Infinity : Infinity
  return Number(`${value.coefficient}e${value.exponent}`)
}

/** Rounds half to even to 34 digits and encodes. */
export function decimalValue(value: Decimal): Value {
  const bytes = Buffer.alloc(16)
  if (value.kind === 'nan') bytes[15] = 0x7c
  else if (value.kind === 'infinity') bytes[15] = value.isNegative ? 0xf8 : 0x78
  else {
    const isNegative = value.coefficient < 0n
    let magnitude = abs(value.coefficient)
    let { exponent } = value
    const excess = Math.max(digitsOf(magnitude) - DIGITS_MAX, EXPONENT_MIN - exponent)
    if (excess > 0) {
      const divisor = 10n ** BigInt(excess)
      const rest = (magnitude % divisor) * 2n
      magnitude /= divisor
      if (rest > divisor || (rest === divisor && magnitude % 2n === 1n)) magnitude++
      exponent += excess
      if (magnitude >= COEFFICIENT_LIMIT) {
        magnitude /= 10n
        exponent++
      }
    }
    while (exponent > EXPONENT_MAX && magnitude * 10n < COEFFICIENT_LIMIT && magnitude !== 0n) {
      magnitude *= 10n
      exponent--
    }
    if (exponent > EXPONENT_MAX && magnitude !== 0n) {
      bytes[15] = isNegative ? 0xf8 : 0x78
    } else {
      const field = BigInt(Math.min(exponent, EXPONENT_MAX) + 6176)
      const sign = isNegative ? 1n << 63n : 0n
      bytes.writeBigUInt64LE(magnitude & 0xffff_ffff_ffff_ffffn, 0)
      bytes.writeBigUInt64LE(sign | (field << 49n) | (magnitude >> 64n), 8)
    }
  }
  return new Value(BsonType.decimal, bytes, 0)
}

/** The text of a Decimal128 value. */
export function decimalText(value: Value): string {
  return new Decimal128(value.bytes.subarray(value.at, value.at + 16)).toString()
}

/** Reads a decimal as `$toDecimal` does, or gives undefined. */
export function parseDecimal(text: string): Decimal | undefined {
  try {
    const { bytes } = Decimal128.fromStringWithRounding(text)
    return decimalAt(Buffer.from(bytes.buffer, bytes.byteOffset, 16), 0)
  } catch {
    return undefined
  }
}
