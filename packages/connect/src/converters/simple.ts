import { string } from '../config/fields.ts'
import { ConfigSpec } from '../config/spec.ts'
import {
  type ConnectValue,
  isObject,
  javaTypeOf,
  optionalBytesSchema,
  optionalStringSchema,
  type Schema,
  type SchemaType,
  shortFloat,
} from '../data/schema.ts'
import { ConnectError, dataError } from '../errors.ts'
import type { Converter, ConverterPlugin } from './converter.ts'

const stringSpec = new ConfigSpec(
  {
    'converter.encoding': string('The name of the character set to use.', {
      default: 'UTF-8',
      importance: 'HIGH',
    }),
  },
  'Converter',
)

const encodings: Readonly<Record<string, BufferEncoding>> = {
  'utf-8': 'utf8',
  utf8: 'utf8',
  'us-ascii': 'ascii',
  'iso-8859-1': 'latin1',
  'utf-16le': 'utf16le',
}

/** `org.apache.kafka.connect.storage.StringConverter` */
export const stringConverter: ConverterPlugin = {
  className: 'org.apache.kafka.connect.storage.StringConverter',
  spec: stringSpec,
  create(config) {
    const name = stringSpec.parse(config)['converter.encoding']
    const encoding = encodings[name.toLowerCase()]
    if (!encoding)
      throw new ConnectError('CONNECT_NOT_SUPPORTED', `converter.encoding ${name}: not supported`)
    return {
      toConnect: (bytes) => ({
        schema: optionalStringSchema,
        value: bytes === null ? null : viewOf(bytes).toString(encoding),
      }),
      fromConnect: (schema, value) =>
        value === null
          ? null
          : Buffer.from(
              value instanceof Date ? javaDateText(value) : javaText(value, schema),
              encoding,
            ),
    }
  },
}

/** How Java's `toString` writes a value: maps are `{a=1, b=2}`, structs `Struct{a=1,b=2}`. */
export function javaText(value: ConnectValue, schema?: Schema): string {
  if (typeof value === 'number' && (schema?.type === 'float64' || schema?.type === 'float32'))
    return javaDecimalText(schema.type === 'float32' ? shortFloat(value) : value)
  if (value instanceof Uint8Array) return viewOf(value).toString('base64')
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value))
    return `[${value.map((item: ConnectValue) => javaText(item, schema?.items)).join(', ')}]`
  if (!isObject(value)) return String(value)
  if (schema?.fields) {
    const filled = schema.fields.filter(({ name }) => (value[name] ?? null) !== null)
    return `Struct{${filled
      .map((field) => `${field.name}=${javaText(value[field.name]!, field.schema)}`)
      .join(',')}}`
  }
  return `{${Object.entries(value)
    .map(([key, item]) => `${key}=${javaText(item, schema?.values)}`)
    .join(', ')}}`
}

/** How Java writes a double or a float: `12.0`, `1.5E300`. */
function javaDecimalText(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  if (size === 0 || (size >= 1e-3 && size < 1e7))
    return Number.isInteger(value) ? `${Object.is(value, -0) ? '-0' : value}.0` : String(value)
  const [digits = '', exponent = ''] = value.toExponential().split('e')
  return `${digits.includes('.') ? digits : `${digits}.0`}E${Number(exponent)}`
}

/** How Java's `Date` writes itself, in UTC: `Sat Jan 31 08:00:00 UTC 2026`. */
function javaDateText(value: Date): string {
  const [, weekday, day, month, year, time] =
    /^(\w+), (\d+) (\w+) (\d+) ([\d:]+)/.exec(value.toUTCString()) ?? []
  return `${weekday} ${month} ${day} ${time} UTC ${year}`
}

const noOptions = new ConfigSpec({}, 'Converter')
// Classic files give this converter options of the JSON one; Java ignores them as we do.
const byteArrayConverterOf = (className: string): ConverterPlugin => ({
  className,
  spec: noOptions,
  create: () => byteArrays,
})

const byteArrays: Converter = {
  toConnect: (bytes) => ({ schema: optionalBytesSchema, value: bytes }),
  fromConnect(schema, value) {
    if (schema && schema.type !== 'bytes')
      throw dataError(`Invalid schema type for ByteArrayConverter: ${schema.type.toUpperCase()}`)
    if (value === null || value instanceof Uint8Array) return value
    throw dataError(
      `ByteArrayConverter is not compatible with objects of type ${javaTypeOf(value)}`,
    )
  },
}

/** `org.apache.kafka.connect.converters.ByteArrayConverter` */
export const byteArrayConverter: ConverterPlugin = byteArrayConverterOf(
  'org.apache.kafka.connect.converters.ByteArrayConverter',
)

interface Primitive {
  readonly type: SchemaType
  readonly byteCount: number
  read(bytes: Buffer): ConnectValue
  write(bytes: Buffer, value: never): void
  accepts(value: ConnectValue): boolean
}

const isInt = (value: ConnectValue): boolean => Number.isInteger(value)
const primitives: Readonly<Record<string, Primitive>> = {
  Short: {
    type: 'int16',
    byteCount: 2,
    read: (bytes) => bytes.readInt16BE(0),
    write: (bytes, value) => bytes.writeInt16BE(value, 0),
    accepts: isInt,
  },
  Integer: {
    type: 'int32',
    byteCount: 4,
    read: (bytes) => bytes.readInt32BE(0),
    write: (bytes, value) => bytes.writeInt32BE(value, 0),
    accepts: isInt,
  },
  Long: {
    type: 'int64',
    byteCount: 8,
    read(bytes) {
      const value = bytes.readBigInt64BE(0)
      return Number.isSafeInteger(Number(value)) ? Number(value) : value
    },
    write: (bytes, value) => bytes.writeBigInt64BE(BigInt(value), 0),
    accepts: (value) => isInt(value) || typeof value === 'bigint',
  },
  Float: {
    type: 'float32',
    byteCount: 4,
    read: (bytes) => bytes.readFloatBE(0),
    write: (bytes, value) => bytes.writeFloatBE(value, 0),
    accepts: (value) => typeof value === 'number',
  },
  Double: {
    type: 'float64',
    byteCount: 8,
    read: (bytes) => bytes.readDoubleBE(0),
    write: (bytes, value) => bytes.writeDoubleBE(value, 0),
    accepts: (value) => typeof value === 'number',
  },
  Boolean: {
    type: 'boolean',
    byteCount: 1,
    read(bytes) {
      if (bytes[0]! > 1) throw dataError(`Failed to deserialize to Boolean: ${bytes[0]}`)
      return bytes[0] === 1
    },
    write: (bytes, value) => {
      bytes[0] = value ? 1 : 0
    },
    accepts: (value) => typeof value === 'boolean',
  },
}

/** `org.apache.kafka.connect.converters.{Short,Integer,Long,Float,Double,Boolean}Converter` */
export const primitiveConverters: readonly ConverterPlugin[] = Object.entries(primitives).map(
  ([name, primitive]) => ({
    className: `org.apache.kafka.connect.converters.${name}Converter`,
    spec: noOptions,
    create: () => primitiveConverter(name, primitive),
  }),
)

function primitiveConverter(name: string, primitive: Primitive): Converter {
  const schema: Schema = { type: primitive.type, optional: true }
  return {
    toConnect(bytes) {
      if (bytes === null) return { schema, value: null }
      if (bytes.byteLength !== primitive.byteCount)
        throw dataError(
          `Failed to deserialize to ${name}: size of data received is not ${primitive.byteCount}`,
        )
      return { schema, value: primitive.read(viewOf(bytes)) }
    },
    fromConnect(given, value) {
      // Java looks at the schema of a boolean, and else at the class of the value.
      const isOther = given !== undefined && given.type !== primitive.type
      if (isOther && (value !== null || primitive.type === 'boolean'))
        throw dataError(`Invalid schema type for ${name}Converter: ${given.type.toUpperCase()}`)
      if (value === null) return null
      if (!primitive.accepts(value))
        throw dataError(`Failed to serialize to ${name}: it is a ${javaTypeOf(value)}`)
      const bytes = Buffer.allocUnsafe(primitive.byteCount)
      try {
        primitive.write(bytes, value as never)
      } catch (error) {
        throw dataError(`Failed to serialize to ${name}`, error)
      }
      return bytes
    },
  }
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
