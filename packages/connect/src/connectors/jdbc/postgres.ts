import pg from 'pg'
import { type ConnectValue, Logical, type Schema } from '../../data/schema.ts'
import { dataError } from '../../errors.ts'
import type {
  Bound,
  Database,
  Dialect,
  NumericMapping,
  ResultPage,
  TableColumn,
  TableName,
} from './database.ts'
import { postgresColumn } from './postgres-types.ts'
import { dateOf, dateText, decimalText, timestampText, timeText } from './values.ts'

export interface PostgresOptions {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string | undefined
  readonly password: string | undefined
  /** The first of the search path. */
  readonly schema: string | undefined
  readonly applicationName: string
  readonly tls: 'off' | 'on' | 'verified'
}

const connectTimeoutMs = 10_000
// The protocol counts parameters in 16 bits.
const parametersMax = 65_535

const columnTypes: Partial<Record<Schema['type'], string>> = {
  int8: 'SMALLINT',
  int16: 'SMALLINT',
  int32: 'INT',
  int64: 'BIGINT',
  float32: 'REAL',
  float64: 'DOUBLE PRECISION',
  boolean: 'BOOLEAN',
  string: 'TEXT',
  bytes: 'BYTEA',
}
const logicalTypes: Readonly<Record<string, string>> = {
  [Logical.decimal]: 'DECIMAL',
  [Logical.date]: 'DATE',
  [Logical.time]: 'TIME',
  [Logical.timestamp]: 'TIMESTAMP',
}

/** PostgreSQL's ways. */
export const postgresDialect: Dialect = {
  quote: (name) => `"${name.replaceAll('"', '""')}"`,
  parameter: (number) => `$${number}`,
  typeOf(schema) {
    if (schema.type === 'array' && schema.items) return `${this.typeOf(schema.items)}[]`
    const type = logicalTypes[schema.name ?? ''] ?? columnTypes[schema.type]
    if (type === undefined)
      throw dataError(`Unsupported type for column: ${schema.name ?? schema.type}`)
    return type
  },
  bind: bound,
  rowsMax: (columnCount) => Math.max(1, Math.floor(parametersMax / columnCount)),
}

function bound(schema: Schema, value: ConnectValue): Bound {
  if (value === null) return null
  if (Array.isArray(value))
    return `{${value.map((item) => arrayItem(bound(schema.items ?? schema, item))).join(',')}}`
  switch (schema.name) {
    case Logical.decimal:
      return value instanceof Uint8Array ? decimalText(value, schema) : String(value)
    case Logical.timestamp:
      return timestampText(dateOf(schema, value))
    case Logical.date:
      return dateText(dateOf(schema, value))
    case Logical.time:
      return timeText(dateOf(schema, value))
  }
  if (value instanceof Uint8Array) return Buffer.from(value)
  return String(value)
}

function arrayItem(value: Bound): string {
  if (value === null) return 'NULL'
  const text = value instanceof Uint8Array ? `\\x${Buffer.from(value).toString('hex')}` : `${value}`
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

/** A connection to PostgreSQL. Values come as text and are read by what their columns are. */
export class PostgresDatabase implements Database {
  readonly dialect: Dialect = postgresDialect
  readonly #options: PostgresOptions
  #client: pg.Client | undefined
  #cursorCount = 0

  constructor(options: PostgresOptions) {
    this.#options = options
  }

  async run(sql: string, values: readonly Bound[] = []): Promise<void> {
    await this.#rows(sql, values)
  }

  async transaction(work: () => Promise<void>): Promise<void> {
    await this.run('BEGIN')
    try {
      await work()
      await this.run('COMMIT')
    } catch (error) {
      await this.#rollback()
      throw error
    }
  }

  async columns(table: TableName): Promise<readonly TableColumn[] | undefined> {
    const { rows } = await this.#rows(
      `SELECT attname, NOT attnotnull FROM pg_attribute
       WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
      [qualified(table)],
    )
    if (rows.length === 0) return undefined
    return rows.map(([name, isNullable]) => ({
      name: String(name),
      isNullable: isNullable === 't',
    }))
  }

  async tables(types: readonly string[]): Promise<readonly TableName[]> {
    const kinds = types.flatMap((type) =>
      type === 'VIEW' ? ['v', 'm'] : type === 'TABLE' ? ['r', 'p'] : [],
    )
    const { rows } = await this.#rows(
      `SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
       WHERE relkind = ANY($1) AND nspname NOT IN ('pg_catalog', 'information_schema') AND NOT relispartition
       ORDER BY 1, 2`,
      [`{${kinds.join(',')}}`],
    )
    return rows.map(([schema, name]) => ({ schema: String(schema), name: String(name) }))
  }

  async nowMs(): Promise<number> {
    const { rows } = await this.#rows('SELECT floor(extract(epoch FROM now()) * 1000)', [])
    return Number(rows[0]?.[0])
  }

  async *pages(
    sql: string,
    values: readonly Bound[],
    rowCount: number,
    mapping: NumericMapping,
  ): AsyncGenerator<ResultPage> {
    const cursor = `khlong_${this.#cursorCount++}`
    await this.run('BEGIN READ ONLY')
    let isDone = false
    try {
      await this.run(`DECLARE ${cursor} NO SCROLL CURSOR FOR ${sql}`, values)
      for (;;) {
        const { rows, fields } = await this.#rows(`FETCH ${rowCount} FROM ${cursor}`, [])
        const columns = fields.map((field) => postgresColumn(field, mapping))
        if (rows.length > 0) yield { columns, rows }
        if (rows.length < rowCount) break
      }
      await this.run('COMMIT')
      isDone = true
    } finally {
      if (!isDone) await this.#rollback()
    }
  }

  isPassing(error: unknown): boolean {
    if (error instanceof pg.DatabaseError)
      return /^(08|53|57P|40)/.test(error.code ?? '') || error.code === '55P03'
    if (!(error instanceof Error)) return false
    const { code } = error as NodeJS.ErrnoException
    return (code ?? '').startsWith('E') || /terminated|timeout|not queryable/i.test(error.message)
  }

  isRefusal(error: unknown): boolean {
    const code = error instanceof pg.DatabaseError ? (error.code ?? '') : ''
    return code.startsWith('28') || code === '3D000'
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => {})
  }

  async #rollback(): Promise<void> {
    const client = this.#client
    if (!client) return
    try {
      await client.query('ROLLBACK')
    } catch {
      await this.close()
    }
  }

  async #rows(
    text: string,
    values: readonly Bound[],
  ): Promise<{ rows: unknown[][]; fields: pg.FieldDef[] }> {
    const client = this.#client ?? (await this.#connect())
    const { rows, fields } = await client.query<unknown[]>({
      text,
      values: values as unknown[],
      rowMode: 'array',
    })
    return { rows, fields }
  }

  async #connect(): Promise<pg.Client> {
    const { host, port, database, user, password, tls, applicationName, schema } = this.#options
    const client = new pg.Client({
      host,
      port,
      database,
      ...(user === undefined ? {} : { user }),
      // Neither the environment nor a file in the home folder of the worker adds one.
      password: password ?? '',
      application_name: applicationName,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      ssl: tls === 'off' ? false : { rejectUnauthorized: tls === 'verified' },
      options: `-c timezone=UTC${schema === undefined ? '' : ` -c search_path=${schema.replace(/[^\w,]/g, '')}`}`,
      types: { getTypeParser: () => (text: string | Buffer) => text },
    })
    client.on('error', () => {
      if (this.#client === client) this.#client = undefined
    })
    client.on('end', () => {
      if (this.#client === client) this.#client = undefined
    })
    try {
      await client.connect()
    } catch (error) {
      await client.end().catch(() => {})
      throw error
    }
    this.#client = client
    return client
  }
}

function qualified({ schema, name }: TableName): string {
  const { quote } = postgresDialect
  return schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`
}
