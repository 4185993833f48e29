import { codeError } from '../errors.ts'
import { int32At } from './element.ts'
import { BsonType } from './types.ts'

const DEPTH_MAX = 180

/**
 * Checks that a whole, well-formed document lies between `at` and `limit` and returns the position
 * behind it. Every length is compared with what remains; text is not checked for UTF-8, as in MongoDB.
 *
 * @throws MongoError InvalidBSON, Overflow (nested deeper than 180).
 */
export function validateDocument(bytes: Buffer, at: number, limit: number, depth = 0): number {
  if (depth > DEPTH_MAX) throw codeError('Overflow', `documents may be nested ${DEPTH_MAX} deep`)
  if (limit - at < 5) throw invalid('a document is cut off')
  const size = int32At(bytes, at)
  if (size < 5 || size > limit - at) throw invalid(`a document claims ${size} bytes`)
  const end = at + size - 1
  if (bytes[end] !== 0) throw invalid('a document does not end with a zero byte')
  let position = at + 4
  while (position < end) {
    const type = bytes[position]!
    let value = position + 1
    while (value < end && bytes[value] !== 0) value++
    if (value >= end) throw invalid('a field name is cut off')
    value++
    position = value + checkValue(bytes, type, value, end, depth)
    if (position > end) throw invalid('a value is cut off')
  }
  return end + 1
}

function checkValue(bytes: Buffer, type: number, at: number, end: number, depth: number): number {
  switch (type) {
    case BsonType.double:
    case BsonType.date:
    case BsonType.timestamp:
    case BsonType.long:
      return 8
    case BsonType.int:
      return 4
    case BsonType.bool:
      if (bytes[at]! > 1) throw invalid('a bool is neither 0 nor 1')
      return 1
    case BsonType.objectId:
      return 12
    case BsonType.decimal:
      return 16
    case BsonType.null:
    case BsonType.undefined:
    case BsonType.minKey:
    case BsonType.maxKey:
      return 0
    case BsonType.string:
    case BsonType.javascript:
    case BsonType.symbol:
      return checkText(bytes, at, end)
    case BsonType.object:
    case BsonType.array:
      return validateDocument(bytes, at, end, depth + 1) - at
    case BsonType.binData: {
      if (end - at < 5) throw invalid('binary data is cut off')
      const length = int32At(bytes, at)
      if (length < 0 || length > end - at - 5) throw invalid(`binary data claims ${length} bytes`)
      return 5 + length
    }
    case BsonType.regex: {
      let position = at
      for (let part = 0; part < 2; part++) {
        while (position < end && bytes[position] !== 0) position++
        if (position >= end) throw invalid('a regular expression is cut off')
        position++
      }
      return position - at
    }
    case BsonType.dbPointer:
      return checkText(bytes, at, end) + 12
    case BsonType.javascriptWithScope: {
      if (end - at < 14) throw invalid('code with scope is cut off')
      const size = int32At(bytes, at)
      if (size < 14 || size > end - at) throw invalid(`code with scope claims ${size} bytes`)
      const scope = at + 4 + checkText(bytes, at + 4, at + size)
      if (validateDocument(bytes, scope, at + size, depth + 1) !== at + size)
        throw invalid('code with scope has a wrong size')
      return size
    }
    default:
      throw invalid(`there is no type ${type}`)
  }
}

function checkText(bytes: Buffer, at: number, end: number): number {
  if (end - at < 5) throw invalid('text is cut off')
  const length = int32At(bytes, at)
  if (length < 1 || length > end - at - 4) throw invalid(`text claims ${length} bytes`)
  if (bytes[at + 3 + length] !== 0) throw invalid('text does not end with a zero byte')
  return 4 + length
}

function invalid(what: string): Error {
  return codeError('InvalidBSON', `invalid BSON: ${what}`)
}
