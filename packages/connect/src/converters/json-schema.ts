import type { Field, Schema, SchemaType } from '../data/schema.ts'
import { dataError } from '../errors.ts'

// How JsonConverter's envelope writes a schema:
// {"type":"struct","fields":[{"type":"int32","optional":false,"field":"a"}],"optional":false,"name":"…"}

const namesInJson: Readonly<Record<SchemaType, string>> = {
  int8: 'int8',
  int16: 'int16',
  int32: 'int32',
  int64: 'int64',
  float32: 'float',
  float64: 'double',
  boolean: 'boolean',
  string: 'string',
  bytes: 'bytes',
  array: 'array',
  map: 'map',
  struct: 'struct',
}

const typesByName = new Map(
  Object.entries(namesInJson).map(([type, name]) => [name, type as SchemaType]),
)

type Json = Record<string, unknown>

/** @throws ConnectError `CONNECT_DATA` */
export function schemaFromJson(json: unknown): Schema | undefined {
  if (json === null || json === undefined) return undefined
  if (typeof json !== 'object') throw dataError('Schema must be an object')
  const source = json as Json
  const type = typesByName.get(String(source.type))
  if (type === undefined) throw dataError(`Unknown schema type: ${String(source.type)}`)
  const schema: { -readonly [K in keyof Schema]: Schema[K] } = { type }
  if (source.optional === true) schema.optional = true
  if (typeof source.name === 'string') schema.name = source.name
  if (typeof source.version === 'number') schema.version = source.version
  if (typeof source.doc === 'string') schema.doc = source.doc
  if (source.parameters && typeof source.parameters === 'object')
    schema.parameters = source.parameters as Record<string, string>
  if (source.default !== undefined && source.default !== null)
    schema.default = source.default as NonNullable<Schema['default']>
  if (type === 'array') schema.items = part(source, 'items', 'Array')
  if (type === 'map') {
    schema.keys = part(source, 'keys', 'Map')
    schema.values = part(source, 'values', 'Map')
  }
  if (type === 'struct') schema.fields = fieldsFromJson(source.fields)
  return schema
}

function part(source: Json, name: string, kind: string): Schema {
  const schema = schemaFromJson(source[name])
  if (!schema) throw dataError(`${kind} schema did not specify the ${name} schema`)
  return schema
}

function fieldsFromJson(json: unknown): Field[] {
  if (!Array.isArray(json)) throw dataError('Struct schema\'s "fields" argument is not an array.')
  return json.map((item: Json) => {
    const name = item.field
    if (typeof name !== 'string')
      throw dataError("Struct schema's field name not specified properly")
    const schema = schemaFromJson(item)
    if (!schema) throw dataError(`Struct schema's field ${name} has no type`)
    return { name, schema }
  })
}

export function schemaToJson(schema: Schema | undefined): unknown {
  if (!schema) return null
  const json: Json = { type: namesInJson[schema.type] }
  if (schema.items) json.items = schemaToJson(schema.items)
  if (schema.keys) json.keys = schemaToJson(schema.keys)
  if (schema.values) json.values = schemaToJson(schema.values)
  if (schema.fields)
    json.fields = schema.fields.map((field) => ({
      ...(schemaToJson(field.schema) as Json),
      field: field.name,
    }))
  json.optional = schema.optional ?? false
  if (schema.name !== undefined) json.name = schema.name
  if (schema.version !== undefined) json.version = schema.version
  if (schema.doc !== undefined) json.doc = schema.doc
  if (schema.parameters) json.parameters = schema.parameters
  if (schema.default !== undefined) json.default = schema.default
  return json
}
