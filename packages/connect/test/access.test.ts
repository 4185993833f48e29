import assert from 'node:assert/strict'
import path from 'node:path'
import test from 'node:test'
import { newToken } from '@khlong/core'
import { AccessStore, readAudit } from '@khlong/core/access'
import { temporaryFolder } from '@khlong/core/testing'
import { startWorker } from './helpers/worker.ts'

const scrypt = { cost: 16, blockSize: 1, parallelization: 1 }
const password = 'correct horse'

test('off loopback REST asks who is there: viewers look, editors change, and it is written down', async (t) => {
  const access = path.join(await temporaryFolder(t), 'access')
  const store = new AccessStore({ folder: access, scrypt })
  await store.addFirstAdministrator({ name: 'ada', password })
  await store.addUser({ name: 'vera', role: 'viewer', password })
  const token = newToken()
  const options = { listen: '0.0.0.0:0', access, 'access.token': token }
  const { worker } = await startWorker(t, options)
  const url = `http://127.0.0.1:${worker.addresses.http?.split(':').at(-1)}`
  const basic = (name: string) => ({
    authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
  })
  const unknown = await fetch(`${url}/connectors`)
  assert.deepEqual(await unknown.json(), { error_code: 401, message: 'Unauthorized' })
  assert.match(String(unknown.headers.get('www-authenticate')), /^Basic/)
  assert.equal((await fetch(`${url}/connectors`, { headers: basic('vera') })).status, 200)
  const make = (headers: Record<string, string>) =>
    fetch(`${url}/connectors`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ name: 'none', config: {} }),
    })
  assert.equal((await make(basic('vera'))).status, 403)
  assert.equal((await make({ ...basic('ada'), origin: 'https://evil.example' })).status, 403)
  // Let in: what is wrong with it is that it names no class.
  assert.equal((await make(basic('ada'))).status, 400)
  assert.equal((await make({ authorization: `Bearer ${token}` })).status, 400)
  const entries = await readAudit(access, { limit: 10 })
  assert.deepEqual(
    entries
      .filter(({ action }) => action !== 'login')
      .map(({ who, action, target, status }) => [who, action, target, status]),
    [
      ['ada', 'POST', '/connectors', 400],
      ['vera', 'POST', '/connectors', 403],
    ],
  )
})

test('on loopback a page of another origin makes no connector', async (t) => {
  const { worker, call } = await startWorker(t)
  assert.equal((await call('GET', '/connectors')).status, 200)
  const answer = await fetch(`http://${worker.addresses.http}/connectors`, {
    method: 'POST',
    headers: { origin: 'https://evil.example', 'content-type': 'text/plain' },
    body: JSON.stringify({ name: 'evil', config: {} }),
  })
  assert.equal(answer.status, 403)
})
