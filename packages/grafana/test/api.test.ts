import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { GrafanaServer, resolveGrafanaOptions } from '../src/index.ts'
import { startConsole, startHttp } from './helpers.ts'

test('health, preferences and metrics answer as scripts expect them', async (t) => {
  const { app } = await startConsole(t)
  assert.equal((await app.inject('/api/health')).json().database, 'ok')
  assert.equal((await app.inject('/api/user/preferences')).statusCode, 200)
  assert.match((await app.inject('/metrics')).body, /^grafana_stat_totals_dashboard 0$/m)
})

test('a dashboard that is saved can be searched, read and saved again with its version', async (t) => {
  const { app } = await startConsole(t)
  const save = (body: object) =>
    app.inject({ method: 'POST', url: '/api/dashboards/db', payload: body })
  const first = await save({ dashboard: { title: 'Water level', tags: ['water'], panels: [] } })
  assert.equal(first.statusCode, 200)
  const { uid, version, url } = first.json()
  assert.deepEqual([version, url], [1, `/d/${uid}/water-level`])
  assert.equal((await app.inject('/api/search?query=water')).json()[0].uid, uid)
  assert.deepEqual((await app.inject('/api/search?tag=air')).json(), [])
  const read = (await app.inject(`/api/dashboards/uid/${uid}`)).json()
  assert.equal(read.dashboard.title, 'Water level')
  assert.equal(read.meta.provisioned, false)
  const stale = await save({ dashboard: { ...read.dashboard, version: 0 } })
  assert.deepEqual([stale.statusCode, stale.json().status], [412, 'version-mismatch'])
  assert.equal((await save({ dashboard: read.dashboard })).json().version, 2)
  const twin = await save({ dashboard: { title: 'Water level' } })
  assert.deepEqual([twin.statusCode, twin.json().status], [412, 'name-exists'])
  const nameless = await save({ dashboard: { title: ' ' } })
  assert.deepEqual([nameless.statusCode, nameless.json().status], [400, 'empty-name'])
})

test('saved dashboards and data sources are there after a restart', async (t) => {
  const data = path.join(await temporaryFolder(t), 'data')
  const before = new GrafanaServer({ listen: 0, data })
  await before.start()
  await before.app.inject({
    method: 'POST',
    url: '/api/dashboards/db',
    payload: { dashboard: { uid: 'kept', title: 'Kept' } },
  })
  await before.app.inject({
    method: 'POST',
    url: '/api/datasources',
    payload: { name: 'Other', type: 'prometheus', url: 'http://127.0.0.1:1', access: 'proxy' },
  })
  await before.stop()
  const { app } = await startConsole(t, { data })
  assert.equal((await app.inject('/api/dashboards/uid/kept')).json().dashboard.title, 'Kept')
  assert.equal((await app.inject('/api/datasources/name/Other')).json().url, 'http://127.0.0.1:1')
})

test('provisioned dashboards are served, cannot be overwritten, and are read again when they change', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'dashboards')
  await mkdir(folder)
  const file = path.join(folder, 'iot.json')
  await writeFile(file, JSON.stringify({ uid: 'iot', title: 'IoT' }))
  await writeFile(path.join(folder, 'broken.json'), '{')
  const { app } = await startConsole(t, { dashboards: folder })
  assert.equal((await app.inject('/api/dashboards/uid/iot')).json().meta.provisioned, true)
  assert.equal((await app.inject('/-/setup')).json().home, 'iot')
  const refused = await app.inject({
    method: 'POST',
    url: '/api/dashboards/db',
    payload: { dashboard: { uid: 'iot', title: 'Mine' }, overwrite: true },
  })
  assert.deepEqual(
    [refused.statusCode, refused.json().message],
    [400, 'Cannot save provisioned dashboard'],
  )
  await writeFile(file, JSON.stringify({ uid: 'iot', title: 'IoT, changed' }))
  await eventually(async () =>
    assert.equal((await app.inject('/api/search')).json()[0].title, 'IoT, changed'),
  )
})

test('every path that is no file and no API is a place of the console', async (t) => {
  const { app } = await startConsole(t)
  for (const place of ['/', '/flow', '/d/iot/iot-sensors?from=now-5m']) {
    const answer = await app.inject(place)
    assert.equal(answer.statusCode, 200, place)
    assert.match(String(answer.headers['content-type']), /^text\/html/)
    assert.match(String(answer.headers['content-security-policy']), /default-src 'self'/)
  }
  assert.equal((await app.inject('/assets/none.js')).statusCode, 404)
})

test('errors have the envelope of Grafana', async (t) => {
  const { app } = await startConsole(t)
  const missing = await app.inject('/api/dashboards/uid/none')
  assert.equal(missing.statusCode, 404)
  assert.equal(missing.json().message, 'Dashboard not found')
  assert.equal((await app.inject('/api/nothing')).json().message, 'Not found')
  const unset = await app.inject('/-/mongodb/databases')
  assert.deepEqual([unset.statusCode, unset.json().code], [503, 'GRAFANA_NOT_CONFIGURED'])
})

test('a page of another origin changes nothing', async (t) => {
  const { app, url } = await startConsole(t)
  const save = (headers: Record<string, string>) =>
    app.inject({
      method: 'POST',
      url: '/api/dashboards/db',
      headers,
      payload: { dashboard: { title: `From ${headers.origin ?? 'a script'}` } },
    })
  const host = new URL(url).host
  assert.equal((await save({ host, origin: 'https://example.com' })).statusCode, 403)
  assert.equal((await save({ host, origin: 'null' })).statusCode, 403)
  assert.equal((await save({ host, 'sec-fetch-site': 'cross-site' })).statusCode, 403)
  // A foreign name that was made to point at this machine.
  const rebound = await save({ host: 'evil.example:3000', origin: 'http://evil.example:3000' })
  assert.equal(rebound.statusCode, 403)
  assert.equal((await save({ host, origin: url })).statusCode, 200)
  assert.equal((await save({ host })).statusCode, 200)
})

test('a data source of another kind or with secrets is refused by name', async (t) => {
  const { app } = await startConsole(t)
  const add = async (payload: object) => {
    const answer = await app.inject({ method: 'POST', url: '/api/datasources', payload })
    return [answer.statusCode, answer.json().message]
  }
  const url = 'http://127.0.0.1:9'
  assert.match(
    String(await add({ name: 'I', type: 'influxdb', url })),
    /influxdb are not supported/,
  )
  assert.match(
    String(await add({ name: 'P', type: 'prometheus', url, basicAuth: true })),
    /credentials are not supported/,
  )
})

test('a range query gives one frame per series with its legend, and gaps for NaN', async (t) => {
  const asked: URLSearchParams[] = []
  const prometheus = await startHttp(t, (_request, response, body) => {
    asked.push(new URLSearchParams(body))
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        status: 'success',
        data: {
          resultType: 'matrix',
          result: [
            {
              metric: { __name__: 'temperature', sensor_name: 'one' },
              values: [
                [1_000, '21.5'],
                [1_010, 'NaN'],
              ],
            },
          ],
        },
      }),
    )
  })
  const { app } = await startConsole(t, { prometheus })
  const nowMs = 1_700_000_000_000
  const good = await app.inject({
    method: 'POST',
    url: '/api/ds/query',
    payload: {
      from: String(nowMs - 60_000),
      to: String(nowMs),
      queries: [
        {
          refId: 'A',
          datasource: 'Prometheus',
          expr: 'temperature',
          legendFormat: '{{sensor_name}} °C',
          intervalMs: 10_000,
        },
      ],
    },
  })
  assert.equal(good.statusCode, 200)
  const [frame] = good.json().results.A.frames
  assert.equal(frame.schema.fields[1].config.displayNameFromDS, 'one °C')
  assert.deepEqual(frame.data.values, [
    [1_000_000, 1_010_000],
    [21.5, null],
  ])
  assert.equal(asked.at(-1)?.get('step'), '10')
})

test('an error of one query is told in its own result', async (t) => {
  const prometheus = await startHttp(t, (_request, response) => {
    response.statusCode = 400
    response.end(
      JSON.stringify({
        status: 'error',
        errorType: 'bad_data',
        error: 'unclosed left parenthesis',
      }),
    )
  })
  const { app } = await startConsole(t, { prometheus })
  const answer = await app.inject({
    method: 'POST',
    url: '/api/ds/query',
    payload: { queries: [{ refId: 'A', expr: 'sum(' }], from: 'now-1h', to: 'now' },
  })
  assert.equal(answer.statusCode, 400)
  assert.match(answer.json().results.A.error, /unclosed left parenthesis/)
})

test('the proxies pass method, path, query and status on', async (t) => {
  const seen: string[] = []
  const upstream = await startHttp(t, (request, response, body) => {
    seen.push(`${request.method} ${request.url} ${body}`)
    response.statusCode = request.method === 'PUT' ? 202 : 200
    response.end('{}')
  })
  const { app } = await startConsole(t, { prometheus: upstream, connect: upstream })
  await app.inject('/api/datasources/proxy/uid/prometheus/api/v1/labels?start=1')
  await app.inject('/api/datasources/proxy/1/api/v1/query?query=up')
  const paused = await app.inject({ method: 'PUT', url: '/-/connect/connectors/a%20b/pause' })
  assert.equal(paused.statusCode, 202)
  assert.deepEqual(seen, [
    'GET /api/v1/labels?start=1 ',
    'GET /api/v1/query?query=up ',
    'PUT /connectors/a%20b/pause ',
  ])
})

test('what is not known is refused with the nearest key', () => {
  assert.throws(
    () => resolveGrafanaOptions({ promethues: 'http://x' }),
    /did you mean prometheus\?/,
  )
  assert.throws(() => resolveGrafanaOptions({ connect: 'localhost:8083' }), /connect/)
})
