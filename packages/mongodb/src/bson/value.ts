import { ElementCursor, findField, int32At, nulAfter, valueSize } from './element.ts'
import { BsonType } from './types.ts'

/** A typed view of one BSON value. `bytes` is borrowed. */
export class Value {
  readonly type: number
  readonly bytes: Buffer
  readonly at: number

  constructor(type: number, bytes: Buffer, at: number) {
    this.type = type
    this.bytes = bytes
    this.at = at
  }
  get size(): number {
    return valueSize(this.bytes, this.type, this.at)
  }
  get isMissing(): boolean {
    return this.type === BsonType.missing
  }
  /** Missing, null and undefined: what most operators treat alike. */
  get isNullish(): boolean {
    return (
      this.type === BsonType.missing ||
      this.type === BsonType.null ||
      this.type === BsonType.undefined
    )
  }
  /** The text of a string, symbol or code. */
  get text(): string {
    return this.bytes.toString('utf8', this.at + 4, this.at + 3 + int32At(this.bytes, this.at))
  }
  /** Pattern and flags of a regular expression. */
  get regex(): { pattern: string; flags: string } {
    const end = nulAfter(this.bytes, this.at)
    return {
      pattern: this.bytes.toString('utf8', this.at, end),
      flags: this.bytes.toString('utf8', end + 1, nulAfter(this.bytes, end + 1)),
    }
  }
  /** The milliseconds of a date; beyond 2^53 they are rounded. */
  get millis(): number {
    return Number(this.bytes.readBigInt64LE(this.at))
  }
  get long(): bigint {
    return this.bytes.readBigInt64LE(this.at)
  }
  get bool(): boolean {
    return this.bytes[this.at] === 1
  }
  /** The bytes of a document or array, borrowed. */
  get document(): Buffer {
    return this.bytes.subarray(this.at, this.at + int32At(this.bytes, this.at))
  }
  /** The raw bytes of the value, borrowed. */
  get raw(): Buffer {
    return this.bytes.subarray(this.at, this.at + this.size)
  }
}

const none = Buffer.alloc(1)
/** What is found where there is no field. */
export const MISSING: Value = new Value(BsonType.missing, none, 0)
/** The null value. */
export const NULL: Value = new Value(BsonType.null, none, 0)
/** The bool true. */
export const TRUE: Value = new Value(BsonType.bool, Buffer.from([1]), 0)
/** The bool false. */
export const FALSE: Value = new Value(BsonType.bool, Buffer.from([0]), 0)
/** The bytes of `{}`. */
export const EMPTY_DOCUMENT: Buffer = Buffer.from([5, 0, 0, 0, 0])

/** A bool. */
export function boolValue(value: boolean): Value {
  return value ? TRUE : FALSE
}
/** An int32; `value` must be one. */
export function intValue(value: number): Value {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32LE(value, 0)
  return new Value(BsonType.int, bytes, 0)
}
/** A double. */
export function doubleValue(value: number): Value {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeDoubleLE(value, 0)
  return new Value(BsonType.double, bytes, 0)
}
/** An int64; `value` must fit. */
export function longValue(value: bigint): Value {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigInt64LE(value, 0)
  return new Value(BsonType.long, bytes, 0)
}
/** An int where it fits, a long otherwise: what counts and sizes are. */
export function countValue(value: number): Value {
  return value === (value | 0) ? intValue(value) : longValue(BigInt(value))
}
/** A date, from whole milliseconds since the epoch. */
export function dateValue(millis: number): Value {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigInt64LE(BigInt(millis), 0)
  return new Value(BsonType.date, bytes, 0)
}
/** A string. */
export function stringValue(text: string): Value {
  const length = Buffer.byteLength(text)
  const bytes = Buffer.allocUnsafe(length + 5)
  bytes.writeInt32LE(length + 1, 0)
  bytes.write(text, 4, length, 'utf8')
  bytes[length + 4] = 0
  return new Value(BsonType.string, bytes, 0)
}
/** The document that begins where `bytes` do; borrowed. */
export function documentValue(bytes: Buffer): Value {
  return new Value(BsonType.object, bytes, 0)
}

/** The value of the field with this name in a document, or undefined. */
export function getField(bytes: Buffer, doc: number, name: Buffer | string): Value | undefined {
  const key = typeof name === 'string' ? Buffer.from(name) : name
  const element = findField(bytes, doc, key)
  return element < 0 ? undefined : new Value(bytes[element]!, bytes, element + 2 + key.length)
}

/** Names and values of a document or array, in order. */
export function* entriesOf(value: Value): Generator<[string, Value]> {
  const cursor = new ElementCursor(value.bytes, value.at)
  while (cursor.next()) yield [cursor.name, new Value(cursor.type, cursor.bytes, cursor.at)]
}

/** The values of an array, in order. */
export function elementsOf(value: Value): Value[] {
  const elements: Value[] = []
  const cursor = new ElementCursor(value.bytes, value.at)
  while (cursor.next()) elements.push(new Value(cursor.type, cursor.bytes, cursor.at))
  return elements
}
