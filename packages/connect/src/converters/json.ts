import { boolean, int, string } from '../config/fields.ts'
import { ConfigSpec } from '../config/spec.ts'
import {
  type ConnectValue,
  isObject,
  javaTypeOf,
  Logical,
  type Schema,
  shortFloat,
} from '../data/schema.ts'
import { ConnectError, dataError } from '../errors.ts'
import { type Converter, type ConverterPlugin, nothing, type SchemaAndValue } from './converter.ts'
import { schemaFromJson, schemaToJson } from './json-schema.ts'

const spec = new ConfigSpec(
  {
    'schemas.enable': boolean('Include schemas within each of the serialized values and keys.', {
      default: true,
      importance: 'HIGH',
    }),
    'schemas.cache.size': int('The maximum number of schemas that can be cached.', {
      default: 1000,
      importance: 'HIGH',
    }),
    'decimal.format': string('How decimals are written.', {
      default: 'BASE64',
      choices: ['BASE64', 'NUMERIC'],
      importance: 'LOW',
    }),
    'replace.null.with.default': boolean(
      'Whether a null in an optional field with a default becomes the default.',
      { default: true, importance: 'LOW' },
    ),
  },
  'Converter',
)

const millisPerDay = 86_400_000

/** `org.apache.kafka.connect.json.JsonConverter`, with and without the schema envelope. */
export const jsonConverter: ConverterPlugin = {
  className: 'org.apache.kafka.connect.json.JsonConverter',
  spec,
  create(config) {
    const options = spec.parse(config)
    if (options['decimal.format'] === 'NUMERIC')
      throw new ConnectError('CONNECT_NOT_SUPPORTED', 'decimal.format=NUMERIC: not supported yet')
    return options['schemas.enable'] ? new EnvelopeConverter() : plain
  },
}

const plain: Converter = {
  toConnect(bytes) {
    if (bytes === null || bytes.byteLength === 0) return nothing
    return { schema: undefined, value: parseJson(bytes) }
  },
  fromConnect(schema, value) {
    return value === null && schema === undefined
      ? null
      : Buffer.from(JSON.stringify(toJson(schema, value)))
  },
}

/** An envelope's schema is parsed once for each text that it comes in. */
class EnvelopeConverter implements Converter {
  readonly #schemas = new Map<string, Schema | undefined>()
  readonly #jsonBySchema = new WeakMap<Schema, string>()

  toConnect(bytes: Uint8Array | null): SchemaAndValue {
    if (bytes === null || bytes.byteLength === 0) return nothing
    const json = parseJson(bytes)
    if (
      !isObject(json) ||
      Object.keys(json).length !== 2 ||
      !('schema' in json) ||
      !('payload' in json)
    )
      throw dataError(
        'JsonConverter with schemas.enable requires "schema" and "payload" fields and may not contain additional fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration.',
      )
    const schema = this.#schema(json.schema ?? null)
    return { schema, value: fromJson(schema, json.payload ?? null) }
  }

  fromConnect(schema: Schema | undefined, value: ConnectValue): Uint8Array | null {
    if (schema === undefined && value === null) return null
    let text = schema && this.#jsonBySchema.get(schema)
    if (text === undefined) {
      text = JSON.stringify(schemaToJson(schema))
      if (schema) this.#jsonBySchema.set(schema, text)
    }
    return Buffer.from(`{"schema":${text},"payload":${JSON.stringify(toJson(schema, value))}}`)
  }

  #schema(json: ConnectValue): Schema | undefined {
    const text = stringify(json)
    if (this.#schemas.has(text)) return this.#schemas.get(text)
    const schema = schemaFromJson(json)
    if (this.#schemas.size >= 1000) this.#schemas.clear()
    this.#schemas.set(text, schema)
    return schema
  }
}

/**
 * Parses JSON text. Integers beyond 2^53 become `bigint`, so that none is rounded.
 *
 * @throws ConnectError `CONNECT_DATA`
 */
export function parseJson(bytes: Uint8Array): ConnectValue {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  try {
    const value = JSON.parse(text) as ConnectValue
    return isRounded(value) ? (JSON.parse(text, exactIntegers) as ConnectValue) : value
  } catch (error) {
    throw dataError(
      'Converting byte[] to Kafka Connect data failed due to serialization error: ',
      // V8 quotes the text; payloads belong neither into logs nor into headers.
      new ConnectError('CONNECT_DATA', (error as Error).message.replace(/, (\.\.\.)?".*$/s, '')),
    )
  }
}

/** Whether a value holds an integer that a number may have rounded. */
function isRounded(value: ConnectValue): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value)
  if (typeof value !== 'object' || value === null) return false
  for (const key in value) if (isRounded((value as Record<string, ConnectValue>)[key]!)) return true
  return false
}

// `JSON.parse` gives a third argument with the number's own text; TypeScript's library has two.
const exactIntegers = ((_key: string, value: unknown, context?: { source?: string }): unknown => {
  const source = context?.source
  return typeof value === 'number' &&
    !Number.isSafeInteger(value) &&
    source &&
    /^-?\d+$/.test(source)
    ? BigInt(source)
    : value
}) as (key: string, value: unknown) => unknown

function stringify(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? rawJson(item.toString()) : item,
  )
}

// An integer beyond 2^53 is written with all its digits.
const rawJson = (text: string): unknown =>
  (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text)

/** A value without a schema is looked at only where JSON has no form for what it holds. */
/** A value as `JSON.stringify` takes it. */
export function toJson(schema: Schema | undefined, value: ConnectValue): unknown {
  if (value === null) return schema?.default !== undefined ? toJson(schema, schema.default) : null
  if (schema && !isOfType(schema, value))
    throw dataError(
      `Invalid type for ${schema.type.toUpperCase()}: ${javaTypeOf(value)} for field value`,
    )
  switch (typeof value) {
    case 'bigint':
      return rawJson(value.toString())
    case 'object':
      break
    case 'number':
      return schema?.type === 'float32' ? shortFloat(value) : value
    default:
      return value
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof Date && !schema)
    throw dataError('Java class class java.util.Date does not have corresponding schema type.')
  if (value instanceof Date)
    return schema?.name === Logical.date
      ? Math.floor(value.getTime() / millisPerDay)
      : value.getTime()
  if (Array.isArray(value)) return value.map((item: ConnectValue) => toJson(schema?.items, item))
  if (schema?.type === 'map' && schema.keys?.type !== 'string')
    return Object.entries(value).map(([key, item]) => [
      keyToJson(schema.keys, key),
      toJson(schema.values, item),
    ])
  const result: Record<string, unknown> = {}
  if (schema?.fields) {
    const struct = value as Record<string, ConnectValue>
    for (const field of schema.fields) {
      const item = struct[field.name] ?? null
      if (item === null && !field.schema.optional && field.schema.default === undefined)
        throw dataError(`Invalid value: null used for required field: "${field.name}"`)
      result[field.name] = toJson(field.schema, item)
    }
    return result
  }
  for (const [key, item] of Object.entries(value)) result[key] = toJson(schema?.values, item)
  return result
}

/** A key of a map, which is held as text, as what its schema says. */
function keyToJson(schema: Schema | undefined, key: string): unknown {
  if (schema?.type === 'boolean') return key === 'true'
  if (schema?.type === 'int64') return rawJson(key)
  return schema && /^(int|float)/.test(schema.type) ? Number(key) : key
}

function isOfType(schema: Schema, value: ConnectValue): boolean {
  switch (schema.type) {
    case 'string':
      return typeof value === 'string'
    case 'boolean':
      return typeof value === 'boolean'
    case 'bytes':
      return value instanceof Uint8Array
    case 'array':
      return Array.isArray(value)
    case 'map':
    case 'struct':
      return isObject(value)
    case 'float32':
    case 'float64':
      return typeof value === 'number'
    default:
      return typeof value === 'bigint' || value instanceof Date || Number.isInteger(value as number)
  }
}

/** @throws ConnectError `CONNECT_DATA` where the payload is not what the schema says. */
function fromJson(schema: Schema | undefined, value: ConnectValue): ConnectValue {
  if (schema === undefined) return value
  if (value === null) {
    if (schema.default !== undefined) return fromJson(schema, schema.default)
    if (schema.optional) return null
    throw dataError(`Invalid null value for required ${schema.type.toUpperCase()} field`)
  }
  if (schema.type === 'bytes') return Buffer.from(textOf(schema, value), 'base64')
  if (schema.type === 'array') {
    if (!Array.isArray(value)) throw mismatch(schema, value)
    return value.map((item: ConnectValue) => fromJson(schema.items, item))
  }
  if (schema.type === 'map' && Array.isArray(value))
    return Object.fromEntries(
      (value as [ConnectValue, ConnectValue][]).map(([key, item]) => [
        String(fromJson(schema.keys, key)),
        fromJson(schema.values, item),
      ]),
    )
  if (schema.type === 'map' || schema.type === 'struct') {
    if (!isObject(value)) throw mismatch(schema, value)
    if (!schema.fields)
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, fromJson(schema.values, item)]),
      )
    return Object.fromEntries(
      schema.fields.map((field) => [field.name, fromJson(field.schema, value[field.name] ?? null)]),
    )
  }
  if (!isOfType(schema, value)) throw mismatch(schema, value)
  if (schema.name === Logical.timestamp || schema.name === Logical.time)
    return new Date(Number(value))
  if (schema.name === Logical.date) return new Date(Number(value) * millisPerDay)
  return value
}

function textOf(schema: Schema, value: ConnectValue): string {
  if (typeof value !== 'string') throw mismatch(schema, value)
  return value
}

function mismatch(schema: Schema, value: ConnectValue): ConnectError {
  return dataError(
    `Invalid type for ${schema.type.toUpperCase()}: the payload has ${javaTypeOf(value)}`,
  )
}
