import assert from 'node:assert/strict'
import path from 'node:path'
import test from 'node:test'
import { newToken } from '@khlong/core'
import { AccessStore } from '@khlong/core/access'
import { temporaryFolder } from '@khlong/core/testing'
import { PrometheusServer } from '../src/index.ts'

const scrypt = { cost: 16, blockSize: 1, parallelization: 1 }

test('off loopback the API asks who is there: viewers query, editors reload', async (t) => {
  const folder = await temporaryFolder(t)
  const access = path.join(folder, 'access')
  const store = new AccessStore({ folder: access, scrypt })
  await store.addFirstAdministrator({ name: 'ada', password: 'correct horse' })
  await store.addUser({ name: 'vera', role: 'viewer', password: 'correct horse' })
  const token = newToken()
  const server = new PrometheusServer({
    listen: '0.0.0.0:0',
    data: path.join(folder, 'data'),
    access,
    'access.token': token,
  })
  await server.start()
  t.after(() => server.stop())
  const url = `http://127.0.0.1:${server.addresses.http?.split(':').at(-1)}`
  const basic = (name: string) => ({
    authorization: `Basic ${Buffer.from(`${name}:correct horse`).toString('base64')}`,
  })
  const query = (headers: Record<string, string>) =>
    fetch(`${url}/api/v1/query`, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ query: '1' }),
    })
  const unknown = await query({})
  assert.deepEqual([unknown.status, await unknown.text()], [401, 'Unauthorized\n'])
  assert.match(String(unknown.headers.get('www-authenticate')), /^Basic/)
  assert.equal((await fetch(`${url}/metrics`)).status, 401)
  assert.equal((await query(basic('vera'))).status, 200)
  const reload = (name: string) =>
    fetch(`${url}/-/reload`, { method: 'POST', headers: basic(name) })
  assert.equal((await reload('vera')).status, 403)
  assert.equal((await reload('ada')).status, 200)
  const run = { authorization: `Bearer ${token}` }
  const flags = await (await fetch(`${url}/api/v1/status/flags`, { headers: run })).text()
  assert.doesNotMatch(flags, new RegExp(token))
})

test('off loopback without a folder of users it does not start, unless that is meant', async (t) => {
  const options = { listen: '0.0.0.0:0', data: await temporaryFolder(t) }
  const server = new PrometheusServer(options)
  await assert.rejects(() => server.start(), { code: 'ACCESS_REQUIRED' })
  const open = new PrometheusServer({ ...options, allow_anonymous: true })
  await open.start()
  await open.stop()
})
