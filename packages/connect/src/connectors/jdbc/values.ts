import { type ConnectValue, Logical, type Schema } from '../../data/schema.ts'
import { dataError } from '../../errors.ts'

/** The digits of a Connect Decimal: unscaled bytes, big-endian, with the scale of its schema. */
export function decimalText(bytes: Uint8Array, schema: Schema): string {
  const scale = Number(schema.parameters?.scale ?? 0)
  let unscaled = BigInt.asIntN(
    bytes.byteLength * 8,
    BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`),
  )
  const sign = unscaled < 0n ? '-' : ''
  if (unscaled < 0n) unscaled = -unscaled
  if (scale <= 0) return `${sign}${unscaled}${'0'.repeat(-scale)}`
  const digits = unscaled.toString().padStart(scale + 1, '0')
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** The unscaled bytes of digits, as short as Java's BigInteger writes them. */
export function decimalBytes(text: string, scale: number): Uint8Array {
  const match = /^(-?)(\d*)\.?(\d*)$/.exec(text)
  if (!match) throw dataError(`${text} is no decimal number`)
  const [, sign, whole, fraction = ''] = match
  const digits = `${whole}${fraction.padEnd(scale, '0').slice(0, scale)}`
  const value = BigInt(`${digits === '' ? '0' : digits}`) * (sign === '-' ? -1n : 1n)
  let byteCount = 1
  while (BigInt.asIntN(byteCount * 8, value) !== value) byteCount++
  const hex = BigInt.asUintN(byteCount * 8, value)
    .toString(16)
    .padStart(byteCount * 2, '0')
  return Buffer.from(hex, 'hex')
}

export const decimalSchema = (scale: number, isOptional: boolean): Schema => ({
  type: 'bytes',
  name: Logical.decimal,
  version: 1,
  parameters: { scale: String(scale) },
  optional: isOptional,
})

/** `2026-01-31 08:00:00.123` in UTC. */
export const timestampText = (date: Date): string =>
  date.toISOString().replace('T', ' ').replace('Z', '')
export const dateText = (date: Date): string => date.toISOString().slice(0, 10)
export const timeText = (date: Date): string => date.toISOString().slice(11, 23)

/** A date or time that a Connect value stands for: a Date, or its number of ms (days for dates). */
export function dateOf(schema: Schema, value: ConnectValue): Date {
  if (value instanceof Date) return value
  const number = Number(value)
  return new Date(schema.name === Logical.date ? number * 86_400_000 : number)
}

/** What a value without a schema is taken for; a JSON number may have digits behind the point next. */
export function schemaOf(value: ConnectValue, where: string): Schema {
  if (value === null) return { type: 'string', optional: true }
  if (typeof value === 'string') return { type: 'string', optional: true }
  if (typeof value === 'boolean') return { type: 'boolean', optional: true }
  if (typeof value === 'bigint') return { type: 'int64', optional: true }
  if (typeof value === 'number') return { type: 'float64', optional: true }
  if (value instanceof Uint8Array) return { type: 'bytes', optional: true }
  if (value instanceof Date)
    return { type: 'int64', name: Logical.timestamp, version: 1, optional: true }
  throw dataError(
    `${where} is ${Array.isArray(value) ? 'an array' : 'an object'}, which no column can take; flatten it with org.apache.kafka.connect.transforms.Flatten$Value, or leave it out by fields.whitelist`,
  )
}
