import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { type ConnectValue, Logical, type Schema } from '../../data/schema.ts'
import { dataError } from '../../errors.ts'
import type {
  Bound,
  Database,
  Dialect,
  NumericMapping,
  ResultColumn,
  ResultPage,
  TableColumn,
  TableName,
} from './database.ts'
import { dateOf, decimalText } from './values.ts'

const columnTypes: Partial<Record<Schema['type'], string>> = {
  int8: 'INTEGER',
  int16: 'INTEGER',
  int32: 'INTEGER',
  int64: 'INTEGER',
  float32: 'REAL',
  float64: 'REAL',
  boolean: 'INTEGER',
  string: 'TEXT',
  bytes: 'BLOB',
}

/** SQLite's ways. Dates and times are numbers of ms, as Java's driver writes them. */
export const sqliteDialect: Dialect = {
  quote: (name) => `"${name.replaceAll('"', '""')}"`,
  parameter: () => '?',
  typeOf(schema) {
    if (schema.name !== undefined && Object.values<string>(Logical).includes(schema.name))
      return 'NUMERIC'
    const type = columnTypes[schema.type]
    if (type === undefined)
      throw dataError(`Unsupported type for column: ${schema.name ?? schema.type}`)
    return type
  },
  bind(schema, value) {
    if (value === null) return null
    if (schema.name === Logical.decimal && value instanceof Uint8Array)
      return decimalText(value, schema)
    if (schema.name !== undefined && Object.values<string>(Logical).includes(schema.name))
      return schema.name === Logical.decimal ? String(value) : dateOf(schema, value).getTime()
    if (value instanceof Date) return value.getTime()
    if (typeof value === 'boolean') return value ? 1 : 0
    if (value instanceof Uint8Array) return Buffer.from(value)
    if (typeof value === 'object') throw dataError('SQLite has no arrays and no objects')
    return value
  },
  // Statements are kept; many rows in one would only make more of them.
  rowsMax: () => 1,
}

const statementsMax = 100
const busyMs = 5_000

/** A database file. Calls return when they are done: they hold up the thread for as long. */
export class SqliteDatabase implements Database {
  readonly dialect: Dialect = sqliteDialect
  readonly #file: string
  #database: DatabaseSync | undefined
  readonly #statements = new Map<string, StatementSync>()

  constructor(file: string) {
    this.#file = file
  }

  async run(sql: string, values: readonly Bound[] = []): Promise<void> {
    this.#statement(sql).run(...values)
  }

  async transaction(work: () => Promise<void>): Promise<void> {
    const database = this.#open()
    database.exec('BEGIN IMMEDIATE')
    try {
      await work()
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  async columns({ name }: TableName): Promise<readonly TableColumn[] | undefined> {
    const rows = this.#statement(
      'SELECT name, "notnull" AS required FROM pragma_table_info(?)',
    ).all(name)
    if (rows.length === 0) return undefined
    return rows.map((row) => ({ name: String(row.name), isNullable: Number(row.required) === 0 }))
  }

  async tables(types: readonly string[]): Promise<readonly TableName[]> {
    const kinds = types.map((type) => type.toLowerCase())
    return this.#statement(
      "SELECT name, type FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )
      .all()
      .filter(({ type }) => kinds.includes(String(type)))
      .map(({ name }) => ({ schema: undefined, name: String(name) }))
  }

  async nowMs(): Promise<number> {
    const row = this.#statement("SELECT strftime('%s', 'now') * 1000 AS now").get()
    return Number(row?.now)
  }

  async *pages(
    sql: string,
    values: readonly Bound[],
    rowCount: number,
    _mapping: NumericMapping,
  ): AsyncGenerator<ResultPage> {
    // One of its own: others may be run while it is being read.
    const statement = this.#open().prepare(sql)
    statement.setReadBigInts(true)
    const columns = statement.columns().map(({ name, type }) => columnOf(name, type))
    let rows: unknown[][] = []
    for (const row of statement.iterate(...values)) {
      rows.push(columns.map(({ name }) => row[name]))
      if (rows.length < rowCount) continue
      yield { columns, rows }
      rows = []
    }
    if (rows.length > 0) yield { columns, rows }
  }

  isPassing(error: unknown): boolean {
    const { errcode } = error as { errcode?: number }
    // Busy, locked, I/O error, full, cannot open.
    return errcode !== undefined && [5, 6, 10, 13, 14].includes(errcode & 0xff)
  }

  isRefusal(): boolean {
    return false
  }

  async close(): Promise<void> {
    this.#statements.clear()
    this.#database?.close()
    this.#database = undefined
  }

  #open(): DatabaseSync {
    if (!this.#database) {
      const database = new DatabaseSync(this.#file, { timeout: busyMs })
      // What is committed is on the disk: the offset that says so is committed after it.
      database.exec('PRAGMA synchronous = FULL')
      this.#database = database
    }
    return this.#database
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (!statement) {
      statement = this.#open().prepare(sql)
      if (this.#statements.size >= statementsMax) this.#statements.clear()
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

/** By the declared type, as SQLite's affinity rules read it; without one by each value. */
function columnOf(name: string, declared: string | null): ResultColumn {
  const type = (declared ?? '').toUpperCase()
  const kind: Schema['type'] = /BOOL/.test(type)
    ? 'boolean'
    : /INT/.test(type)
      ? 'int64'
      : /REAL|FLOA|DOUB|NUMERIC|DECIMAL/.test(type)
        ? 'float64'
        : /BLOB/.test(type)
          ? 'bytes'
          : 'string'
  return {
    name,
    schema: { type: kind, optional: true },
    read: (raw) => read(kind, raw as SQLOutputValue),
  }
}

/** SQLite keeps what it is given, whatever a column is declared as: what does not fit is an error. */
function read(kind: Schema['type'], raw: SQLOutputValue): ConnectValue {
  if (raw === null) return null
  const isInteger = typeof raw === 'bigint'
  if (kind === 'string')
    return raw instanceof Uint8Array ? Buffer.from(raw).toString() : String(raw)
  if (kind === 'bytes') return raw instanceof Uint8Array ? raw : Buffer.from(String(raw))
  if (kind === 'boolean' && isInteger) return raw !== 0n
  if (kind === 'int64' && isInteger) return Number.isSafeInteger(Number(raw)) ? Number(raw) : raw
  if (kind === 'float64' && (isInteger || typeof raw === 'number')) return Number(raw)
  throw dataError(`a column that is declared ${kind} has the value ${String(raw).slice(0, 100)}`)
}
