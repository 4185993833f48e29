import { createHash } from 'node:crypto'
import { exactDecimal } from './compare.ts'
import type { Decimal } from './decimal.ts'
import { ElementCursor, int32At, nulAfter, valueSize } from './element.ts'
import { BsonType, typeRank } from './types.ts'

// Index keys: bytes whose order is the order of the values. Each value is its type's rank and then,
// prefix-free:
//
//   number     sign (0 NaN, 1 below zero, 2 zero, 3 above) · double toward zero, 8 bytes · 0 when the
//              double is exact, else 1 · decimal exponent, 3 bytes · digits, one byte each · 0
//              (all but the sign inverted below zero)
//   text       bytes with 00 as 00 FF · 00 00
//   object     (rank · name as text · value without rank)… · 00
//   array      values… · 00
//   binData    length, 4 bytes · subtype · bytes
//   date       int64 with its sign bit flipped; timestamps are unsigned
//
// A descending component is inverted bit by bit.

const TEXT_END = 0
/** Keys longer than this are cut and carry a hash instead of the rest: LMDB's limit is 1,978. */
export const KEY_BYTES_MAX = 1_500
const HASH_BYTES = 20

/** Builds index keys in one growing buffer. */
export class KeyWriter {
  #bytes: Buffer = Buffer.allocUnsafe(256)
  #at = 0

  reset(): this {
    this.#at = 0
    return this
  }
  get size(): number {
    return this.#at
  }
  /** Appends one component. */
  value(bytes: Buffer, type: number, at: number, isDescending = false): this {
    const start = this.#at
    this.#byte(typeRank(type))
    this.#body(bytes, type, at)
    if (isDescending) this.#invert(start)
    return this
  }
  /** Appends the component that stands before every value of this rank (or behind, where descending). */
  rank(rank: number, isDescending = false): this {
    const start = this.#at
    this.#byte(rank)
    if (isDescending) this.#invert(start)
    return this
  }
  /** The key, owned by the caller; cut where it is too long. */
  take(): Buffer {
    const key = Buffer.from(this.#bytes.subarray(0, this.#at))
    return key.length > KEY_BYTES_MAX ? shortened(key) : key
  }
  /** The key, owned by the caller, at its full length: for sorting in memory. */
  takeWhole(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at))
  }
  /** The whole key as text of one character for each byte: a name for maps. */
  latin1(): string {
    return this.#bytes.toString('latin1', 0, this.#at)
  }
  /** Whether the key that is being built will be cut, so that its order beyond the cut is lost. */
  get isLong(): boolean {
    return this.#at > KEY_BYTES_MAX
  }

  #body(bytes: Buffer, type: number, at: number): void {
    switch (type) {
      case BsonType.int: {
        this.#number(int32At(bytes, at))
        return
      }
      case BsonType.double:
        this.#number(bytes.readDoubleLE(at))
        return
      case BsonType.long: {
        const long = bytes.readBigInt64LE(at)
        const nearest = Number(long)
        if (BigInt(nearest) === long) this.#number(nearest)
        else this.#inexact({ kind: 'finite', coefficient: long, exponent: 0 })
        return
      }
      case BsonType.decimal:
        this.#decimal(exactDecimal(bytes, type, at))
        return
      case BsonType.string:
      case BsonType.symbol:
      case BsonType.javascript:
        this.#text(bytes, at + 4, at + 3 + int32At(bytes, at))
        return
      case BsonType.object:
      case BsonType.array: {
        const cursor = new ElementCursor(bytes, at)
        while (cursor.next()) {
          this.#byte(typeRank(cursor.type))
          if (type === BsonType.object) this.#text(bytes, cursor.nameAt, cursor.nameEnd)
          this.#body(bytes, cursor.type, cursor.at)
        }
        this.#byte(0)
        return
      }
      case BsonType.binData: {
        const size = int32At(bytes, at)
        this.#room(4)
        this.#bytes.writeUInt32BE(size, this.#at)
        this.#at += 4
        this.#raw(bytes, at + 4, at + 5 + size)
        return
      }
      case BsonType.objectId:
        this.#raw(bytes, at, at + 12)
        return
      case BsonType.bool:
        this.#byte(bytes[at]!)
        return
      case BsonType.date:
        this.#reversed(bytes, at, 0x80)
        return
      case BsonType.timestamp:
        this.#reversed(bytes, at, 0)
        return
      case BsonType.regex: {
        const end = nulAfter(bytes, at)
        this.#text(bytes, at, end)
        this.#text(bytes, end + 1, nulAfter(bytes, end + 1))
        return
      }
      case BsonType.dbPointer:
      case BsonType.javascriptWithScope:
        this.#text(bytes, at, at + valueSize(bytes, type, at))
        return
    }
  }

  #number(value: number): void {
    if (Number.isNaN(value)) this.#byte(0)
    else if (value === 0) this.#byte(2)
    else {
      this.#byte(value < 0 ? 1 : 3)
      this.#room(9)
      this.#bytes.writeDoubleBE(Math.abs(value), this.#at)
      this.#bytes[this.#at + 8] = 0
      const start = this.#at
      this.#at += 9
      if (value < 0) this.#invert(start)
    }
  }
  #decimal(value: Decimal): void {
    if (value.kind === 'nan') this.#byte(0)
    else if (value.kind === 'infinity') this.#number(value.isNegative ? -Infinity : Infinity)
    else if (value.coefficient === 0n) this.#byte(2)
    else this.#inexact(value)
  }
  /** A decimal that may lie between two doubles. */
  #inexact(value: Decimal & { kind: 'finite' }): void {
    const { toward, isExact } = doubleToward(value)
    if (isExact) {
      this.#number(toward)
      return
    }
    const isNegative = value.coefficient < 0n
    this.#byte(isNegative ? 1 : 3)
    const start = this.#at
    const text = (isNegative ? -value.coefficient : value.coefficient).toString()
    const digits = text.replace(/0+$/, '')
    this.#room(8 + 1 + 3 + digits.length + 1)
    this.#bytes.writeDoubleBE(Math.abs(toward), this.#at)
    this.#at += 8
    this.#bytes[this.#at++] = 1
    this.#bytes.writeUIntBE(text.length + value.exponent + 0x80_0000, this.#at, 3)
    this.#at += 3
    this.#at += this.#bytes.write(digits, this.#at, 'latin1')
    this.#bytes[this.#at++] = 0
    if (isNegative) this.#invert(start)
  }
  #text(bytes: Buffer, start: number, end: number): void {
    this.#room((end - start) * 2 + 2)
    const target = this.#bytes
    let at = this.#at
    for (let from = start; from < end; from++) {
      const byte = bytes[from]!
      target[at++] = byte
      if (byte === 0) target[at++] = 0xff
    }
    target[at++] = TEXT_END
    target[at++] = TEXT_END
    this.#at = at
  }
  #raw(bytes: Buffer, start: number, end: number): void {
    this.#room(end - start)
    this.#at += bytes.copy(this.#bytes, this.#at, start, end)
  }
  /** Eight bytes from the other end, the first one changed by `flip`. */
  #reversed(bytes: Buffer, at: number, flip: number): void {
    this.#room(8)
    const start = this.#at
    for (let index = 0; index < 8; index++) this.#bytes[start + index] = bytes[at + 7 - index]!
    this.#bytes[start]! ^= flip
    this.#at += 8
  }
  #byte(byte: number): void {
    this.#room(1)
    this.#bytes[this.#at++] = byte
  }
  #invert(start: number): void {
    for (let at = start; at < this.#at; at++) this.#bytes[at] = ~this.#bytes[at]! & 0xff
  }
  #room(size: number): void {
    if (this.#at + size <= this.#bytes.length) return
    const bytes = Buffer.allocUnsafe(Math.max(this.#at + size, this.#bytes.length * 2))
    this.#bytes.copy(bytes, 0, 0, this.#at)
    this.#bytes = bytes
  }
}

function shortened(key: Buffer): Buffer {
  const hash = createHash('sha256').update(key).digest().subarray(0, HASH_BYTES)
  return Buffer.concat([key.subarray(0, KEY_BYTES_MAX - HASH_BYTES), hash])
}

/** The double nearest to a finite decimal on the side of zero, and whether it is equal. */
function doubleToward(value: Decimal & { kind: 'finite' }): { toward: number; isExact: boolean } {
  let toward = Number(`${value.coefficient}e${value.exponent}`)
  if (!Number.isFinite(toward)) toward = toward < 0 ? -Number.MAX_VALUE : Number.MAX_VALUE
  const difference = compareMagnitudes(toward, value)
  if (difference === 0) return { toward, isExact: true }
  return { toward: difference < 0 ? toward : nextTowardZero(toward), isExact: false }
}

function compareMagnitudes(double: number, value: Decimal & { kind: 'finite' }): number {
  scratch.writeDoubleLE(Math.abs(double), 0)
  const exact = exactDecimal(scratch, BsonType.double, 0)
  if (exact.kind !== 'finite') return 1
  const magnitude = value.coefficient < 0n ? -value.coefficient : value.coefficient
  const shift = exact.exponent - value.exponent
  const a = shift > 0 ? exact.coefficient * 10n ** BigInt(shift) : exact.coefficient
  const b = shift < 0 ? magnitude * 10n ** BigInt(-shift) : magnitude
  return a < b ? -1 : a > b ? 1 : 0
}
const scratch = Buffer.alloc(8)

function nextTowardZero(value: number): number {
  scratch.writeDoubleLE(value, 0)
  scratch.writeBigUInt64LE(scratch.readBigUInt64LE(0) - 1n, 0)
  return scratch.readDoubleLE(0)
}
