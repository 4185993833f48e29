import type { Binary, Double, Int32, ObjectId, UUID } from 'mongodb'
import type { ConnectValue, Schema } from '../../data/schema.ts'

/** The driver's BSON classes; the driver is loaded when the first sink starts. */
export interface BsonTypes {
  readonly Binary: typeof Binary
  readonly Double: typeof Double
  readonly Int32: typeof Int32
  readonly ObjectId: typeof ObjectId
  readonly UUID: typeof UUID
}

/**
 * A value as the Java connector stores it: integers without a schema are 64-bit, as JsonConverter
 * reads them; other numbers are doubles; the schema decides where there is one. The driver writes a
 * `bigint` as a 64-bit integer.
 */
export function toBson(value: ConnectValue, schema: Schema | undefined, bson: BsonTypes): unknown {
  switch (typeof value) {
    case 'number':
      return numberToBson(value, schema, bson)
    case 'object':
      break
    default:
      return value
  }
  if (value === null || value instanceof Date) return value
  if (value instanceof Uint8Array) return new bson.Binary(value)
  if (Array.isArray(value))
    return value.map((item: ConnectValue) => toBson(item, schema?.items, bson))
  const document: Record<string, unknown> = {}
  if (schema?.fields)
    for (const field of schema.fields)
      document[field.name] = toBson(
        (value as Record<string, ConnectValue>)[field.name] ?? null,
        field.schema,
        bson,
      )
  else
    for (const name in value)
      document[name] = toBson(
        (value as Record<string, ConnectValue>)[name] ?? null,
        schema?.values,
        bson,
      )
  return document
}

function numberToBson(value: number, schema: Schema | undefined, bson: BsonTypes): unknown {
  switch (schema?.type) {
    case 'int8':
    case 'int16':
    case 'int32':
      return new bson.Int32(value)
    case 'float32':
    case 'float64':
      return new bson.Double(value)
    default:
      return Number.isSafeInteger(value) ? BigInt(value) : new bson.Double(value)
  }
}
