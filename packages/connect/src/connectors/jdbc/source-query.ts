import type { ConnectObject, ConnectValue } from '../../data/schema.ts'
import { ConnectError } from '../../errors.ts'
import type { Bound, Dialect, TableName } from './database.ts'
import type { SourceOptions } from './source-options.ts'

/** What is read: a table, or the query of the options. */
export type Readable = { readonly table: TableName } | { readonly query: string }

/** Where reading is: the last row that was given. */
export interface Place {
  /** As the database writes it. */
  readonly timestamp?: string | number
  readonly incrementing?: string | number
}

/** Makes the queries of a mode, and reads and writes the place in them. */
export class SourceQuery {
  readonly hasTimestamp: boolean
  readonly hasIncrementing: boolean
  readonly #options: SourceOptions
  readonly #dialect: Dialect
  readonly #isQuoted: boolean
  readonly #isText: boolean

  constructor(options: SourceOptions, dialect: Dialect, isPostgres: boolean) {
    this.#options = options
    this.#dialect = dialect
    this.#isText = isPostgres
    this.#isQuoted =
      options['quote.sql.identifiers'] === 'always' && options['sql.quote.identifiers']
    this.hasTimestamp = options.mode.includes('timestamp')
    this.hasIncrementing = options.mode.includes('incrementing')
  }

  /** The query that goes on behind a place, up to `endMs` where changes have times. */
  sql(readable: Readable, place: Place, endMs: number): { sql: string; values: Bound[] } {
    const values: Bound[] = []
    const parameter = (value: Bound): string => {
      values.push(value)
      return this.#dialect.parameter(values.length)
    }
    const id = this.#name(this.#options['incrementing.column.name'])
    const times = this.#options['timestamp.column.name'].map((column) => this.#name(column))
    const time = times.length === 1 ? times[0]! : `COALESCE(${times.join(',')})`
    const tests: string[] = []
    const order: string[] = []
    if (this.hasTimestamp) {
      if (this.#isText) tests.push(`${time} < ${parameter(timestampText(endMs, 0))}`)
      const since = place.timestamp
      if (since === undefined) tests.push(`${time} IS NOT NULL`)
      else if (this.hasIncrementing && place.incrementing !== undefined)
        tests.push(
          `((${time} = ${parameter(since)} AND ${id} > ${parameter(place.incrementing)}) OR ${time} > ${parameter(since)})`,
        )
      else tests.push(`${time} > ${parameter(since)}`)
      order.push(time)
    } else if (this.hasIncrementing && place.incrementing !== undefined)
      tests.push(`${id} > ${parameter(place.incrementing)}`)
    if (this.hasIncrementing) order.push(id)
    const parts = [
      'query' in readable ? readable.query : `SELECT * FROM ${this.#table(readable.table)}`,
      ...(tests.length === 0 ? [] : [`WHERE ${tests.join(' AND ')}`]),
      ...(order.length === 0 ? [] : [`ORDER BY ${order.map((one) => `${one} ASC`).join(',')}`]),
      ...(this.#options['query.suffix'] === '' ? [] : [this.#options['query.suffix']]),
    ]
    return { sql: parts.join(' '), values }
  }

  /** The place of a row. @throws ConnectError `CONNECT_FAILED` where a column is missing. */
  placeOf(names: readonly string[], row: readonly unknown[]): Place {
    const raw = (column: string): unknown => {
      const index = names.indexOf(column)
      if (index < 0)
        throw new ConnectError('CONNECT_FAILED', `there is no column ${column} in what is read`)
      return row[index] ?? null
    }
    const place: { timestamp?: string | number; incrementing?: string | number } = {}
    if (this.hasTimestamp) {
      const time = this.#options['timestamp.column.name'].map(raw).find((one) => one !== null)
      place.timestamp = plain(time)
    }
    if (this.hasIncrementing)
      place.incrementing = plain(raw(this.#options['incrementing.column.name']))
    return place
  }

  /** As Confluent's connector writes it. */
  offsetOf({ timestamp, incrementing }: Place): ConnectObject {
    const offset: Record<string, ConnectValue> = {}
    if (incrementing !== undefined)
      offset.incrementing = Number.isSafeInteger(Number(incrementing))
        ? Number(incrementing)
        : incrementing
    if (timestamp !== undefined && !this.#isText) offset.timestamp = timestamp
    else if (timestamp !== undefined) {
      const [, second, fraction = ''] = /^(.*?)(?:\.(\d+))?(?:[+-]\d\d(?::\d\d)?)?$/.exec(
        String(timestamp),
      )!
      const nanos = Number(fraction.padEnd(9, '0'))
      offset.timestamp = Date.parse(`${second!.replace(' ', 'T')}Z`) + Math.floor(nanos / 1e6)
      offset.timestamp_nanos = nanos
    }
    return offset
  }

  /** Where a stored offset is; without one where the options begin. */
  placeIn(offset: ConnectObject | undefined, nowMs: number): Place {
    const place: { timestamp?: string | number; incrementing?: string | number } = {}
    const { timestamp, timestamp_nanos: nanos, incrementing } = offset ?? {}
    if (incrementing !== undefined && incrementing !== null)
      place.incrementing = typeof incrementing === 'number' ? incrementing : String(incrementing)
    if (!this.hasTimestamp) return place
    const initial = this.#options['timestamp.initial']
    if (timestamp === undefined || timestamp === null) {
      if (initial !== 0) {
        const beginMs = initial < 0 ? nowMs : initial
        place.timestamp = this.#isText ? timestampText(beginMs, 0) : beginMs
      }
    } else if (!this.#isText) place.timestamp = timestamp as string | number
    else place.timestamp = timestampText(Number(timestamp), Number(nanos ?? 0))
    return place
  }

  #name(name: string): string {
    return this.#isQuoted ? this.#dialect.quote(name) : name
  }
  #table({ schema, name }: TableName): string {
    return schema === undefined ? this.#name(name) : `${this.#name(schema)}.${this.#name(name)}`
  }
}

/** Numbers that JSON would round stay text, which the database reads as a number. */
const plain = (value: unknown): string | number =>
  typeof value === 'number' || (typeof value === 'bigint' && Number.isSafeInteger(Number(value)))
    ? Number(value)
    : String(value)

/** `nanos` are those of the second, ms included; 0 stands for those of `ms`. */
function timestampText(ms: number, nanos: number): string {
  const text = new Date(ms).toISOString().replace('T', ' ').replace('Z', '')
  return nanos === 0 ? text : `${text.slice(0, 19)}.${String(nanos).padStart(9, '0')}`
}
