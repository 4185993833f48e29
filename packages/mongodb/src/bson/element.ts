import { BsonType } from './types.ts'

// A document is a Buffer and the position of its length. Functions here trust what validateDocument()
// has passed; nothing else may be handed to them.

/** The little-endian int32 at `at`. */
export function int32At(bytes: Buffer, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

/** The size in bytes of a value of `type` that begins at `at`. */
export function valueSize(bytes: Buffer, type: number, at: number): number {
  switch (type) {
    case BsonType.double:
    case BsonType.date:
    case BsonType.timestamp:
    case BsonType.long:
      return 8
    case BsonType.int:
      return 4
    case BsonType.string:
    case BsonType.javascript:
    case BsonType.symbol:
      return 4 + int32At(bytes, at)
    case BsonType.object:
    case BsonType.array:
    case BsonType.javascriptWithScope:
      return int32At(bytes, at)
    case BsonType.bool:
      return 1
    case BsonType.objectId:
      return 12
    case BsonType.decimal:
      return 16
    case BsonType.binData:
      return 5 + int32At(bytes, at)
    case BsonType.regex: {
      const options = nulAfter(bytes, at) + 1
      return nulAfter(bytes, options) + 1 - at
    }
    case BsonType.dbPointer:
      return 4 + int32At(bytes, at) + 12
    default:
      return 0
  }
}

/** The position of the next zero byte at or after `at`. */
export function nulAfter(bytes: Buffer, at: number): number {
  let end = at
  while (bytes[end] !== 0) end++
  return end
}

/**
 * The position of the element (its type byte) with this name in the document at `doc`, or -1. Its
 * value begins at the result + 2 + `name.length`.
 */
export function findField(bytes: Buffer, doc: number, name: Buffer): number {
  const length = name.length
  let at = doc + 4
  for (;;) {
    const type = bytes[at]!
    if (type === 0) return -1
    let end = at + 1
    let matched = 0
    while (matched < length && bytes[end] === name[matched]) {
      matched++
      end++
    }
    if (matched === length && bytes[end] === 0) return at
    while (bytes[end] !== 0) end++
    end++
    at = end + valueSize(bytes, type, end)
  }
}

/** Walks the elements of a document or array without allocating for each of them. */
export class ElementCursor {
  readonly bytes: Buffer
  type = 0
  /** Where the name begins, and the position of the zero byte behind it. */
  nameAt = 0
  nameEnd = 0
  /** Where the value begins, and the position behind it. */
  at = 0
  end: number

  constructor(bytes: Buffer, doc: number) {
    this.bytes = bytes
    this.end = doc + 4
  }
  /** Moves to the next element; false behind the last. */
  next(): boolean {
    const { bytes } = this
    const type = bytes[this.end]!
    if (type === 0) return false
    this.type = type
    this.nameAt = this.end + 1
    let at = this.nameAt
    while (bytes[at] !== 0) at++
    this.nameEnd = at
    this.at = at + 1
    this.end = this.at + valueSize(bytes, type, this.at)
    return true
  }
  get name(): string {
    return textAt(this.bytes, this.nameAt, this.nameEnd)
  }
}

/** The UTF-8 text from `start` to `end`; short ASCII names without a call into the engine. */
function textAt(bytes: Buffer, start: number, end: number): string {
  if (end - start < 16) {
    let text = ''
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!
      if (byte > 127) return bytes.toString('utf8', start, end)
      text += String.fromCharCode(byte)
    }
    return text
  }
  return bytes.toString('utf8', start, end)
}
