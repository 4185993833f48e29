import assert from 'node:assert/strict'
import test from 'node:test'
import { eventually } from '@khlong/core/testing'
import { startPrometheus, startTarget } from './helpers.ts'

interface VectorAnswer {
  result: { metric: Record<string, string>; value: [number, string] }[]
}

const config = (target: string): string => `
global: { scrape_interval: 100ms, evaluation_interval: 100ms }
rule_files: [rules/*.yml]
scrape_configs:
  - job_name: iot
    static_configs:
      - targets: [${target}]
        labels: { place: bangkok }
    metric_relabel_configs:
      - source_labels: [__name__]
        regex: unwanted.*
        action: drop
`

test('what a target exposes is scraped, labelled, relabelled and found', async (t) => {
  const target = await startTarget(t, () => 'temperature{sensor="1"} 21.5\nunwanted_metric 1\n')
  const { ask } = await startPrometheus(t, { 'prometheus.yml': config(target) })
  const answer = await eventually(async () => {
    const found = (await ask('query?query=temperature')) as VectorAnswer
    assert.equal(found.result.length, 1)
    return found
  })
  assert.deepEqual(answer.result[0]?.metric, {
    __name__: 'temperature',
    instance: target,
    job: 'iot',
    place: 'bangkok',
    sensor: '1',
  })
  assert.equal(answer.result[0]?.value[1], '21.5')
  const unwanted = (await ask('query?query=unwanted_metric')) as VectorAnswer
  assert.equal(unwanted.result.length, 0)
  assert.deepEqual(await ask('label/sensor/values'), ['1'])
  const targets = (await ask('targets')) as {
    activeTargets: { health: string; scrapePool: string }[]
  }
  assert.equal(targets.activeTargets[0]?.health, 'up')
})

test('a job shows what it has scraped', async (t) => {
  const target = await startTarget(t, () => 'temperature 21\nhumidity 40\n')
  const { server } = await startPrometheus(t, { 'prometheus.yml': config(target) })
  const job = () => server.vitals().items.find(({ name }) => name === 'iot')
  const first = await eventually(() => {
    const recordsIn = job()?.recordsIn ?? 0
    assert.ok(recordsIn > 0)
    return recordsIn
  })
  await eventually(() => assert.ok((job()?.recordsIn ?? 0) > first))
  await server.reload()
  assert.ok((job()?.recordsIn ?? 0) > first)
})

test('samples are there again after a restart', async (t) => {
  const target = await startTarget(t, () => 'temperature 21\n')
  const first = await startPrometheus(t, { 'prometheus.yml': config(target) })
  const count = 'query?query=count_over_time(temperature[1m])'
  await eventually(async () => {
    const { result } = (await first.ask(count)) as VectorAnswer
    assert.ok(Number(result[0]?.value[1]) >= 3)
  })
  await first.server.stop()
  const second = await startPrometheus(t, { 'prometheus.yml': 'scrape_configs: []' }, first.folder)
  const { result } = (await second.ask(count)) as VectorAnswer
  assert.ok(Number(result[0]?.value[1]) >= 3)
})

test('a series that a target no longer exposes ends at once', async (t) => {
  let exposed = 'gone 1\nkept 1\n'
  const target = await startTarget(t, () => exposed)
  const { ask } = await startPrometheus(t, { 'prometheus.yml': config(target) })
  const find = (name: string): Promise<VectorAnswer> =>
    ask(`query?query=${name}`) as Promise<VectorAnswer>
  await eventually(async () => assert.equal((await find('gone')).result.length, 1))
  exposed = 'kept 1\n'
  await eventually(async () => assert.equal((await find('gone')).result.length, 0))
  assert.equal((await find('kept')).result.length, 1)
})

test('rules record and alert, and an alert goes pending, firing, and away', async (t) => {
  let temperature = 40
  const target = await startTarget(t, () => `temperature{sensor="1"} ${temperature}\n`)
  const rules = `groups:
  - name: g
    rules:
      - record: temperature:max
        expr: max(temperature)
      - alert: Hot
        expr: temperature > 30
        for: 300ms
        labels: { severity: page }
        annotations: { summary: "{{ $labels.sensor }} is {{ $value }}" }
`
  const { ask } = await startPrometheus(t, {
    'prometheus.yml': config(target),
    'rules/a.yml': rules,
  })
  type Alerts = {
    alerts: { state: string; labels: Record<string, string>; annotations: Record<string, string> }[]
  }
  const states = new Set<string>()
  const firing = await eventually(async () => {
    const answer = (await ask('alerts')) as Alerts
    for (const { state } of answer.alerts) states.add(state)
    assert.equal(answer.alerts[0]?.state, 'firing')
    return answer
  })
  assert.deepEqual([...states], ['pending', 'firing'])
  assert.equal(firing.alerts[0]?.labels.severity, 'page')
  assert.equal(firing.alerts[0]?.annotations.summary, '1 is 40')
  const recorded = (await ask('query?query=temperature:max')) as VectorAnswer
  assert.equal(recorded.result[0]?.value[1], '40')
  temperature = 20
  await eventually(async () => assert.deepEqual(((await ask('alerts')) as Alerts).alerts, []))
})

test('a query that cannot be read is a 400 with line and column', async (t) => {
  const { url } = await startPrometheus(t, { 'prometheus.yml': 'scrape_configs: []' })
  const response = await fetch(`${url}/api/v1/query?query=sum(`)
  assert.equal(response.status, 400)
  const answer = (await response.json()) as { errorType: string; error: string }
  assert.equal(answer.errorType, 'bad_data')
  assert.match(answer.error, /^1:5: parse error: unexpected end of input/)
})

test('a query may come as a form', async (t) => {
  const { url } = await startPrometheus(t, { 'prometheus.yml': 'scrape_configs: []' })
  const response = await fetch(`${url}/api/v1/query`, {
    method: 'POST',
    body: new URLSearchParams({ query: '1 + 1' }),
  })
  const { data } = (await response.json()) as { data: { result: [number, string] } }
  assert.equal(data.result[1], '2')
})

test('a wrong key in prometheus.yml is refused with file, line and the nearest key', async (t) => {
  await assert.rejects(
    startPrometheus(t, { 'prometheus.yml': 'global:\n  scrape_intervall: 5s\n' }),
    /prometheus\.yml:2: global\.scrape_intervall: unknown setting; did you mean scrape_interval\?/,
  )
  await assert.rejects(
    startPrometheus(t, { 'prometheus.yml': 'remote_write: []\n' }),
    /prometheus\.yml:1: remote_write: not supported yet/,
  )
})
