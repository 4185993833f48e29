import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import { SeriesTable } from '../src/connectors/prometheus/series.ts'
import { startWorker } from './helpers/worker.ts'

const metric = (id: string, temperature: unknown) => ({
  name: 'sample_sensor_metric',
  type: 'sensor',
  timestamp: 1,
  dimensions: { sensor_name: 'a "b"\\\n', sensor_id: id, place_id: '9' },
  values: { temperature, 'hum idity': 40 },
})

const json = (value: unknown): string => JSON.stringify(value)

describe('the Prometheus sink', () => {
  test('exposes the newest value of each series under name and value key', () => {
    const table = new SeriesTable({ staleMs: 1_000, seriesMax: 10 })
    table.update(metric('1', 20) as never, 0)
    table.update(metric('2', 5) as never, 0)
    table.update(metric('1', 21.5) as never, 1)
    const labels = (id: string): string =>
      `{place_id="9",sensor_id="${id}",sensor_name="a \\"b\\"\\\\\\n"}`
    assert.equal(
      table.render(1),
      `# TYPE sample_sensor_metric_temperature gauge
sample_sensor_metric_temperature${labels('1')} 21.5
sample_sensor_metric_temperature${labels('2')} 5
# TYPE sample_sensor_metric_hum_idity gauge
sample_sensor_metric_hum_idity${labels('1')} 40
sample_sensor_metric_hum_idity${labels('2')} 40
`,
    )
  })

  test('drops series that got no value for a while and refuses more than its bound', () => {
    const table = new SeriesTable({ staleMs: 1_000, seriesMax: 4 })
    table.update(metric('1', 20) as never, 0)
    table.update(metric('2', 20) as never, 500)
    assert.throws(() => table.update(metric('3', 20) as never, 900), {
      message: 'there are 4 series and prometheus.series.max is 4',
    })
    table.update(metric('3', 20) as never, 1_200)
    assert.equal(table.seriesCount, 4)
    assert.doesNotMatch(table.render(1_200), /sensor_id="1"/)
  })

  test('says what is wrong about a record', () => {
    const table = new SeriesTable({ staleMs: 1_000, seriesMax: 4 })
    assert.throws(() => table.update('text', 0), { code: 'CONNECT_DATA' })
    assert.throws(() => table.update({ values: {} }, 0), { message: 'a metric needs a name' })
    assert.throws(() => table.update(metric('1', 'hot') as never, 0), {
      message: 'value temperature of metric sample_sensor_metric is no number: java.lang.String',
    })
  })

  test('is scraped at its own address, and bad records go where the options say', async (t) => {
    const { call, create, kafka, reach, worker } = await startWorker(t)
    const config = {
      'connector.class': 'io.confluent.connect.prometheus.PrometheusMetricsSinkConnector',
      topics: 'series',
      'confluent.topic.bootstrap.servers': 'kafka:9092',
      'prometheus.scrape.url': 'http://127.0.0.1:0/iot-metrics-time-series',
      'prometheus.listener.url': 'http://127.0.0.1:0/iot-metrics-time-series',
      'reporter.bootstrap.servers': 'kafka:9092',
      'reporter.result.topic.replication.factor': '1',
      'reporter.error.topic.replication.factor': '1',
      'behavior.on.error': 'log',
    }
    kafka.put('series', json(metric('1', 'hot')), json(metric('1', 20)))
    await create('p', config)
    await reach('p', 'RUNNING')
    await eventually(() => assert.equal(worker.vitals().items[0]?.recordsOut, 2))
    const base = `http://${worker.addresses.p}`
    const response = await fetch(`${base}/iot-metrics-time-series`)
    assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
    assert.match(await response.text(), /^sample_sensor_metric_temperature\{.*\} 20$/m)
    assert.equal((await fetch(`${base}/other`)).status, 404)

    await call('PATCH', '/connectors/p/config', { 'behavior.on.error': 'fail' })
    kafka.put('series', json(metric('1', 'hot')))
    const { trace } = await reach('p', 'FAILED')
    assert.match(trace ?? '', /Tolerance exceeded in error handler/)
  })

  test('a listener that is taken fails the task with its address', async (t) => {
    const { create, reach, worker } = await startWorker(t)
    await create('p', {
      'connector.class': 'PrometheusMetricsSink',
      topics: 'series',
      'prometheus.listener.url': `http://${worker.addresses.http}/metrics`,
    })
    const { trace } = await reach('p', 'FAILED')
    assert.match(trace ?? '', /is taken by another process/)
  })

  test('TLS and passwords of the listener are refused by name', async (t) => {
    const { call } = await startWorker(t)
    const { status, body } = await call('POST', '/connectors', {
      name: 'p',
      config: {
        'connector.class': 'PrometheusMetricsSink',
        topics: 'series',
        'prometheus.listener.ssl.key.password': 'x',
      },
    })
    assert.equal(status, 400)
    assert.match((body as { message: string }).message, /not supported yet: a listener with TLS/)
  })
})
