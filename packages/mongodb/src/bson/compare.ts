import { compareDecimals, type Decimal, decimalAt, decimalOfDouble, finite } from './decimal.ts'
import { ElementCursor, int32At, nulAfter, valueSize } from './element.ts'
import { BsonType, NUMBER_RANK, typeRank } from './types.ts'
import type { Value } from './value.ts'

// Order of values, as MongoDB's $sort and comparison operators have it: first by the rank of the
// type, then by value. Numbers of all four types compare by value, exactly; NaN is the least.

/** Below zero, zero or above it, as `a` stands before, with or behind `b`. */
export function compareValues(a: Value, b: Value): number {
  return compareAt(a.bytes, a.type, a.at, b.bytes, b.type, b.at)
}

/** Compares two values where they lie; see {@link compareValues}. */
export function compareAt(
  aBytes: Buffer,
  aType: number,
  a: number,
  bBytes: Buffer,
  bType: number,
  b: number,
): number {
  const rank = typeRank(aType)
  const bRank = typeRank(bType)
  if (rank !== bRank) return rank - bRank
  if (rank === NUMBER_RANK) return compareNumbers(aBytes, aType, a, bBytes, bType, b)
  switch (aType) {
    case BsonType.string:
    case BsonType.symbol:
    case BsonType.javascript:
      return compareBytes(
        aBytes,
        a + 4,
        a + 3 + int32At(aBytes, a),
        bBytes,
        b + 4,
        b + 3 + int32At(bBytes, b),
      )
    case BsonType.object:
      return compareDocuments(aBytes, a, bBytes, b, true)
    case BsonType.array:
      return compareDocuments(aBytes, a, bBytes, b, false)
    case BsonType.binData: {
      const size = int32At(aBytes, a)
      const difference = size - int32At(bBytes, b)
      if (difference !== 0) return difference
      return compareBytes(aBytes, a + 4, a + 5 + size, bBytes, b + 4, b + 5 + size)
    }
    case BsonType.objectId:
      return compareBytes(aBytes, a, a + 12, bBytes, b, b + 12)
    case BsonType.bool:
      return aBytes[a]! - bBytes[b]!
    case BsonType.date:
      return order(aBytes.readBigInt64LE(a), bBytes.readBigInt64LE(b))
    case BsonType.timestamp:
      return order(aBytes.readBigUInt64LE(a), bBytes.readBigUInt64LE(b))
    case BsonType.regex: {
      const aEnd = nulAfter(aBytes, a)
      const bEnd = nulAfter(bBytes, b)
      return (
        compareBytes(aBytes, a, aEnd, bBytes, b, bEnd) ||
        compareBytes(
          aBytes,
          aEnd + 1,
          nulAfter(aBytes, aEnd + 1),
          bBytes,
          bEnd + 1,
          nulAfter(bBytes, bEnd + 1),
        )
      )
    }
    case BsonType.dbPointer:
    case BsonType.javascriptWithScope:
      return compareBytes(
        aBytes,
        a,
        a + valueSize(aBytes, aType, a),
        bBytes,
        b,
        b + valueSize(bBytes, bType, b),
      )
    default:
      return 0
  }
}

function order<T extends bigint | number>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function compareBytes(
  aBytes: Buffer,
  a: number,
  aEnd: number,
  bBytes: Buffer,
  b: number,
  bEnd: number,
): number {
  const length = Math.min(aEnd - a, bEnd - b)
  if (length > 64) return aBytes.compare(bBytes, b, bEnd, a, aEnd)
  for (let index = 0; index < length; index++) {
    const difference = aBytes[a + index]! - bBytes[b + index]!
    if (difference !== 0) return difference
  }
  return aEnd - a - (bEnd - b)
}

function compareDocuments(
  aBytes: Buffer,
  aDoc: number,
  bBytes: Buffer,
  bDoc: number,
  withNames: boolean,
): number {
  const a = new ElementCursor(aBytes, aDoc)
  const b = new ElementCursor(bBytes, bDoc)
  for (;;) {
    const hasA = a.next()
    const hasB = b.next()
    if (!hasA || !hasB) return Number(hasA) - Number(hasB)
    const ranks = typeRank(a.type) - typeRank(b.type)
    if (ranks !== 0) return ranks
    if (withNames) {
      const names = compareBytes(aBytes, a.nameAt, a.nameEnd, bBytes, b.nameAt, b.nameEnd)
      if (names !== 0) return names
    }
    const values = compareAt(aBytes, a.type, a.at, bBytes, b.type, b.at)
    if (values !== 0) return values
  }
}

function compareNumbers(
  aBytes: Buffer,
  aType: number,
  a: number,
  bBytes: Buffer,
  bType: number,
  b: number,
): number {
  if (aType === BsonType.decimal || bType === BsonType.decimal)
    return compareDecimals(exactDecimal(aBytes, aType, a), exactDecimal(bBytes, bType, b))
  const left = numberAt(aBytes, aType, a)
  const right = numberAt(bBytes, bType, b)
  // JavaScript compares bigint with number exactly.
  if (left < right) return -1
  if (left > right) return 1
  if (left === right || (typeof left !== typeof right && left === right)) return 0
  const isLeftNan = Number.isNaN(left)
  return isLeftNan === Number.isNaN(right) ? 0 : isLeftNan ? -1 : 1
}

/** A number that is no decimal: longs as bigint, the others as number. */
function numberAt(bytes: Buffer, type: number, at: number): number | bigint {
  if (type === BsonType.int) return int32At(bytes, at)
  return type === BsonType.double ? bytes.readDoubleLE(at) : bytes.readBigInt64LE(at)
}

/** Any number as a decimal of the same value. */
export function exactDecimal(bytes: Buffer, type: number, at: number): Decimal {
  switch (type) {
    case BsonType.decimal:
      return decimalAt(bytes, at)
    case BsonType.double:
      return decimalOfDouble(bytes.readDoubleLE(at))
    case BsonType.int:
      return finite(BigInt(int32At(bytes, at)), 0)
    default:
      return finite(bytes.readBigInt64LE(at), 0)
  }
}

/** Whether two values are of the same type and the same bytes. */
export function isIdentical(a: Value, b: Value): boolean {
  return a.type === b.type && a.raw.equals(b.raw)
}
