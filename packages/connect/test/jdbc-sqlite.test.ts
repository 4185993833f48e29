import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import { startWorker, type TestWorker } from './helpers/worker.ts'

const sinkClass = 'io.confluent.connect.jdbc.JdbcSinkConnector'
// biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholder of the option
const tableFormat = 'from_${topic}'
const sourceClass = 'io.aiven.connect.jdbc.JdbcSourceConnector'

interface Sqlite extends TestWorker {
  readonly url: string
  rows(sql: string): Record<string, unknown>[]
  exec(sql: string): void
}

async function startSqlite(t: TestContext): Promise<Sqlite> {
  const started = await startWorker(t)
  const file = `${started.folder}/iot.db`
  const withDatabase = <Result>(use: (database: DatabaseSync) => Result): Result => {
    const database = new DatabaseSync(file, { timeout: 5_000 })
    try {
      return use(database)
    } finally {
      database.close()
    }
  }
  return {
    ...started,
    url: `jdbc:sqlite:${file}`,
    rows: (sql) =>
      withDatabase((database) =>
        database
          .prepare(sql)
          .all()
          .map((row) => ({ ...row })),
      ),
    exec: (sql) => withDatabase((database) => database.exec(sql)),
  }
}

describe('the JDBC sink', () => {
  test('makes a table, adds columns, and changes what is there under the same key', async (t) => {
    const { kafka, create, rows, url } = await startSqlite(t)
    kafka.put('frames', '{"id":"a","t":20.5}', '{"id":"b","t":1}', '{"id":"a","t":21,"on":true}')
    await create('db', {
      'connector.class': sinkClass,
      topics: 'frames',
      'connection.url': url,
      'insert.mode': 'upsert',
      'pk.mode': 'record_value',
      'pk.fields': 'id',
      'auto.create': 'true',
      'auto.evolve': 'true',
    })
    await eventually(() =>
      assert.deepEqual(rows('SELECT * FROM frames ORDER BY id'), [
        { id: 'a', t: 21, on: 1 },
        { id: 'b', t: 1, on: null },
      ]),
    )
  })

  test('keys by topic, partition and offset make repetitions harmless', async (t) => {
    const { kafka, create, rows, url } = await startSqlite(t)
    kafka.put('t1', '{"n":1}', '{"n":2}')
    await create('db', {
      'connector.class': sinkClass,
      topics: 't1',
      'connection.url': url,
      'insert.mode': 'upsert',
      'pk.mode': 'kafka',
      'auto.create': 'true',
      'table.name.format': tableFormat,
    })
    const all = 'SELECT __connect_topic AS t, __connect_offset AS o, n FROM from_t1 ORDER BY o'
    const expected = [
      { t: 't1', o: 0, n: 1 },
      { t: 't1', o: 1, n: 2 },
    ]
    await eventually(() => assert.deepEqual(rows(all), expected))
    // Another group reads all of it again, as one does whose offsets were not committed.
    await create('db2', {
      'connector.class': sinkClass,
      topics: 't1',
      'connection.url': url,
      'insert.mode': 'upsert',
      'pk.mode': 'kafka',
      'table.name.format': tableFormat,
    })
    await eventually(() => assert.equal(kafka.committed.get('connect-db2/t1'), 2))
    assert.deepEqual(rows(all), expected)
  })

  test('a row that is refused is a dead letter, and the others are written', async (t) => {
    const { kafka, create, rows, url, exec } = await startSqlite(t)
    exec('CREATE TABLE t1 (id INTEGER PRIMARY KEY, n INTEGER CHECK (n < 10))')
    kafka.put(
      't1',
      '{"id":1,"n":1}',
      '{"id":2,"n":99}',
      '[1]',
      '{"id":3,"n":{"x":1}}',
      '{"id":4,"n":4}',
    )
    await create('db', {
      'connector.class': sinkClass,
      topics: 't1',
      'connection.url': url,
      'errors.tolerance': 'all',
      'errors.deadletterqueue.topic.name': 'dead',
      'errors.deadletterqueue.context.headers.enable': 'true',
    })
    await kafka.waitFor('dead', 3)
    await eventually(() =>
      assert.deepEqual(rows('SELECT * FROM t1'), [
        { id: 1, n: 1 },
        { id: 4, n: 4 },
      ]),
    )
    const reasons = kafka
      .records('dead')
      .map(({ headers }) =>
        String(headers.find(([key]) => key === '__connect.errors.exception.message')?.[1]),
      )
    assert.match(reasons.join('\n'), /CHECK constraint failed/)
    assert.match(reasons.join('\n'), /field n is an object, which no column can take; flatten it/)
  })

  test('a key is a plain value or a Struct, and a record without a value deletes', async (t) => {
    const { kafka, create, rows, url } = await startSqlite(t)
    kafka.append({ topic: 't1', key: Buffer.from('a'), value: Buffer.from('{"n":1}'), headers: [] })
    kafka.append({ topic: 't1', key: Buffer.from('b'), value: Buffer.from('{"n":2}'), headers: [] })
    kafka.append({ topic: 't1', key: Buffer.from('a'), value: null, headers: [] })
    await create('db', {
      'connector.class': 'JdbcSink',
      topics: 't1',
      'connection.url': url,
      'pk.mode': 'record_key',
      'pk.fields': 'name',
      'delete.enabled': 'true',
      'auto.create': 'true',
    })
    await eventually(() => assert.deepEqual(rows('SELECT * FROM t1'), [{ name: 'b', n: 2 }]))
  })

  test('columns have the types of a schema, with times as numbers', async (t) => {
    const { kafka, create, rows, url } = await startSqlite(t)
    const schema = {
      type: 'struct',
      fields: [
        { field: 'id', type: 'int32', optional: false },
        {
          field: 'at',
          type: 'int64',
          optional: true,
          name: 'org.apache.kafka.connect.data.Timestamp',
          version: 1,
        },
        { field: 'raw', type: 'bytes', optional: true },
      ],
    }
    const payload = { id: 1, at: 1_769_846_400_000, raw: Buffer.from([1, 2]).toString('base64') }
    kafka.put('t1', JSON.stringify({ schema, payload }))
    await create('db', {
      'connector.class': sinkClass,
      topics: 't1',
      'connection.url': url,
      'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'value.converter.schemas.enable': 'true',
      'auto.create': 'true',
    })
    await eventually(() =>
      assert.deepEqual(rows('SELECT id, at, hex(raw) AS raw FROM t1'), [
        { id: 1, at: 1_769_846_400_000, raw: '0102' },
      ]),
    )
    assert.deepEqual(rows('SELECT name, type, "notnull" AS n FROM pragma_table_info(\'t1\')'), [
      { name: 'id', type: 'INTEGER', n: 1 },
      { name: 'at', type: 'NUMERIC', n: 0 },
      { name: 'raw', type: 'BLOB', n: 0 },
    ])
  })

  test('a missing table and options that contradict each other are said', async (t) => {
    const { kafka, create, reach, url, call } = await startSqlite(t)
    kafka.put('t1', '{"n":1}')
    await create('db', { 'connector.class': sinkClass, topics: 't1', 'connection.url': url })
    const { trace } = await reach('db', 'FAILED')
    assert.match(trace ?? '', /Table t1 is missing and auto-creation is disabled/)
    const refused = await call('POST', '/connectors', {
      name: 'x',
      config: {
        'connector.class': sinkClass,
        topics: 't1',
        'connection.url': url,
        'insert.mode': 'upsert',
        'delete.enabled': 'true',
        'auto.creat': 'true',
      },
    })
    assert.equal(refused.status, 400)
    assert.match(JSON.stringify(refused.body), /auto\.creat; did you mean auto\.create\?/)
    const { body } = await call('PUT', '/connector-plugins/JdbcSink/config/validate', {
      'connector.class': sinkClass,
      name: 'x',
      topics: 't1',
      'connection.url': url,
      'insert.mode': 'upsert',
      'delete.enabled': 'true',
    })
    const text = JSON.stringify(body)
    assert.match(text, /Primary key mode must not be 'none' when insert\.mode is 'upsert'/)
    assert.match(text, /Deletes are only supported for pk\.mode record_key/)
  })
})

describe('the JDBC source', () => {
  const values = (worker: Sqlite, topic: string): unknown[] =>
    worker.kafka.records(topic).map(({ value }) => JSON.parse(String(value)))
  const base = (worker: Sqlite): Record<string, string> => ({
    'connector.class': sourceClass,
    'connection.url': worker.url,
    'topic.prefix': 'db-',
    'poll.interval.ms': '20',
  })

  test('incrementing: new rows come once, page by page, and a new beginning goes on behind them', async (t) => {
    const worker = await startSqlite(t)
    const { kafka, exec, create, call } = worker
    exec('CREATE TABLE m (id INTEGER PRIMARY KEY, t REAL, on_ BOOLEAN, name TEXT)')
    exec("INSERT INTO m VALUES (1, 1.5, 1, 'a'), (2, NULL, 0, 'b'), (3, 3, NULL, 'c')")
    await create('s', {
      ...base(worker),
      mode: 'incrementing',
      'incrementing.column.name': 'id',
      'validate.non.null': 'false',
      'table.whitelist': 'm',
      'batch.max.rows': '2',
    })
    await kafka.waitFor('db-m', 3)
    assert.deepEqual(values(worker, 'db-m'), [
      { id: 1, t: 1.5, on_: true, name: 'a' },
      { id: 2, t: null, on_: false, name: 'b' },
      { id: 3, t: 3, on_: null, name: 'c' },
    ])
    await eventually(async () => {
      const { body } = await call('GET', '/connectors/s/offsets')
      assert.deepEqual(body, {
        offsets: [{ partition: { protocol: '1', table: 'm' }, offset: { incrementing: 3 } }],
      })
    })
    await call('POST', '/connectors/s/restart?includeTasks=true')
    exec("INSERT INTO m VALUES (4, 4, 1, 'd')")
    await kafka.waitFor('db-m', 4)
    assert.deepEqual(values(worker, 'db-m').slice(3), [{ id: 4, t: 4, on_: true, name: 'd' }])
  })

  test('timestamp: changed rows come, and a time counts when a later one is there', async (t) => {
    const worker = await startSqlite(t)
    const { kafka, exec, create, call } = worker
    exec('CREATE TABLE m (id INTEGER PRIMARY KEY, at INTEGER NOT NULL)')
    exec('INSERT INTO m VALUES (1, 100), (2, 200), (3, 200)')
    await create('s', {
      ...base(worker),
      mode: 'timestamp',
      'timestamp.column.name': 'at',
      'batch.max.rows': '1',
    })
    await kafka.waitFor('db-m', 3)
    exec('UPDATE m SET at = 300 WHERE id = 1')
    await kafka.waitFor('db-m', 4)
    assert.deepEqual(values(worker, 'db-m'), [
      { id: 1, at: 100 },
      { id: 2, at: 200 },
      { id: 3, at: 200 },
      { id: 1, at: 300 },
    ])
    await eventually(async () => {
      const { body } = await call('GET', '/connectors/s/offsets')
      assert.deepEqual(body, {
        offsets: [{ partition: { protocol: '1', table: 'm' }, offset: { timestamp: 300 } }],
      })
    })
  })

  test('timestamp+incrementing: rows of one time come once each', async (t) => {
    const worker = await startSqlite(t)
    const { kafka, exec, create } = worker
    exec('CREATE TABLE m (id INTEGER NOT NULL, at INTEGER NOT NULL)')
    exec('INSERT INTO m VALUES (1, 100), (2, 100)')
    await create('s', {
      ...base(worker),
      mode: 'timestamp+incrementing',
      'timestamp.column.name': 'at',
      'incrementing.column.name': 'id',
    })
    await kafka.waitFor('db-m', 2)
    exec('INSERT INTO m VALUES (3, 100)')
    await kafka.waitFor('db-m', 3)
    exec('UPDATE m SET at = 200 WHERE id = 1')
    await kafka.waitFor('db-m', 4)
    assert.deepEqual(values(worker, 'db-m'), [
      { id: 1, at: 100 },
      { id: 2, at: 100 },
      { id: 3, at: 100 },
      { id: 1, at: 200 },
    ])
  })

  test('bulk and query: the whole result, each time', async (t) => {
    const worker = await startSqlite(t)
    const { kafka, exec, create } = worker
    exec('CREATE TABLE m (id INTEGER, n INTEGER); INSERT INTO m VALUES (1, 2), (3, 4)')
    await create('s', {
      ...base(worker),
      mode: 'bulk',
      query: 'SELECT id, n * 10 AS n FROM m',
      'topic.prefix': 'result',
    })
    await kafka.waitFor('result', 4)
    assert.deepEqual(
      new Set(values(worker, 'result').map((value) => JSON.stringify(value))).size,
      2,
    )
  })

  test('a column that may be null is refused for comparisons, and a missing one is said', async (t) => {
    const worker = await startSqlite(t)
    const { exec, create, reach, call } = worker
    exec('CREATE TABLE m (id INTEGER, n INTEGER)')
    await create('s', { ...base(worker), mode: 'incrementing', 'incrementing.column.name': 'id' })
    const { trace } = await reach('s', 'FAILED')
    assert.match(
      trace ?? '',
      /Cannot make incremental queries using incrementing column id on m because this column is nullable\./,
    )
    const refused = await call('POST', '/connectors', {
      name: 'x',
      config: { ...base(worker), mode: 'incrementing' },
    })
    assert.match(JSON.stringify(refused.body), /mode incrementing needs incrementing\.column\.name/)
  })
})
