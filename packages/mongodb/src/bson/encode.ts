import { BsonType } from './types.ts'
import { Value } from './value.ts'
import { DocumentWriter, indexName } from './writer.ts'

/** What a reply is written as: numbers become int where they fit, else double; Buffers are documents. */
export type ReplyValue =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Value
  | Buffer
  | readonly ReplyValue[]
  | ReplyFields

/** The fields of a document to be written, in their order. */
export interface ReplyFields {
  readonly [name: string]: ReplyValue
}

/** Encodes plain values as one BSON document; fields that are undefined are left out. */
export function encodeDocument(
  fields: ReplyFields,
  writer: DocumentWriter = new DocumentWriter(),
): Buffer {
  writeFields(writer.begin(), fields)
  return writer.end().take()
}

/** Writes the fields of a plain object into the document that is open. */
export function writeFields(writer: DocumentWriter, fields: ReplyFields): void {
  for (const name in fields) writeReplyValue(writer, name, fields[name])
}

function writeReplyValue(writer: DocumentWriter, name: string, value: ReplyValue): void {
  switch (typeof value) {
    case 'undefined':
      return
    case 'boolean':
      writer.bool(name, value)
      return
    case 'number':
      if (value === (value | 0) && !Object.is(value, -0)) writer.int(name, value)
      else writer.double(name, value)
      return
    case 'bigint':
      writer.long(name, value)
      return
    case 'string':
      writer.string(name, value)
      return
  }
  if (value === null) writer.null(name)
  else if (value instanceof Value) writer.value(name, value)
  else if (Buffer.isBuffer(value)) writer.raw(name, BsonType.object, value, 0, value.length)
  else if (value instanceof Date) writer.date(name, value.getTime())
  else if (Array.isArray(value)) {
    writer.beginArray(name)
    for (let index = 0; index < value.length; index++)
      writeReplyValue(writer, indexName(index), value[index] ?? null)
    writer.end()
  } else {
    writeFields(writer.beginDocument(name), value as ReplyFields)
    writer.end()
  }
}

/** The array value of these values. */
export function arrayValue(values: readonly Value[]): Value {
  const writer = new DocumentWriter(64).begin()
  for (let index = 0; index < values.length; index++) writer.value(indexName(index), values[index]!)
  return new Value(BsonType.array, writer.end().take(), 0)
}
