import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { silentLogger } from '@khlong/core'
import { AccessStore } from '@khlong/core/access'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { readPipeline } from '../src/config/pipeline.ts'
import { Platform } from '../src/platform.ts'

const scrypt = { cost: 16, blockSize: 1, parallelization: 1 }
const off = ['mqtt', 'zookeeper', 'kafka', 'connect', 'streams', 'mongodb']

test('off loopback one login opens the console and the APIs, and the console still reaches them', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'mine')
  await mkdir(folder)
  await writeFile(
    path.join(folder, 'khlong.yml'),
    [
      ...off.map((part) => `${part}: false`),
      'prometheus: { listen: "0.0.0.0:0" }',
      'grafana: { listen: "0.0.0.0:0" }',
      '',
    ].join('\n'),
  )
  await writeFile(path.join(folder, 'prometheus.yml'), 'global: { scrape_interval: 15s }\n')
  const pipeline = await readPipeline({ folder })
  const store = new AccessStore({ folder: path.join(pipeline.data, 'access'), scrypt })
  await store.addFirstAdministrator({ name: 'ada', password: 'correct horse' })
  const platform = await Platform.start({ pipeline, logger: silentLogger })
  t.after(() => platform.stop())
  const { KHLONG_PROMETHEUS_URL: prometheus, KHLONG_GRAFANA_URL: grafana } =
    platform.book.environment
  const headers = {
    authorization: `Basic ${Buffer.from('ada:correct horse').toString('base64')}`,
  }
  const query = '/api/v1/query?query=1'
  const through = `${grafana}/api/datasources/proxy/uid/prometheus${query}`
  for (const url of [`${prometheus}${query}`, `${grafana}/api/search`, through])
    assert.equal((await fetch(url)).status, 401, url)
  for (const url of [`${prometheus}${query}`, `${grafana}/api/search`, through])
    assert.equal((await fetch(url, { headers })).status, 200, url)
  // Who is removed is so in every part, on whatever thread it runs.
  await store.addUser({ name: 'eve', role: 'administrator', password: 'correct horse' })
  await store.removeUser('ada')
  await eventually(async () => {
    for (const url of [`${prometheus}${query}`, `${grafana}/api/search`])
      assert.equal((await fetch(url, { headers })).status, 401, url)
  })
})
