import assert from 'node:assert/strict'
import net from 'node:net'
import test, { type TestContext } from 'node:test'
import { listenTcp } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'
import { DeviceRegistry } from '../src/devices/device-registry.ts'
import { deviceAddress } from '../src/lan/lan-addresses.ts'
import { DeviceRoutes } from '../src/status/device-routes.ts'
import { StatusServer } from '../src/status/status-server.ts'

const token = 'khlong_token-of-this-run'

async function serve(
  t: TestContext,
): Promise<{ url: string; registry: DeviceRegistry; known: readonly string[] }> {
  const registry = new DeviceRegistry(await temporaryFolder(t))
  const known: string[] = []
  const probe = net.createServer()
  const address = await listenTcp(probe, { host: '127.0.0.1', port: 0 })
  await new Promise((resolve) => probe.close(resolve))
  const server = new StatusServer({
    address,
    latest: () => undefined,
    deviceRoutes: new DeviceRoutes({
      registry,
      statuses: () => [],
      broker: async (reachedAt) => deviceAddress({ host: '0.0.0.0', port: 2_883 }, reachedAt),
      onChanged: async () => {
        known.splice(0, known.length, ...(await registry.list()).map(({ name }) => name))
      },
      token,
    }),
    metrics: async () => '',
  })
  await server.start()
  t.after(() => server.stop())
  return { url: `http://127.0.0.1:${address.port}/-/devices`, registry, known }
}

test("the console changes devices by the run's token, and nobody else does", async (t) => {
  const { url, registry, known } = await serve(t)
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
  // The broker has read the registry's files before the secret is known to anyone.
  assert.deepEqual(known, ['roof'])
  assert.ok(!('password' in device))
  // The programs lead to where the reader's browser found the console, where that is an address.
  const sketchesFor = async (host: string): Promise<Record<string, string>> => {
    const [, answer] = await ask('POST', `/roof/rotate?host=${encodeURIComponent(host)}`)
    return answer.sketches as Record<string, string>
  }
  const sketches = await sketchesFor('192.0.2.9')
  assert.deepEqual(Object.keys(sketches).toSorted(), ['esp32', 'micropython', 'node', 'python'])
  for (const sketch of Object.values(sketches)) assert.match(sketch, /192\.0\.2\.9.*2883/s)
  for (const host of ['127.0.0.1', 'x");evil("', '192.0.2.9 x', '::1'])
    for (const sketch of Object.values(await sketchesFor(host)))
      assert.ok(host === '127.0.0.1' || !sketch.includes(host), host)
  const [rotated, fresh] = await ask('POST', '/roof/rotate')
  assert.equal(rotated, 200)
  assert.notEqual(fresh.secret, device.secret)
  assert.equal((await ask('POST', '/roof/revoke'))[0], 200)
  assert.ok((await registry.find('roof')).revokedMs)
  const refused = await Promise.all([
    ask('POST', '', roof),
    ask('POST', '', { name: '<script>', place: '1' }),
    ask('POST', '', { name: 1, place: '1' }),
    ask('POST', '', 'x'.repeat(300_000)),
    ask('POST', '', { csv: 'name,place\nshed,1\nroof,1\n' }),
    ask('POST', '', { csv: 'name\nshed\n' }),
    ask('POST', '/%2e%2e%2fx/rotate'),
    ask('DELETE', '/other'),
    ask('PUT', '/roof'),
  ])
  assert.deepEqual(
    refused.map(([status]) => status),
    [409, 400, 400, 400, 409, 400, 404, 404, 405],
  )
  const [imported, list] = await ask('POST', '', { csv: 'name,place\nshed,1\n' })
  assert.equal(imported, 201)
  assert.match(JSON.stringify(list), /^\{"added":\[\{"name":"shed","secret":"[a-z2-9]{20}"\}\]\}$/)
  for (const name of ['shed', 'roof']) assert.equal((await ask('DELETE', `/${name}`))[0], 200)
  assert.deepEqual(await registry.list(), [])
})
