import type { ConfigMap } from '../../config/fields.ts'
import type { SourceRecord } from '../../data/record.ts'
import type { ConnectObject, ConnectValue, Schema } from '../../data/schema.ts'
import { ConnectError } from '../../errors.ts'
import type { SourcePlugin, SourceTask, SourceTaskContext } from '../../plugin.ts'
import { Backoff } from '../../runtime/backoff.ts'
import { pause } from '../../runtime/pause.ts'
import { connectionSpec, describeUrl, openDatabase, parseJdbcUrl } from './connection.ts'
import { type Database, type ResultPage, type TableName, tableText } from './database.ts'
import { checkSource, type SourceOptions, sourceOptionsOf, sourceSpec } from './source-options.ts'
import { type Place, type Readable, SourceQuery } from './source-query.ts'
import { chooseTables } from './source-tables.ts'

/** `io.confluent.connect.jdbc.JdbcSourceConnector`, for PostgreSQL and SQLite. */
export const jdbcSource: SourcePlugin = {
  kind: 'source',
  className: 'io.confluent.connect.jdbc.JdbcSourceConnector',
  aliases: ['io.aiven.connect.jdbc.JdbcSourceConnector'],
  version: '0.1.0',
  spec: sourceSpec,
  check: checkSource,
  describe: (config) => [describeUrl(config)],
  topics: (config) => {
    const options = sourceOptionsOf(config)
    const prefix = options['topic.prefix']
    if (options.query !== '') return [prefix]
    return options['table.whitelist'].map(
      (table) => prefix + table.slice(table.lastIndexOf('.') + 1),
    )
  },
  // A row that was changed at the same time as the last one read may come twice with times alone.
  isExactlyOnce: (config) => sourceOptionsOf(config).mode.includes('incrementing'),
  createTask: (config, context) => new JdbcSourceTask(config, context),
}

/** One table, or the query, and how far it is read. */
interface Reading {
  readonly readable: Readable
  readonly topic: string
  readonly name: string
  readonly partition: ConnectObject
  place: Place
  dueMs: number
  /** While a result is being read. */
  pages: AsyncGenerator<ResultPage> | undefined
  schema: Schema | undefined
  schemaFor: string
  /** With times alone: the last row, which waits to be known as the last of its time or not. */
  held: { readonly value: ConnectObject; readonly place: Place } | undefined
  /** All rows up to here are given. */
  complete: Place
}

/** Asks each table in its turn; a result is read page by page, as fast as Kafka takes it. */
class JdbcSourceTask implements SourceTask {
  readonly #config: ConfigMap
  readonly #options: SourceOptions
  readonly #context: SourceTaskContext
  readonly #backoff: Backoff
  readonly #readings = new Map<string, Reading>()
  #database: Database | undefined
  #query: SourceQuery | undefined
  #tablesDueMs = 0
  #note: string | undefined
  isReady = false

  constructor(config: ConfigMap, context: SourceTaskContext) {
    this.#config = config
    this.#options = sourceOptionsOf(config)
    this.#context = context
    this.#backoff = new Backoff({ minMs: 300, maxMs: 10_000, random: context.random })
  }

  get note(): string | undefined {
    return this.#note
  }

  async start(): Promise<void> {
    const { kind } = parseJdbcUrl(this.#config['connection.url'] ?? '')
    this.#database = await openDatabase(connectionSpec.parse(this.#config), this.#context)
    this.#query = new SourceQuery(this.#options, this.#database.dialect, kind === 'postgresql')
  }

  async poll(signal: AbortSignal): Promise<readonly SourceRecord[]> {
    const { clock, logger, connector } = this.#context
    const database = this.#database!
    try {
      await this.#findTables()
      this.#setReady()
      const reading = await this.#next(signal)
      if (!reading) return []
      const records = await this.#read(reading)
      this.#note = this.#readings.size === 0 ? 'there is no table to read yet' : undefined
      this.#backoff.reset()
      return records
    } catch (error) {
      for (const reading of this.#readings.values()) await endPages(reading)
      if (database.isRefusal(error) || !database.isPassing(error)) throw error
      this.#note = `the database does not answer: ${(error as Error).message}`
      logger.warn({ connector, err: error }, 'a database is asked again')
      await pause(clock, this.#backoff.nextMs(), signal)
      return []
    }
  }

  commit(): void {
    // The offsets of its records are its place.
  }

  async stop(): Promise<void> {
    for (const reading of this.#readings.values()) await endPages(reading)
    await this.#database?.close()
  }

  #setReady(): void {
    if (this.isReady) return
    this.isReady = true
    this.#context.onReadyChange()
  }

  async #findTables(): Promise<void> {
    const { clock } = this.#context
    const nowMs = clock.monotonicMs()
    const isReading = [...this.#readings.values()].some(({ pages }) => pages)
    if (nowMs < this.#tablesDueMs || isReading) return
    const { query } = this.#options
    const prefix = this.#options['topic.prefix']
    this.#tablesDueMs = nowMs + this.#options['table.poll.interval.ms']
    if (query !== '') {
      await this.#add({ query }, prefix, 'query', { query: 'query' })
      return
    }
    const tables = await this.#database!.tables(this.#options['table.types'])
    const wanted = chooseTables(tables, this.#options)
    const names = new Set(wanted.map(tableText))
    for (const name of this.#readings.keys()) if (!names.has(name)) this.#readings.delete(name)
    for (const table of wanted) {
      const name = tableText(table)
      if (this.#readings.has(name)) continue
      await this.#check(table)
      await this.#add({ table }, prefix + table.name, table.name, { protocol: '1', table: name })
    }
  }

  async #add(
    readable: Readable,
    topic: string,
    name: string,
    partition: ConnectObject,
  ): Promise<void> {
    const id = 'table' in readable ? tableText(readable.table) : 'query'
    if (this.#readings.has(id)) return
    const query = this.#query!
    const nowMs = query.hasTimestamp ? await this.#database!.nowMs() : 0
    const place = query.placeIn(this.#context.readOffset(partition), nowMs)
    this.#readings.set(id, {
      readable,
      topic,
      name,
      partition,
      place,
      complete: place,
      dueMs: 0,
      pages: undefined,
      schema: undefined,
      schemaFor: '',
      held: undefined,
    })
  }

  /** A column that may be null hides rows from a query that compares it. */
  async #check(table: TableName): Promise<void> {
    if (!this.#options['validate.non.null']) return
    const query = this.#query!
    const columns = (await this.#database!.columns(table)) ?? []
    const isNullable = (name: string): boolean =>
      columns.find((column) => column.name === name)?.isNullable ?? false
    const refuse = (kind: string, name: string): never => {
      throw new ConnectError(
        'CONNECT_FAILED',
        `Cannot make incremental queries using ${kind} column ${name} on ${tableText(table)} because this column is nullable.`,
      )
    }
    const id = this.#options['incrementing.column.name']
    if (query.hasIncrementing && isNullable(id)) refuse('incrementing', id)
    const times = this.#options['timestamp.column.name']
    if (query.hasTimestamp && times.length > 0 && times.every(isNullable))
      refuse('timestamp', times.join(','))
  }

  /** What is being read, or what is due; waits for it. */
  async #next(signal: AbortSignal): Promise<Reading | undefined> {
    const { clock } = this.#context
    const all = [...this.#readings.values()]
    const started = all.find(({ pages }) => pages)
    if (started) return started
    const first = all.sort((a, b) => a.dueMs - b.dueMs)[0]
    const dueMs = Math.min(first?.dueMs ?? Number.POSITIVE_INFINITY, this.#tablesDueMs)
    const waitMs = dueMs - clock.monotonicMs()
    if (waitMs > 0) {
      await pause(clock, waitMs, signal)
      return undefined
    }
    return first && first.dueMs <= clock.monotonicMs() ? first : undefined
  }

  async #read(reading: Reading): Promise<readonly SourceRecord[]> {
    const { clock } = this.#context
    const query = this.#query!
    const database = this.#database!
    if (!reading.pages) {
      const delayMs = this.#options['timestamp.delay.interval.ms']
      const endMs = query.hasTimestamp ? (await database.nowMs()) - delayMs : 0
      const { sql, values } = query.sql(reading.readable, reading.place, endMs)
      reading.dueMs = clock.monotonicMs() + this.#options['poll.interval.ms']
      reading.pages = database.pages(
        sql,
        values,
        this.#options['batch.max.rows'],
        this.#options['numeric.mapping'],
      )
    }
    const { value: page, done } = await reading.pages.next()
    if (!done) return this.#records(reading, page)
    reading.pages = undefined
    const { held } = reading
    reading.held = undefined
    if (!held) return []
    reading.complete = held.place
    return [this.#record(reading, held.value, held.place)]
  }

  #records(reading: Reading, { columns, rows }: ResultPage): SourceRecord[] {
    const query = this.#query!
    const shape = JSON.stringify(columns.map(({ name, schema }) => [name, schema]))
    if (reading.schemaFor !== shape) {
      reading.schemaFor = shape
      reading.schema = {
        type: 'struct',
        name: reading.name,
        fields: columns.map(({ name, schema }) => ({ name, schema })),
      }
    }
    const names = columns.map(({ name }) => name)
    const isBulk = !query.hasIncrementing && !query.hasTimestamp
    return rows.flatMap((row) => {
      const value: Record<string, ConnectValue> = {}
      for (const [index, column] of columns.entries()) value[column.name] = column.read(row[index])
      if (isBulk) return [this.#record(reading, value, undefined)]
      const place = query.placeOf(names, row)
      reading.place = place
      if (query.hasIncrementing) {
        reading.complete = place
        return [this.#record(reading, value, place)]
      }
      // A row counts as read when a later one is there: others may have the same time.
      const { held } = reading
      reading.held = { value, place }
      if (!held) return []
      if (held.place.timestamp !== place.timestamp) reading.complete = held.place
      return [this.#record(reading, held.value, reading.complete)]
    })
  }

  #record(reading: Reading, value: ConnectObject, place: Place | undefined): SourceRecord {
    return {
      topic: reading.topic,
      partition: null,
      keySchema: undefined,
      key: null,
      valueSchema: reading.schema,
      value,
      timestampMs: null,
      headers: [],
      sourcePartition: reading.partition,
      ...(place && Object.keys(place).length > 0
        ? { sourceOffset: this.#query!.offsetOf(place) }
        : {}),
    }
  }
}

async function endPages(reading: Reading): Promise<void> {
  const { pages } = reading
  reading.pages = undefined
  reading.held = undefined
  reading.place = reading.complete
  await pages?.return(undefined).catch(() => {})
}
