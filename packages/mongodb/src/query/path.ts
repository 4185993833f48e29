import { ElementCursor, findField } from '../bson/element.ts'
import { BsonType } from '../bson/types.ts'
import { MISSING, Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'

/** A dotted path, split once. */
export interface FieldPath {
  readonly text: string
  readonly parts: readonly Buffer[]
  readonly names: readonly string[]
  /** Array positions that the parts may mean; -1 where a part is no number. */
  readonly indexes: readonly number[]
}

const PARTS_MAX = 200

/** Splits a dotted path. @throws MongoError Overflow for more than 200 parts */
export function parsePath(text: string): FieldPath {
  const names = text.split('.')
  if (names.length > PARTS_MAX)
    throw codeError('Overflow', `FieldPath is too long: it has ${names.length} parts`)
  return {
    text,
    names,
    parts: names.map((name) => Buffer.from(name)),
    indexes: names.map((name) => (/^(?:0|[1-9]\d{0,8})$/.test(name) ? Number(name) : -1)),
  }
}

/** What a test of one value sees: a type byte (`missing` where there is no value) and a position. */
export type ValueTest = (type: number, bytes: Buffer, at: number) => boolean

/**
 * Whether `test` holds for a value at the path: arrays on the way are looked into, and so are arrays
 * at its end where `spreadsLeaf`; the array itself is tested too.
 */
export function anyAtPath(
  bytes: Buffer,
  doc: number,
  path: FieldPath,
  from: number,
  test: ValueTest,
  spreadsLeaf: boolean,
): boolean {
  const { parts } = path
  const last = parts.length - 1
  for (let index = from, at = doc; ; index++) {
    const name = parts[index]!
    const element = findField(bytes, at, name)
    if (element < 0) return test(BsonType.missing, bytes, 0)
    const type = bytes[element]!
    at = element + 2 + name.length
    if (index === last) return testLeaf(bytes, type, at, test, spreadsLeaf)
    if (type === BsonType.array) return anyInArray(bytes, at, path, index + 1, test, spreadsLeaf)
    if (type !== BsonType.object) return test(BsonType.missing, bytes, 0)
  }
}

function testLeaf(
  bytes: Buffer,
  type: number,
  at: number,
  test: ValueTest,
  spreadsLeaf: boolean,
): boolean {
  if (spreadsLeaf && type === BsonType.array) {
    const cursor = new ElementCursor(bytes, at)
    while (cursor.next()) if (test(cursor.type, bytes, cursor.at)) return true
  }
  return test(type, bytes, at)
}

function anyInArray(
  bytes: Buffer,
  array: number,
  path: FieldPath,
  from: number,
  test: ValueTest,
  spreadsLeaf: boolean,
): boolean {
  const wanted = path.indexes[from]!
  const cursor = new ElementCursor(bytes, array)
  for (let index = 0; cursor.next(); index++) {
    const { type, at } = cursor
    if (type === BsonType.object && anyAtPath(bytes, at, path, from, test, spreadsLeaf)) return true
    if (index !== wanted) continue
    if (from === path.parts.length - 1) {
      if (testLeaf(bytes, type, at, test, spreadsLeaf)) return true
    } else if (type === BsonType.object) {
      if (anyAtPath(bytes, at, path, from + 1, test, spreadsLeaf)) return true
    } else if (type === BsonType.array) {
      if (anyInArray(bytes, at, path, from + 1, test, spreadsLeaf)) return true
    }
  }
  return false
}

/** The value at a path that leads through documents only; missing where an array is on the way. */
export function valueAtPath(root: Value, path: string): Value {
  let value = root
  for (const name of path.split('.')) {
    if (value.type !== BsonType.object) return MISSING
    const key = Buffer.from(name)
    const element = findField(value.bytes, value.at, key)
    if (element < 0) return MISSING
    value = new Value(value.bytes[element]!, value.bytes, element + 2 + key.length)
  }
  return value
}

/**
 * Calls `visit` for every value at the path, arrays on the way and at its end spread out, as sorting
 * and `distinct` see it. An empty array at the end counts as undefined.
 */
export function eachAtPath(
  bytes: Buffer,
  type: number,
  at: number,
  path: FieldPath,
  from: number,
  visit: (type: number, at: number) => void,
): void {
  if (from === path.parts.length) {
    if (type !== BsonType.array) visit(type, at)
    else {
      const cursor = new ElementCursor(bytes, at)
      let isEmpty = true
      while (cursor.next()) {
        isEmpty = false
        visit(cursor.type, cursor.at)
      }
      if (isEmpty) visit(BsonType.undefined, at)
    }
  } else if (type === BsonType.object) {
    const name = path.parts[from]!
    const element = findField(bytes, at, name)
    if (element < 0) visit(BsonType.missing, 0)
    else eachAtPath(bytes, bytes[element]!, element + 2 + name.length, path, from + 1, visit)
  } else if (type === BsonType.array) {
    const wanted = path.indexes[from]!
    const cursor = new ElementCursor(bytes, at)
    for (let index = 0; cursor.next(); index++) {
      if (cursor.type === BsonType.object)
        eachAtPath(bytes, cursor.type, cursor.at, path, from, visit)
      if (index === wanted) eachAtPath(bytes, cursor.type, cursor.at, path, from + 1, visit)
    }
  } else visit(BsonType.missing, 0)
}
