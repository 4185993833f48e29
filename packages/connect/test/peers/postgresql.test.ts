import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import { type Postgres, startPostgres } from '../../../../tools/real-engines.ts'
import { Stops, stopsOf } from '../helpers/stops.ts'
import { startWorker } from '../helpers/worker.ts'

const sinkClass = 'io.aiven.connect.jdbc.JdbcSinkConnector'
const sourceClass = 'io.confluent.connect.jdbc.JdbcSourceConnector'

describe('the JDBC connectors with PostgreSQL', () => {
  let postgres: Postgres
  const ends: (() => Promise<unknown>)[] = []
  before(async () => {
    postgres = await startPostgres(new Stops({ after: (end) => ends.push(end) }))
  })
  after(async () => {
    for (const end of ends) await end()
  })
  const login = (): Record<string, string> => ({
    'connection.url': postgres.url,
    'connection.user': postgres.user,
    'connection.password': postgres.password,
  })
  const worker = (t: TestContext) => {
    stopsOf(t)
    return startWorker(t)
  }

  test('the sink makes a table, adds columns, writes many rows at once, and deletes', async (t) => {
    const { kafka, create } = await worker(t)
    const put = (key: string, value: object | null): void =>
      kafka.append({
        topic: 'frames.in',
        key: Buffer.from(key),
        value: value && Buffer.from(JSON.stringify(value)),
        headers: [],
      })
    for (let n = 0; n < 5_000; n++) put(`s${n % 1_000}`, { n, place: 'hall', ok: n % 2 === 0 })
    put('s1', null)
    put('s2', { n: 7, 'a "quoted" name': 'x' })
    await create('db', {
      'connector.class': sinkClass,
      topics: 'frames.in',
      ...login(),
      'insert.mode': 'upsert',
      'pk.mode': 'record_key',
      'pk.fields': 'sensor',
      'delete.enabled': 'true',
      'auto.create': 'true',
      'auto.evolve': 'true',
    })
    await eventually(
      async () =>
        assert.deepEqual(
          await postgres.sql(
            `SELECT count(*), max(n), count(ok), max("a ""quoted"" name") FROM "frames.in"`,
          ),
          ['999|4999|999|x'],
        ),
      30_000,
    )
    assert.deepEqual(await postgres.sql(`SELECT n, place FROM "frames.in" WHERE sensor = 's2'`), [
      '7|hall',
    ])
  })

  test('what the source reads of every type, the sink writes back', async (t) => {
    const { kafka, create } = await worker(t)
    await postgres.sql(`CREATE TABLE kinds (id BIGINT PRIMARY KEY, i2 SMALLINT, i4 INT, r REAL, d DOUBLE PRECISION,
      b BOOLEAN, t TEXT, raw BYTEA, dec NUMERIC(12, 3), whole NUMERIC(8), day DATE, tm TIME, ts TIMESTAMP, tz TIMESTAMPTZ, j JSONB, u UUID)`)
    await postgres.sql(`INSERT INTO kinds VALUES
      (9007199254740993, -1, 2, 1.5, 2.25, true, 'ก "x"', '\\x00ff', -12345.678, 42, '2026-01-31', '08:00:01.5', '2026-01-31 08:00:00.123', '2026-01-31 15:00:00.5+07', '{"a": 1}', '6f0f5f5e-6f0f-4f5e-8f0f-5f5e6f0f5f5e'),
      (9007199254740994, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`)
    const converter = {
      'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'value.converter.schemas.enable': 'true',
    }
    await create('read', {
      'connector.class': sourceClass,
      ...login(),
      ...converter,
      mode: 'incrementing',
      'incrementing.column.name': 'id',
      'table.whitelist': 'public.kinds',
      'topic.prefix': 'pg-',
      'numeric.mapping': 'precision_only',
      'poll.interval.ms': '50',
    })
    await kafka.waitFor('pg-kinds', 2)
    await create('write', {
      'connector.class': sinkClass,
      ...login(),
      ...converter,
      topics: 'pg-kinds',
      'topics.to.tables.mapping': 'pg-kinds:public.copies',
      'auto.create': 'true',
    })
    await eventually(async () =>
      assert.deepEqual(await postgres.sql('SELECT count(*) FROM copies'), ['2']),
    )
    const columns = `id, i2, i4, r, d, b, t, raw, dec, whole, day, tm, ts, j::jsonb, u::text`
    assert.deepEqual(
      await postgres.sql(`SELECT ${columns} FROM copies ORDER BY id`),
      await postgres.sql(`SELECT ${columns} FROM kinds ORDER BY id`),
    )
    assert.deepEqual(await postgres.sql('SELECT tz FROM copies ORDER BY id LIMIT 1'), [
      '2026-01-31 08:00:00.5',
    ])
    assert.deepEqual(
      await postgres.sql(
        "SELECT string_agg(data_type, ',' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'copies'",
      ),
      [
        'bigint,smallint,integer,real,double precision,boolean,text,bytea,numeric,integer,date,time without time zone,timestamp without time zone,timestamp without time zone,text,text',
      ],
    )
  })

  test('changes of one microsecond are told apart, and the place is kept over a new beginning', async (t) => {
    const { kafka, create, call } = await worker(t)
    await postgres.sql(
      'CREATE TABLE changes (id SERIAL PRIMARY KEY, at TIMESTAMP(6) NOT NULL, n INT)',
    )
    const insert = (micros: number, n: number): Promise<unknown> =>
      postgres.sql(
        `INSERT INTO changes (at, n) VALUES (timestamp '2026-01-31' + interval '${micros} microseconds', ${n})`,
      )
    await insert(1, 1)
    await insert(2, 2)
    await create('s', {
      'connector.class': sourceClass,
      ...login(),
      mode: 'timestamp+incrementing',
      'timestamp.column.name': 'at',
      'incrementing.column.name': 'id',
      'table.whitelist': 'changes',
      'topic.prefix': 'pg-',
      'poll.interval.ms': '50',
    })
    await kafka.waitFor('pg-changes', 2)
    await eventually(async () => {
      const { body } = await call('GET', '/connectors/s/offsets')
      assert.match(JSON.stringify(body), /"incrementing":2,"timestamp":\d+,"timestamp_nanos":2000/)
    })
    await call('PUT', '/connectors/s/stop')
    await insert(2, 3)
    await insert(3, 4)
    await call('PUT', '/connectors/s/resume')
    await kafka.waitFor('pg-changes', 4)
    await call('PUT', '/connectors/s/pause')
    assert.deepEqual(
      kafka.records('pg-changes').map(({ value }) => JSON.parse(String(value)).n),
      [1, 2, 3, 4],
    )
  })

  test('a database that is away is waited for; a refused login fails the task', async (t) => {
    const { kafka, create, reach } = await worker(t)
    kafka.put('away', '{"n":1}')
    const config = {
      'connector.class': sinkClass,
      topics: 'away',
      ...login(),
      'insert.mode': 'upsert',
      'pk.mode': 'kafka',
      'auto.create': 'true',
    }
    await create('db', config)
    const count = (): Promise<string[]> => postgres.sql('SELECT count(*) FROM away')
    await eventually(async () => assert.deepEqual(await count(), ['1']))
    await postgres.stop()
    kafka.put('away', '{"n":2}')
    await kafka.waitFor('away', 2)
    await postgres.start()
    await eventually(async () => assert.deepEqual(await count(), ['2']), 30_000)
    await create('wrong', { ...config, 'connection.password': 'not it' })
    const { trace } = await reach('wrong', 'FAILED')
    assert.match(trace ?? '', /the database refuses the connection: password authentication failed/)
    assert.doesNotMatch(trace ?? '', /not it/)
  })
})
