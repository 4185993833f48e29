import { boolean, type ConfigMap, ignored, list, string } from '../config/fields.ts'
import { ConfigSpec } from '../config/spec.ts'
import { javaText } from '../converters/simple.ts'
import {
  type ConnectValue,
  int64Schema,
  javaTypeOf,
  Logical,
  type Schema,
  type SchemaType,
  shortFloat,
  stringSchema,
  timestampSchema,
} from '../data/schema.ts'
import { ConnectError, dataError } from '../errors.ts'
import { checkTimeFormat, formatTime, parseTime } from './time-format.ts'
import {
  bothSides,
  perSchema,
  requireObject,
  type Side,
  sideSchema,
  sideValue,
  type Transform,
  type TransformPlugin,
  withValue,
} from './transform.ts'

// Cast

const castable: readonly SchemaType[] = [
  'int8',
  'int16',
  'int32',
  'int64',
  'float32',
  'float64',
  'boolean',
  'string',
]

const castSpec = new ConfigSpec(
  {
    spec: list(
      'List of fields and the type to cast them to, `field1:type,field2:type`, or a single type for the whole key or value.',
      { importance: 'HIGH' },
    ),
    'replace.null.with.default': boolean(
      'Whether a null in a field with a default becomes the default.',
      { default: true },
    ),
  },
  'Transforms',
)

function cast(config: ConfigMap, side: Side): Transform {
  const options = castSpec.parse(config)
  let whole: SchemaType | undefined
  const byField = new Map<string, SchemaType>()
  for (const item of options.spec) {
    const colon = item.lastIndexOf(':')
    const type = item.slice(colon + 1).trim() as SchemaType
    if (!castable.includes(type))
      throw new ConnectError('CONNECT_CONFIG', `Invalid type found in casting spec: ${type}`)
    if (colon < 0) whole = type
    else byField.set(item.slice(0, colon).trim(), type)
  }
  if (whole !== undefined && options.spec.length > 1)
    throw new ConnectError(
      'CONNECT_CONFIG',
      'Cast transformations that specify a type to cast the entire value to may ONLY specify a single cast in their spec',
    )
  const changed = perSchema<Schema>((schema) => ({
    ...schema,
    fields: (schema.fields ?? []).map((field) => {
      const type = byField.get(field.name)
      return type ? { name: field.name, schema: castField(field.schema, type) } : field
    }),
  }))
  return (record) => {
    const value = sideValue(record, side)
    const schema = sideSchema(record, side)
    if (whole !== undefined)
      return withValue(record, side, schema && castSchema(schema, whole), castValue(value, whole))
    if (value === null) return record
    const result: Record<string, ConnectValue> = { ...requireObject(value, 'cast types') }
    // Without a schema, what is asked for is there afterwards, as in Java.
    for (const [name, type] of byField)
      if (!schema || name in result) result[name] = castValue(result[name] ?? null, type)
    return withValue(record, side, schema && changed(schema), result)
  }
}

function castSchema(schema: Schema, type: SchemaType): Schema {
  return { type, ...(schema.optional ? { optional: true } : {}) }
}

/** A field keeps its default, as its new type. */
function castField(schema: Schema, type: SchemaType): Schema {
  const cast = castSchema(schema, type)
  return schema.default === undefined ? cast : { ...cast, default: castValue(schema.default, type) }
}

const intBits: Readonly<Record<string, number>> = { int8: 8, int16: 16, int32: 32, int64: 64 }

function castValue(value: ConnectValue, type: SchemaType): ConnectValue {
  if (value === null) return null
  if (type === 'string') return javaText(value)
  if (type === 'boolean') return toBoolean(value)
  const number = toNumber(value)
  const bits = intBits[type]
  if (bits === undefined) return type === 'float32' ? shortFloat(Number(number)) : Number(number)
  if (typeof value === 'string' && typeof number !== 'bigint')
    throw dataError(`Value (${value}) was out of range for requested data type`)
  // As Java narrows: doubles are cut and clamped, integers wrap; text out of range is an error.
  const whole = typeof number === 'bigint' ? number : clamp(number, bits)
  const wrapped = BigInt.asIntN(bits, whole)
  if (typeof value === 'string' && wrapped !== whole)
    throw dataError(`Value (${value}) was out of range for requested data type`)
  return wrapped >= Number.MIN_SAFE_INTEGER && wrapped <= Number.MAX_SAFE_INTEGER
    ? Number(wrapped)
    : wrapped
}

function clamp(value: number, bits: number): bigint {
  if (Number.isNaN(value)) return 0n
  const limit = Number.isInteger(value) ? 64 : Math.max(bits, 32)
  const max = (1n << BigInt(limit - 1)) - 1n
  if (!Number.isFinite(value)) return value > 0 ? max : -max - 1n
  const whole = BigInt(Math.trunc(value))
  if (whole > max) return max
  return whole < -max - 1n ? -max - 1n : whole
}

function toNumber(value: ConnectValue): number | bigint {
  if (typeof value === 'number' || typeof value === 'bigint') return value
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value instanceof Date) return value.getTime()
  if (typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value)))
    return /^[+-]?\d+$/.test(value) ? BigInt(value) : Number(value)
  throw dataError(`Unexpected type in Cast transformation: ${javaTypeOf(value)}`)
}

function toBoolean(value: ConnectValue): boolean {
  if (typeof value === 'boolean') return value
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value) !== 0
  if (typeof value === 'string') return value.toLowerCase() === 'true'
  throw dataError(`Unexpected type in Cast transformation: ${javaTypeOf(value)}`)
}

// TimestampConverter

const timestampSpec = new ConfigSpec(
  {
    field: string('The field containing the timestamp, or empty if the entire value is one.', {
      default: '',
      importance: 'HIGH',
    }),
    'target.type': string('The desired timestamp representation.', {
      importance: 'HIGH',
      choices: ['string', 'unix', 'Date', 'Time', 'Timestamp'],
    }),
    format: string('A java.text.SimpleDateFormat pattern, for reading or writing text.', {
      default: '',
    }),
    'unix.precision': string('The precision of a unix time.', {
      default: 'milliseconds',
      choices: ['seconds', 'milliseconds', 'microseconds', 'nanoseconds'],
      importance: 'LOW',
    }),
    'field.syntax.version': ignored('Java’s transform has no names of nested fields either'),
    'replace.null.with.default': boolean(
      'Whether a null in a field with a default becomes the default.',
      { default: true },
    ),
  },
  'Transforms',
)

const perMs: Readonly<Record<string, number>> = {
  seconds: 0.001,
  milliseconds: 1,
  microseconds: 1_000,
  nanoseconds: 1_000_000,
}

const millisPerDay = 86_400_000

function timestampConverter(config: ConfigMap, side: Side): Transform {
  const options = timestampSpec.parse(config)
  const { field, format } = options
  const target = options['target.type']
  if (target === 'string' && format === '')
    throw new ConnectError(
      'CONNECT_CONFIG',
      'TimestampConverter requires format option to be specified when using string timestamps',
    )
  if (format !== '') checkTimeFormat(format)
  const scale = perMs[options['unix.precision']]!
  const convert = (value: ConnectValue): ConnectValue =>
    value === null ? null : writeTime(readTime(value, format, scale), target, format, scale)
  const changed = perSchema<Schema>((schema) => ({
    ...schema,
    fields: (schema.fields ?? []).map((item) =>
      item.name === field
        ? {
            name: field,
            schema: { ...timeSchema(target), optional: item.schema.optional ?? false },
          }
        : item,
    ),
  }))
  return (record) => {
    const value = sideValue(record, side)
    const schema = sideSchema(record, side)
    if (field === '') {
      const optional = schema?.optional ?? false
      const converted = schema && { ...timeSchema(target), optional }
      return withValue(record, side, converted, convert(value))
    }
    if (value === null) return record
    const before = requireObject(value, 'converting timestamp formats')
    const result = { ...before, [field]: convert(before[field] ?? null) }
    return withValue(record, side, schema && changed(schema), result)
  }
}

function readTime(value: ConnectValue, format: string, scale: number): number {
  if (value instanceof Date) return value.getTime()
  if (typeof value === 'bigint') return Number(value) / scale
  if (typeof value === 'number') return Math.trunc(value / scale)
  if (typeof value === 'string') {
    if (format !== '') return parseTime(format, value)
    throw dataError(
      'TimestampConverter requires format option to be specified when using string timestamps',
    )
  }
  throw dataError(`TimestampConverter does not support ${javaTypeOf(value)} objects as timestamps`)
}

function writeTime(timeMs: number, target: string, format: string, scale: number): ConnectValue {
  const sinceMidnight = ((timeMs % millisPerDay) + millisPerDay) % millisPerDay
  switch (target) {
    case 'string':
      return formatTime(format, timeMs)
    case 'unix':
      return Math.trunc(timeMs * scale)
    case 'Date':
      return new Date(timeMs - sinceMidnight)
    case 'Time':
      return new Date(sinceMidnight)
    default:
      return new Date(timeMs)
  }
}

function timeSchema(target: string): Schema {
  switch (target) {
    case 'string':
      return stringSchema
    case 'unix':
      return int64Schema
    case 'Date':
      return { type: 'int32', name: Logical.date, version: 1 }
    case 'Time':
      return { type: 'int32', name: Logical.time, version: 1 }
    default:
      return timestampSchema
  }
}

/** The transforms that change the types of values. */
export const typeTransforms: readonly TransformPlugin[] = [
  ...bothSides('Cast', castSpec, cast),
  ...bothSides('TimestampConverter', timestampSpec, timestampConverter),
]
