import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { peer } from '../../../../tools/peers.ts'
import { freePort } from '../../../../tools/real-engines.ts'
import { startPrometheus, startTarget } from '../helpers.ts'

const run = promisify(execFile)

/** A real Prometheus with the same configuration. */
async function startRealPrometheus(t: TestContext, config: string): Promise<string> {
  const folder = await temporaryFolder(t)
  await mkdir(path.join(folder, 'data'))
  await writeFile(path.join(folder, 'prometheus.yml'), config)
  const port = await freePort()
  const child = spawn(
    peer('prometheus'),
    [
      `--config.file=${path.join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${path.join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  )
  t.after(async () => {
    const exited = once(child, 'exit')
    child.kill()
    await exited
  })
  return `http://127.0.0.1:${port}`
}

test('promtool queries us as it queries Prometheus', async (t) => {
  const target = await startTarget(t, () => 'temperature{sensor="1"} 21.5\n')
  const { url, ask } = await startPrometheus(t, {
    'prometheus.yml': `global: { scrape_interval: 200ms }\nscrape_configs: [{ job_name: iot, static_configs: [{ targets: [${target}] }] }]`,
  })
  await eventually(async () => {
    const { result } = (await ask('query?query=temperature')) as { result: unknown[] }
    assert.equal(result.length, 1)
  })
  const instant = await run(peer('promtool'), ['query', 'instant', url, 'temperature'])
  assert.match(
    instant.stdout,
    /temperature\{instance="127.0.0.1:\d+", job="iot", sensor="1"\} => 21\.5 @\[/,
  )
  const labels = await run(peer('promtool'), ['query', 'labels', url, 'sensor'])
  assert.equal(labels.stdout.trim(), '1')
  const series = await run(peer('promtool'), ['query', 'series', '--match=temperature', url])
  assert.match(series.stdout, /sensor="1"/)
  const nowS = Math.floor(Date.now() / 1_000)
  const range = await run(peer('promtool'), [
    'query',
    'range',
    `--start=${nowS - 60}`,
    `--end=${nowS + 5}`,
    '--step=5s',
    url,
    'temperature',
  ])
  assert.match(range.stdout, /21\.5 @\[/)
})

test('a real Prometheus on the same target gives the same answers', async (t) => {
  const scrapes = new Map<string, number>()
  // With times of their own both servers store exactly the same samples.
  const baseMs = Math.floor(Date.now() / 1_000) * 1_000 - 119_750
  const target = await startTarget(t, (userAgent) => {
    const step = scrapes.get(userAgent) ?? 0
    scrapes.set(userAgent, step + 1)
    const timeMs = baseMs + step * 1_000
    const lines: string[] = []
    for (const sensor of ['a', 'b', 'c']) {
      const seed = sensor.charCodeAt(0)
      lines.push(`temperature{sensor="${sensor}"} ${20 + Math.sin(step + seed) * 5} ${timeMs}`)
      lines.push(`requests_total{sensor="${sensor}"} ${(step * seed) % 997} ${timeMs}`)
      for (const [index, le] of ['0.1', '0.5', '1', '+Inf'].entries())
        lines.push(
          `latency_bucket{sensor="${sensor}",le="${le}"} ${step * (index + 1) * seed} ${timeMs}`,
        )
    }
    return `${lines.join('\n')}\n`
  })
  const config = `global: { scrape_interval: 100ms, scrape_timeout: 100ms }\nscrape_configs: [{ job_name: iot, static_configs: [{ targets: [${target}] }] }]`
  const realUrl = await startRealPrometheus(t, config)
  const ours = await startPrometheus(t, { 'prometheus.yml': config })
  await eventually(() => {
    const counts = [...scrapes.values()]
    assert.ok(counts.length === 2 && counts.every((count) => count > 70), String(counts))
  }, 40_000)
  const queries = [
    'temperature',
    'rate(requests_total[15s])',
    'increase(requests_total[20s])',
    'irate(requests_total[5s])',
    'delta(temperature[10s])',
    'deriv(temperature[20s])',
    'sum by (sensor) (rate(requests_total[15s]))',
    'avg(temperature) by (job)',
    'stddev_over_time(temperature[15s])',
    'quantile_over_time(0.9, temperature[15s])',
    'histogram_quantile(0.9, sum by (le) (rate(latency_bucket[15s])))',
    'temperature > 20',
    'temperature > bool 20',
    'temperature / on (sensor) requests_total',
    'topk(2, temperature)',
    'max_over_time(rate(requests_total[10s])[20s:2s])',
    'absent(nothing{a="b"})',
    'label_replace(temperature, "s", "x$1", "sensor", "(.)")',
    'predict_linear(temperature[15s], 60)',
    'resets(requests_total[30s])',
    'temperature offset 10s',
    'count_values("v", round(temperature))',
    'sort_desc(temperature)',
    'requests_total and temperature > 20',
    'clamp(temperature, 18, 22)',
    'holt(1',
  ]
  type Answer = {
    status: string
    errorType?: string
    data?: { result: { metric: Record<string, string>; value: [number, string] }[] }
  }
  const ask = async (url: string, query: string, timeS: number): Promise<Answer> => {
    const response = await fetch(
      `${url}/api/v1/query?query=${encodeURIComponent(query)}&time=${timeS}`,
    )
    return (await response.json()) as Answer
  }
  const rounded = ({ status, errorType, data }: Answer): unknown => ({
    status,
    errorType,
    result: data?.result
      .map(
        ({ metric, value }) =>
          `${JSON.stringify(Object.entries(metric).sort())} ${Number(Number(value[1]).toPrecision(10))}`,
      )
      .toSorted(),
  })
  // Between samples: Prometheus 2 counts one right at a window's start, Prometheus 3 and we don't.
  for (const query of queries)
    for (const afterS of [30.5, 47.3]) {
      const timeS = baseMs / 1_000 + afterS
      assert.deepEqual(
        rounded(await ask(ours.url, query, timeS)),
        rounded(await ask(realUrl, query, timeS)),
        query,
      )
    }
})
