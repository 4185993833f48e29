import { type ConnectValue, Logical, type Schema } from '../../data/schema.ts'
import type { NumericMapping, ResultColumn } from './database.ts'
import { decimalBytes, decimalSchema } from './values.ts'

interface Field {
  readonly name: string
  readonly dataTypeID: number
  readonly dataTypeModifier: number
}

interface TypeReader {
  readonly schema: Schema
  read(text: string): ConnectValue
}

const optional = (type: Schema['type'], rest: Partial<Schema> = {}): Schema => ({
  type,
  optional: true,
  ...rest,
})
const logical = (type: Schema['type'], name: string): Schema => optional(type, { name, version: 1 })

const exactInteger = (text: string): ConnectValue => {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : BigInt(text)
}

/** By the numbers that PostgreSQL gives its own types; every other type comes as text. */
const readers = new Map<number, TypeReader>([
  [16, { schema: optional('boolean'), read: (text) => text === 't' }],
  [21, { schema: optional('int16'), read: Number }],
  [23, { schema: optional('int32'), read: Number }],
  [26, { schema: optional('int64'), read: Number }],
  [20, { schema: optional('int64'), read: exactInteger }],
  [700, { schema: optional('float32'), read: Number }],
  [701, { schema: optional('float64'), read: Number }],
  [17, { schema: optional('bytes'), read: (text) => Buffer.from(text.slice(2), 'hex') }],
  [1082, { schema: logical('int32', Logical.date), read: (text) => new Date(`${text}T00:00:00Z`) }],
  [
    1083,
    { schema: logical('int32', Logical.time), read: (text) => new Date(`1970-01-01T${text}Z`) },
  ],
  [1114, { schema: logical('int64', Logical.timestamp), read: (text) => instantOf(`${text}Z`) }],
  // The connection is in UTC: the zone is always +00.
  [
    1184,
    {
      schema: logical('int64', Logical.timestamp),
      read: (text) => instantOf(text.replace(/\+00$/, 'Z')),
    },
  ],
])
const text: TypeReader = { schema: optional('string'), read: (value) => value }

const numericOid = 1700
/** What a number without a declared scale gets, as Confluent's connector gives it. */
const scaleUnset = 127

/** How a column of a result is read. */
export function postgresColumn(field: Field, mapping: NumericMapping): ResultColumn {
  const reader =
    field.dataTypeID === numericOid
      ? numericReader(field.dataTypeModifier, mapping)
      : (readers.get(field.dataTypeID) ?? text)
  return {
    name: field.name,
    schema: reader.schema,
    read: (raw) => (raw === null ? null : reader.read(String(raw))),
  }
}

function instantOf(value: string): Date {
  return new Date(value.replace(' ', 'T'))
}

function numericReader(modifier: number, mapping: NumericMapping): TypeReader {
  const isDeclared = modifier >= 4
  const precision = isDeclared ? ((modifier - 4) >> 16) & 0xffff : 0
  const scale = isDeclared ? (modifier - 4) & 0xffff : scaleUnset
  const isWhole = isDeclared && scale === 0 && precision < 19
  if (isWhole && mapping !== 'none')
    return {
      schema: optional(
        precision > 9 ? 'int64' : precision > 4 ? 'int32' : precision > 2 ? 'int16' : 'int8',
      ),
      read: exactInteger,
    }
  const isDouble =
    mapping === 'best_fit_eager_double' || (mapping === 'best_fit' && isDeclared && precision < 19)
  if (isDouble) return { schema: optional('float64'), read: Number }
  return {
    schema: decimalSchema(scale, true),
    read: (value) => decimalBytes(value, scale),
  }
}
