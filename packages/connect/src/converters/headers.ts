import type { ConfigMap } from '../config/fields.ts'
import type { Header, KafkaHeader } from '../data/record.ts'
import {
  type ConnectValue,
  inferSchema,
  int32Schema,
  int64Schema,
  isObject,
  type Schema,
  stringSchema,
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
  fromConnect: (header) => (header.value === null ? null : Buffer.from(headerText(header.value))),
}

/** Any converter of values can convert headers too. */
export function headerConverterOf(plugin: ConverterPlugin, config: ConfigMap): HeaderConverter {
  const converter: Converter = plugin.create(config, false)
  return {
    toConnect: ([key, value], topic) => ({ key, ...converter.toConnect(value, topic) }),
    fromConnect: (header, topic) => converter.fromConnect(header.schema, header.value, topic),
  }
}

function headerText(value: ConnectValue): string {
  return Array.isArray(value) || isObject(value) ? JSON.stringify(value) : javaText(value)
}

/** Guesses a value's type from its text: the narrowest that holds it. */
export function parseText(text: string): SchemaAndValue {
  if (text === 'null') return { schema: undefined, value: null }
  if (text === 'true' || text === 'false')
    return { schema: { type: 'boolean' }, value: text === 'true' }
  if (/^-?\d{1,18}$/.test(text)) return integer(text)
  if (/^-?\d+\.\d+(?:[eE][+-]?\d+)?$/.test(text))
    return { schema: { type: 'float64' }, value: Number(text) }
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text)) {
    const value = new Date(text)
    return { schema: inferSchema(value), value }
  }
  if (/^[[{]/.test(text)) {
    try {
      return { schema: undefined, value: JSON.parse(text) as ConnectValue }
    } catch {
      // Text that only looks like JSON is text.
    }
  }
  return { schema: stringSchema, value: text }
}

const int8Schema: Schema = { type: 'int8' }
const int16Schema: Schema = { type: 'int16' }

function integer(text: string): SchemaAndValue {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) return { schema: int64Schema, value: BigInt(text) }
  const size = value < 0 ? -value - 1 : value
  if (size < 2 ** 7) return { schema: int8Schema, value }
  if (size < 2 ** 15) return { schema: int16Schema, value }
  return { schema: size < 2 ** 31 ? int32Schema : int64Schema, value }
}
