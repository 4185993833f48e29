import type { ConfigMap } from '../../config/fields.ts'
import type { SinkRecord } from '../../data/record.ts'
import { ConnectError } from '../../errors.ts'
import type { SinkPlugin, SinkTask, SinkTaskContext } from '../../plugin.ts'
import { connectionSpec, describeUrl, openDatabase } from './connection.ts'
import { type Bound, type Database, tableText } from './database.ts'
import { checkSink, type SinkOptions, sinkOptionsOf, sinkSpec } from './sink-options.ts'
import { type Cell, type RowChange, RowReader } from './sink-rows.ts'
import { Statements } from './statements.ts'
import { TableShapes } from './table-shapes.ts'

/** `io.confluent.connect.jdbc.JdbcSinkConnector`, for PostgreSQL and SQLite. */
export const jdbcSink: SinkPlugin = {
  kind: 'sink',
  className: 'io.confluent.connect.jdbc.JdbcSinkConnector',
  aliases: ['io.aiven.connect.jdbc.JdbcSinkConnector'],
  version: '0.1.0',
  spec: sinkSpec,
  check: checkSink,
  taskCount: (_config, tasksMax) => tasksMax,
  describe: (config) => [describeUrl(config)],
  createTask: (config, context) => new JdbcSinkTask(config, context),
}

/**
 * Writes rows. Invariant: all of a batch is committed, or nothing of it but what single rows were
 * refused for; `put` is resolved after the commit.
 */
class JdbcSinkTask implements SinkTask {
  readonly #options: SinkOptions
  readonly #config: ConfigMap
  readonly #context: SinkTaskContext
  readonly #rows: RowReader
  #database: Database | undefined
  #statements: Statements | undefined
  #shapes: TableShapes | undefined

  constructor(config: ConfigMap, context: SinkTaskContext) {
    this.#config = config
    this.#options = sinkOptionsOf(config)
    this.#context = context
    this.#rows = new RowReader(this.#options)
  }

  async start(): Promise<void> {
    const database = await openDatabase(connectionSpec.parse(this.#config), this.#context)
    const isQuoted =
      this.#options['quote.sql.identifiers'] === 'always' && this.#options['sql.quote.identifiers']
    this.#database = database
    this.#statements = new Statements(database.dialect, isQuoted)
    this.#shapes = new TableShapes(database, this.#statements, {
      create: this.#options['auto.create'],
      evolve: this.#options['auto.evolve'],
    })
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    const changes: RowChange[] = []
    for (const record of records)
      try {
        changes.push(this.#rows.read(record))
      } catch (error) {
        this.#context.reportErrant(record, error as Error)
      }
    if (changes.length === 0) return
    try {
      await this.#write(changes)
    } catch (error) {
      this.#throwUnlessData(error)
      this.#shapes!.forget()
      // One row or more is at fault: each is tried by itself.
      for (const change of changes)
        try {
          await this.#write([change])
        } catch (own) {
          this.#throwUnlessData(own)
          this.#context.reportErrant(change.record, refusalOf(change, own as Error))
        }
    }
  }

  async stop(): Promise<void> {
    await this.#database?.close()
  }

  /** @throws what is no fault of a record: to be tried again, or the end of the task. */
  #throwUnlessData(error: unknown): void {
    const database = this.#database!
    const { message } = error as Error
    if (database.isRefusal(error))
      throw new ConnectError('CONNECT_FAILED', `the database refuses the connection: ${message}`, {
        cause: error,
      })
    if (database.isPassing(error))
      throw new ConnectError('CONNECT_RETRIABLE', `the database does not take rows: ${message}`, {
        cause: error,
      })
  }

  async #write(changes: readonly RowChange[]): Promise<void> {
    // Definitions are not part of the transaction, as in Java's connector.
    for (const change of changes) await this.#shapes!.ensure(change)
    await this.#database!.transaction(async () => {
      let group: RowChange[] = []
      let shape = ''
      for (const change of changes) {
        const own = shapeOf(change)
        if (own !== shape && group.length > 0) {
          await this.#run(group)
          group = []
        }
        shape = own
        group.push(change)
      }
      await this.#run(group)
    })
  }

  /** Runs changes of one table, of one kind, with the same columns. */
  async #run(group: readonly RowChange[]): Promise<void> {
    const statements = this.#statements!
    const database = this.#database!
    const { table, kind, keys, others } = group[0]!
    const keyNames = keys.map(({ name }) => name)
    const otherNames = others.map(({ name }) => name)
    if (kind === 'delete') {
      if (!(await database.columns(table))) return
      const sql = statements.delete(table, keyNames)
      for (const change of group) await database.run(sql, this.#bound(change.keys))
      return
    }
    const mode = this.#options['insert.mode']
    if (mode === 'update') {
      const sql = statements.update(table, keyNames, otherNames)
      for (const change of group)
        await database.run(sql, this.#bound([...change.others, ...change.keys]))
      return
    }
    const names = [...keyNames, ...otherNames]
    const isUpsert = mode === 'upsert'
    const rows = isUpsert ? this.#newest(group) : group
    const rowsMax = Math.min(this.#options['batch.size'], database.dialect.rowsMax(names.length))
    for (let start = 0; start < rows.length; start += rowsMax) {
      const part = rows.slice(start, start + rowsMax)
      const sql = isUpsert
        ? statements.upsert(table, keyNames, names, part.length)
        : statements.insert(table, names, part.length)
      await database.run(
        sql,
        part.flatMap((change) => this.#bound([...change.keys, ...change.others])),
      )
    }
  }

  /** The last change of each key: one statement may not change a row twice. */
  #newest(group: readonly RowChange[]): readonly RowChange[] {
    const byKey = new Map<string, RowChange>()
    for (const change of group) {
      const key = JSON.stringify(this.#bound(change.keys).map(String))
      byKey.delete(key)
      byKey.set(key, change)
    }
    return [...byKey.values()]
  }

  #bound(cells: readonly Cell[]): Bound[] {
    const { dialect } = this.#database!
    return cells.map(({ schema, value }) => dialect.bind(schema, value))
  }
}

function shapeOf({ table, kind, keys, others }: RowChange): string {
  return JSON.stringify([
    tableText(table),
    kind,
    keys.length,
    ...keys.map(nameOf),
    ...others.map(nameOf),
  ])
}

const nameOf = ({ name }: Cell): string => name

function refusalOf({ table }: RowChange, error: Error): Error {
  if (error instanceof ConnectError) return error
  return new ConnectError('CONNECT_DATA', `table ${tableText(table)}: ${error.message}`, {
    cause: error,
  })
}
