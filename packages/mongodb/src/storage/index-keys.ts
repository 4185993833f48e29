import { ElementCursor, findField } from '../bson/element.ts'
import { KeyWriter } from '../bson/key.ts'
import { BsonType } from '../bson/types.ts'
import { codeError } from '../errors.ts'

/** One field of an index: its path, split and encoded, and its direction. */
export interface IndexField {
  readonly path: string
  readonly parts: readonly Buffer[]
  readonly isDescending: boolean
}

/** The keys of one document in one index. */
export interface IndexKeys {
  readonly keys: Buffer[]
  /** Whether an array was spread over several keys. */
  isMultikey: boolean
  hasLongKeys: boolean
  /** Whether no indexed field is there at all: a sparse index leaves such a document out. */
  isAbsent: boolean
}

/** Where the walk along one field's path stands. */
interface Position {
  type: number
  at: number
  /** How many parts of the path are behind. */
  depth: number
}

const writer = new KeyWriter()
const nullBytes = Buffer.alloc(1)

/**
 * The keys of `doc`: one where no array is on the paths, else one for each element.
 *
 * @throws MongoError CannotIndexParallelArrays
 */
export function indexKeys(fields: readonly IndexField[], doc: Buffer): IndexKeys {
  const result: IndexKeys = { keys: [], isMultikey: false, hasLongKeys: false, isAbsent: true }
  const start = fields.map(() => ({ type: BsonType.object as number, at: 0, depth: 0 }))
  spread(fields, doc, start, result)
  if (result.keys.length > 1) dropDuplicates(result.keys)
  return result
}

function spread(
  fields: readonly IndexField[],
  doc: Buffer,
  positions: Position[],
  result: IndexKeys,
): void {
  let arrayAt = -1
  let arrayField = ''
  for (let index = 0; index < fields.length; index++) {
    const position = follow(fields[index]!, doc, positions[index]!)
    positions[index] = position
    if (position.type !== BsonType.array || position.depth < 0) continue
    if (arrayAt >= 0 && arrayAt !== position.at)
      throw codeError(
        'CannotIndexParallelArrays',
        `cannot index parallel arrays [${fields[index]!.path}] [${arrayField}]`,
      )
    arrayAt = position.at
    arrayField = fields[index]!.path
  }
  if (arrayAt < 0) {
    emit(fields, doc, positions, result)
    return
  }
  result.isMultikey = true
  const cursor = new ElementCursor(doc, arrayAt)
  let isEmpty = true
  while (cursor.next()) {
    isEmpty = false
    spread(
      fields,
      doc,
      positions.map((position, index) => {
        if (position.at !== arrayAt || position.type !== BsonType.array || position.depth < 0)
          return position
        // A negative depth marks an element that is taken as it is, a nested array too.
        if (position.depth === fields[index]!.parts.length)
          return { type: cursor.type, at: cursor.at, depth: -1 }
        return cursor.type === BsonType.object
          ? { type: cursor.type, at: cursor.at, depth: position.depth }
          : { type: BsonType.missing, at: 0, depth: -1 }
      }),
      result,
    )
  }
  if (!isEmpty) return
  emit(
    fields,
    doc,
    positions.map((position, index) =>
      position.at === arrayAt && position.type === BsonType.array
        ? position.depth === fields[index]!.parts.length
          ? { type: BsonType.undefined, at: 0, depth: -1 }
          : { type: BsonType.missing, at: 0, depth: -1 }
        : position,
    ),
    result,
  )
}

/** Goes along the path through documents, up to its end or to an array. */
function follow(field: IndexField, doc: Buffer, from: Position): Position {
  if (from.depth < 0) return from
  let { type, at, depth } = from
  const { parts } = field
  while (depth < parts.length && type === BsonType.object) {
    const name = parts[depth]!
    const element = findField(doc, at, name)
    if (element < 0) return { type: BsonType.missing, at: 0, depth: -1 }
    type = doc[element]!
    at = element + 2 + name.length
    depth++
  }
  if (depth < parts.length && type !== BsonType.array)
    return { type: BsonType.missing, at: 0, depth: -1 }
  return { type, at, depth }
}

function emit(
  fields: readonly IndexField[],
  doc: Buffer,
  positions: readonly Position[],
  result: IndexKeys,
): void {
  writer.reset()
  for (let index = 0; index < fields.length; index++) {
    const { type, at } = positions[index]!
    const { isDescending } = fields[index]!
    if (type === BsonType.missing) writer.value(nullBytes, BsonType.null, 0, isDescending)
    else {
      result.isAbsent = false
      writer.value(doc, type, at, isDescending)
    }
  }
  if (writer.isLong) result.hasLongKeys = true
  result.keys.push(writer.take())
}

function dropDuplicates(keys: Buffer[]): void {
  keys.sort(Buffer.compare)
  let kept = 1
  for (let index = 1; index < keys.length; index++)
    if (!keys[index]!.equals(keys[kept - 1]!)) keys[kept++] = keys[index]!
  keys.length = kept
}
