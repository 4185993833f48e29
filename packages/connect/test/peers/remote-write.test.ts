import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import { peer } from '../../../../tools/peers.ts'
import { freePort } from '../../../../tools/real-engines.ts'
import { stopsOf } from '../helpers/stops.ts'
import { startWorker } from '../helpers/worker.ts'

test('a real Prometheus takes what the remote write sink sends, and tells it by PromQL', async (t) => {
  const stops = stopsOf(t)
  const { kafka, create, folder } = await startWorker(t)
  const port = await freePort()
  await writeFile(`${folder}/prometheus.yml`, '{}\n')
  const server = spawn(
    peer('prometheus'),
    [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/tsdb`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--web.enable-remote-write-receiver',
    ],
    { stdio: 'ignore' },
  )
  stops.push(async () => {
    server.kill('SIGTERM')
    await once(server, 'exit')
  })
  const nowMs = Date.now()
  for (let n = 0; n < 3; n++)
    kafka.put(
      'metrics',
      JSON.stringify({
        name: 'sample',
        timestamp: nowMs - 2_000 + n * 1_000,
        dimensions: { sensor_id: 'ก1' },
        values: { temperature: 20 + n, humidity: 50 },
      }),
    )
  // Written again: Prometheus knows them.
  await create('p', {
    'connector.class': 'PrometheusRemoteWriteSink',
    topics: 'metrics',
    'remote_write.url': `http://127.0.0.1:${port}/api/v1/write`,
  })
  const query = async (text: string): Promise<unknown> => {
    const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(text)}`
    const answer = (await (await fetch(url)).json()) as { data: { result: unknown } }
    return answer.data.result
  }
  await eventually(async () => {
    const [found] = (await query('sample_temperature{sensor_id="ก1"}[1m]')) as {
      values: [number, string][]
    }[]
    assert.deepEqual(
      found?.values.map(([, value]) => value),
      ['20', '21', '22'],
    )
  }, 30_000)
})
