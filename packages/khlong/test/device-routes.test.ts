import assert from 'node:assert/strict'
import net from 'node:net'
import test, { type TestContext } from 'node:test'
import { listenTcp } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'
import { DeviceRegistry } from '../src/devices/device-registry.ts'
import { DeviceRoutes } from '../src/status/device-routes.ts'
import { StatusServer } from '../src/status/status-server.ts'

const token = 'khlong_token-of-this-run'

async function serve(t: TestContext): Promise<{ url: string; registry: DeviceRegistry }> {
  const registry = new DeviceRegistry(await temporaryFolder(t))
  const probe = net.createServer()
  const address = await listenTcp(probe, { host: '127.0.0.1', port: 0 })
  await new Promise((resolve) => probe.close(resolve))
  const server = new StatusServer({
    address,
    latest: () => undefined,
    devices: () => [],
    deviceRoutes: new DeviceRoutes({ registry, token }),
    metrics: async () => '',
  })
  await server.start()
  t.after(() => server.stop())
  return { url: `http://127.0.0.1:${address.port}/-/devices`, registry }
}

test("the console changes devices by the run's token, and nobody else does", async (t) => {
  const { url, registry } = await serve(t)
  const ask = async (
    method: string,
    path: string,
    body?: unknown,
    authorization = `Bearer ${token}`,
  ): Promise<[number, Record<string, unknown>]> => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return [response.status, (await response.json()) as Record<string, unknown>]
  }
  const roof = { name: 'roof', place: '7' }
  for (const wrong of ['', 'Bearer x', 'Basic eDp5'])
    assert.equal((await ask('POST', '', roof, wrong))[0], 401)
  assert.deepEqual(await registry.list(), [])
  const [added, device] = await ask('POST', '', roof)
  assert.equal(added, 201)
  assert.match(String(device.secret), /^[a-z2-9]{20}$/)
  assert.ok(!('password' in device))
  const [rotated, fresh] = await ask('POST', '/roof/rotate')
  assert.equal(rotated, 200)
  assert.notEqual(fresh.secret, device.secret)
  assert.equal((await ask('POST', '/roof/revoke'))[0], 200)
  assert.ok((await registry.find('roof')).revokedMs)
  const refused = await Promise.all([
    ask('POST', '', roof),
    ask('POST', '', { name: '<script>', place: '1' }),
    ask('POST', '', { name: 1, place: '1' }),
    ask('POST', '', 'x'.repeat(20_000)),
    ask('POST', '/%2e%2e%2fx/rotate'),
    ask('DELETE', '/other'),
    ask('PUT', '/roof'),
  ])
  assert.deepEqual(
    refused.map(([status]) => status),
    [409, 400, 400, 400, 404, 404, 405],
  )
  assert.equal((await ask('DELETE', '/roof'))[0], 200)
  assert.deepEqual(await registry.list(), [])
})
