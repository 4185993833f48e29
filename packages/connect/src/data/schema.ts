/** The types of Connect's data model. */
export type SchemaType =
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float32'
  | 'float64'
  | 'boolean'
  | 'string'
  | 'bytes'
  | 'array'
  | 'map'
  | 'struct'

export interface Field {
  readonly name: string
  readonly schema: Schema
}

/** What is known of a value's type. Values without a schema are plain JSON. */
export interface Schema {
  readonly type: SchemaType
  readonly optional?: boolean
  readonly name?: string
  readonly version?: number
  readonly default?: ConnectValue
  readonly doc?: string
  readonly parameters?: Readonly<Record<string, string>>
  /** Of a struct. */
  readonly fields?: readonly Field[]
  /** Of an array. */
  readonly items?: Schema
  /** Of a map. */
  readonly keys?: Schema
  readonly values?: Schema
}

/**
 * A value of Connect's data model. Maps and structs are plain objects; integers beyond 2^53 are
 * `bigint`; logical dates and times are `Date`; bytes are `Uint8Array`.
 */
export type ConnectValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | readonly ConnectValue[]
  | { readonly [key: string]: ConnectValue }

export type ConnectObject = { readonly [key: string]: ConnectValue }

/** The logical types that Connect defines, by their schema names. */
export const Logical = {
  timestamp: 'org.apache.kafka.connect.data.Timestamp',
  date: 'org.apache.kafka.connect.data.Date',
  time: 'org.apache.kafka.connect.data.Time',
  decimal: 'org.apache.kafka.connect.data.Decimal',
} as const

export const stringSchema: Schema = { type: 'string' }
export const optionalStringSchema: Schema = { type: 'string', optional: true }
export const bytesSchema: Schema = { type: 'bytes' }
export const optionalBytesSchema: Schema = { type: 'bytes', optional: true }
export const int64Schema: Schema = { type: 'int64' }
export const int32Schema: Schema = { type: 'int32' }
export const booleanSchema: Schema = { type: 'boolean' }
export const timestampSchema: Schema = { type: 'int64', name: Logical.timestamp, version: 1 }

/**
 * The number with the fewest digits that is the same 32-bit float, as Java writes floats: 12.7 and
 * not 12.699999809265137.
 */
export function shortFloat(value: number): number {
  const float = Math.fround(value)
  if (!Number.isFinite(float)) return float
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(float.toPrecision(digits))
    if (Math.fround(short) === float) return short
  }
  return Number(float.toPrecision(9))
}

/** Whether a value is a map or a struct. */
export function isObject(value: unknown): value is ConnectObject {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof Date)
  )
}

/** The type of a value as Java's messages name its class. */
export function javaTypeOf(value: ConnectValue): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return 'java.lang.String'
  if (typeof value === 'boolean') return 'java.lang.Boolean'
  if (typeof value === 'bigint') return 'java.lang.Long'
  if (typeof value === 'number')
    return Number.isInteger(value) ? 'java.lang.Long' : 'java.lang.Double'
  if (value instanceof Uint8Array) return '[B'
  if (value instanceof Date) return 'java.util.Date'
  return Array.isArray(value) ? 'java.util.ArrayList' : 'java.util.HashMap'
}

/** The schema that is inferred for a value without one, as headers get it. */
export function inferSchema(value: ConnectValue): Schema | undefined {
  if (value === null) return undefined
  if (typeof value === 'string') return stringSchema
  if (typeof value === 'boolean') return booleanSchema
  if (typeof value === 'bigint') return int64Schema
  if (typeof value === 'number') return Number.isInteger(value) ? int64Schema : { type: 'float64' }
  if (value instanceof Uint8Array) return bytesSchema
  if (value instanceof Date) return timestampSchema
  return undefined
}
