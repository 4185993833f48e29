import { compareAt } from '../bson/compare.ts'
import { ElementCursor } from '../bson/element.ts'
import { KeyWriter } from '../bson/key.ts'
import { numberOf } from '../bson/number.ts'
import { BsonType } from '../bson/types.ts'
import { Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { eachAtPath, type FieldPath, parsePath } from './path.ts'
import { CollectStage, ListStage, type Stage } from './stage.ts'

/** One field of a sort pattern. */
export interface SortField {
  readonly path: string
  readonly isDescending: boolean
}

const FIELDS_MAX = 32
/** A blocking sort holds at most this many bytes. */
export const SORT_BYTES_MAX: number = 32 * 1024 * 1024
// What an entry costs beside its bytes.
const ENTRY_BYTES = 160

/** Reads `{a: 1, b: -1}`; `$natural` is seen to by the planner. @throws MongoError BadValue */
export function parseSort(pattern: Value): SortField[] {
  const fields: SortField[] = []
  const cursor = new ElementCursor(pattern.bytes, pattern.at)
  while (cursor.next()) {
    const path = cursor.name
    const value = new Value(cursor.type, pattern.bytes, cursor.at)
    if (value.type === BsonType.object)
      throw codeError('BadValue', `sorting by ${path}: $meta is not supported yet`)
    const direction = numberOf(value)
    if (direction !== 1 && direction !== -1)
      throw codeError(
        'Location15975',
        '$sort key ordering must be 1 (for ascending) or -1 (for descending)',
      )
    if (path === '' || path.split('.').includes(''))
      throw codeError('Location40353', "FieldPath must not end with a '.' or have empty names.")
    if (fields.length >= FIELDS_MAX)
      throw codeError('BadValue', `a sort has at most ${FIELDS_MAX} fields`)
    fields.push({ path, isDescending: direction < 0 })
  }
  return fields
}

/** Makes the key by which a document is sorted: the least element of an array ascending, the greatest descending. */
export function sortKeyOf(fields: readonly SortField[]): (doc: Buffer) => Buffer {
  const paths: { path: FieldPath; isDescending: boolean }[] = fields.map((field) => ({
    path: parsePath(field.path),
    isDescending: field.isDescending,
  }))
  const writer = new KeyWriter()
  return (doc) => {
    writer.reset()
    for (const { path, isDescending } of paths) {
      let best = -1
      let bestType = 0
      eachAtPath(doc, BsonType.object, 0, path, 0, (type, at) => {
        // A missing field sorts as null does.
        const seen = type === BsonType.missing ? BsonType.null : type
        if (best >= 0) {
          const order = compareAt(doc, seen, at, doc, bestType, best)
          if (isDescending ? order <= 0 : order >= 0) return
        }
        best = at
        bestType = seen
      })
      writer.value(doc, best < 0 ? BsonType.null : bestType, Math.max(best, 0), isDescending)
    }
    return writer.takeWhole()
  }
}

interface Entry {
  readonly key: Buffer
  readonly doc: Buffer
  readonly order: number
}

/**
 * Sorts its whole input in memory; with a limit only the first `limit` documents are held.
 *
 * @throws MongoError QueryExceededMemoryLimitNoDiskUseAllowed
 */
export function sortStage(
  input: Stage,
  fields: readonly SortField[],
  limit: number = Number.POSITIVE_INFINITY,
): Stage {
  const keyOf = sortKeyOf(fields)
  const entries: Entry[] = []
  let bytes = 0
  let order = 0
  const compare = (a: Entry, b: Entry): number => Buffer.compare(a.key, b.key) || a.order - b.order
  const cut = (): void => {
    entries.sort(compare)
    for (const { key, doc } of entries.splice(limit)) bytes -= key.length + doc.length + ENTRY_BYTES
  }
  const take = (doc: Buffer): void => {
    const key = keyOf(doc)
    bytes += key.length + doc.length + ENTRY_BYTES
    entries.push({ key, doc, order: order++ })
    if (entries.length >= limit * 2 + 1_000 || bytes > SORT_BYTES_MAX) {
      if (entries.length > limit) cut()
      if (bytes > SORT_BYTES_MAX)
        throw codeError(
          'QueryExceededMemoryLimitNoDiskUseAllowed',
          `Sort exceeded memory limit of ${SORT_BYTES_MAX} bytes, and sorting on disk is not supported yet; an index on the sort's fields avoids it`,
        )
    }
  }
  return new CollectStage(input, take, () => {
    cut()
    return new ListStage(entries.map(({ doc }) => doc))
  })
}
