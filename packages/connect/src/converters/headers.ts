import type { ConfigMap } from '../config/fields.ts'
import type { Header, KafkaHeader } from '../data/record.ts'
import {
  type ConnectValue,
  int32Schema,
  int64Schema,
  isObject,
  Logical,
  type Schema,
  shortFloat,
  stringSchema,
  timestampSchema,
} from '../data/schema.ts'
import type { Converter, ConverterPlugin, SchemaAndValue } from './converter.ts'
import { javaText } from './simple.ts'

/** Between headers in Kafka and headers of Connect's data. */
export interface HeaderConverter {
  toConnect(header: KafkaHeader, topic: string): Header
  fromConnect(header: Header, topic: string): Uint8Array | null
}

export const simpleHeaderConverterName = 'org.apache.kafka.connect.storage.SimpleHeaderConverter'

/** The default: values as text, their types guessed on the way back, as Java does. */
export const simpleHeaderConverter: HeaderConverter = {
  toConnect: ([key, value]) =>
    value === null
      ? { key, schema: undefined, value: null }
      : { key, ...parseText(Buffer.from(value).toString()) },
  fromConnect: (header) => (header.value === null ? null : Buffer.from(headerText(header))),
}

/** Any converter of values can convert headers too. */
export function headerConverterOf(plugin: ConverterPlugin, config: ConfigMap): HeaderConverter {
  const converter: Converter = plugin.create(config, false)
  return {
    toConnect: ([key, value], topic) => ({ key, ...converter.toConnect(value, topic) }),
    fromConnect: (header, topic) => converter.fromConnect(header.schema, header.value, topic),
  }
}

function headerText({ schema, value }: Header): string {
  if (value instanceof Date) {
    const text = value.toISOString()
    if (schema?.name === Logical.date) return text.slice(0, 10)
    return schema?.name === Logical.time ? text.slice(11) : text
  }
  return Array.isArray(value) || isObject(value) ? JSON.stringify(value) : javaText(value, schema)
}

/** Guesses a value's type from its text: the narrowest that holds it. */
export function parseText(text: string): SchemaAndValue {
  if (text === 'null') return { schema: undefined, value: null }
  if (text === 'true' || text === 'false')
    return { schema: { type: 'boolean' }, value: text === 'true' }
  const trimmed = text.trim()
  return (
    parseNumber(trimmed) ??
    parseTime(trimmed) ??
    parseNested(trimmed) ?? { schema: stringSchema, value: text }
  )
}

function parseNumber(text: string): SchemaAndValue | undefined {
  if (!/^[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?$/.test(text)) return undefined
  if (/^[+-]?\d+$/.test(text)) return integer(BigInt(text))
  const value = Number(text)
  // With a point or an exponent a whole number is still one.
  const whole = Number.isSafeInteger(value) ? integer(BigInt(value)) : undefined
  if (whole) return whole
  if (!Number.isFinite(value)) return undefined
  return Number.isFinite(Math.fround(value))
    ? { schema: { type: 'float32' }, value: shortFloat(value) }
    : { schema: { type: 'float64' }, value }
}

function parseTime(text: string): SchemaAndValue | undefined {
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return dated(text, dateSchema)
  if (/^\d\d:\d\d:\d\d\.\d{3}Z$/.test(text)) return dated(`1970-01-01T${text}`, timeSchema)
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text)) return dated(text, timestampSchema)
  return undefined
}

function dated(text: string, schema: Schema): SchemaAndValue | undefined {
  const value = new Date(text)
  return Number.isNaN(value.getTime()) ? undefined : { schema, value }
}

function parseNested(text: string): SchemaAndValue | undefined {
  if (!/^[[{]/.test(text)) return undefined
  try {
    const value = JSON.parse(text) as ConnectValue
    return { schema: Array.isArray(value) ? { type: 'array' } : mapSchema, value }
  } catch {
    // Text that only looks like JSON is text.
    return undefined
  }
}

const dateSchema: Schema = { type: 'int32', name: Logical.date, version: 1 }
const timeSchema: Schema = { type: 'int32', name: Logical.time, version: 1 }
const mapSchema: Schema = { type: 'map', keys: stringSchema }
const int8Schema: Schema = { type: 'int8' }
const int16Schema: Schema = { type: 'int16' }

/** The narrowest type for an integer; undefined where none is wide enough. */
function integer(exact: bigint): SchemaAndValue | undefined {
  if (BigInt.asIntN(64, exact) !== exact) return undefined
  const value = Number(exact)
  if (!Number.isSafeInteger(value)) return { schema: int64Schema, value: exact }
  const size = value < 0 ? -value - 1 : value
  if (size < 2 ** 7) return { schema: int8Schema, value }
  if (size < 2 ** 15) return { schema: int16Schema, value }
  return { schema: size < 2 ** 31 ? int32Schema : int64Schema, value }
}
