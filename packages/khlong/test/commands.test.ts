import assert from 'node:assert/strict'
import net from 'node:net'
import test, { type TestContext } from 'node:test'
import { listenTcp } from '@khlong/core'
import { eventually } from '@khlong/core/testing'
import { Admin, Consumer, Producer } from '@khlong/kafka-client'
import { commandsTopic, makeCommand, statesTopic } from '../src/commands/command.ts'
import { CommandLog } from '../src/commands/command-log.ts'
import { addDevice, addressOf, type Device } from '../src/devices/device.ts'
import { CommandRoutes } from '../src/status/command-routes.ts'
import { StatusServer } from '../src/status/status-server.ts'
import { start } from '../src/test/index.ts'

const nowMs = Date.UTC(2026, 0, 31, 8)
const given = { device: 'fan-1', action: 'fan', by: 'ann' }

test('a command is checked, gets an id, and is of use for a minute unless said otherwise', () => {
  assert.deepEqual(makeCommand({ ...given, params: { seconds: 5 } }, nowMs, 'fresh'), {
    ...{ id: 'fresh', device: 'fan-1', action: 'fan', params: { seconds: 5 } },
    ...{ timestamp: nowMs, expires: nowMs + 60_000, by: 'ann' },
  })
  const own = makeCommand({ ...given, id: 'mine:1', expiresInMs: 5_000 }, nowMs, 'fresh')
  assert.deepEqual([own.id, own.expires], ['mine:1', nowMs + 5_000])
  for (const wrong of [
    { device: 'a/b' },
    { device: '#' },
    { device: '' },
    { device: 7 },
    { action: 'two words' },
    { action: '' },
    { id: '../x' },
    { params: [] },
    { params: { long: 'x'.repeat(5_000) } },
    { expiresInMs: 0 },
    { expiresInMs: 1.5e12 },
    { expiresInMs: 'soon' },
  ])
    assert.throws(
      () => makeCommand({ ...given, ...(wrong as object) }, nowMs, 'fresh'),
      { code: 'KHLONG_COMMAND_INVALID' },
      JSON.stringify(wrong),
    )
})

test('a device is found by its name, or by the id of its frames', () => {
  const password = '$7$1$c2FsdA==$aGFzaA=='
  const devices = [
    { name: 'roof', place: '1', id: '777' },
    { name: 'shed', place: '1', id: 'same' },
    { name: 'barn', place: '1', id: 'same' },
  ].reduce<readonly Device[]>((all, each) => addDevice(all, each, password, nowMs), [])
  assert.deepEqual(
    ['roof', '777', 'same', 'fan-1'].map((named) => addressOf(devices, named)),
    ['roof', 'roof', 'same', 'fan-1'],
  )
})

const token = 'khlong_token-of-this-run'

async function serve(t: TestContext, commands: CommandLog): Promise<string> {
  const probe = net.createServer()
  const address = await listenTcp(probe, { host: '127.0.0.1', port: 0 })
  await new Promise((resolve) => probe.close(resolve))
  const server = new StatusServer({
    address,
    latest: () => undefined,
    commandRoutes: new CommandRoutes({
      commands,
      token,
      addressOf: async (named) => (named === '777' ? 'roof' : named),
    }),
    metrics: async () => '',
  })
  await server.start()
  t.after(() => server.stop())
  return `http://127.0.0.1:${address.port}/-/commands`
}

test('commands are in Kafka when they are answered, and their states are followed', async (t) => {
  await using systems = await start({ kafka: true })
  const { bootstrapServers } = systems.kafka
  const server = { 'bootstrap.servers': bootstrapServers }
  await using commands = new CommandLog({ bootstrapServers })
  const url = await serve(t, commands)
  const ask = async (
    query: string,
    body?: unknown,
    authorization = `Bearer ${token}`,
  ): Promise<[number, Record<string, unknown>]> => {
    const response = await fetch(url + query, {
      headers: { authorization },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
    return [response.status, (await response.json()) as Record<string, unknown>]
  }
  const ids = async (query = ''): Promise<unknown> => {
    const [, { commands: listed }] = await ask(query)
    return (listed as { id: string; state: string }[]).map(({ id, state }) => `${id} ${state}`)
  }
  for (const wrong of ['', 'Bearer x', 'Basic eDp5']) {
    assert.equal((await ask('', given, wrong))[0], 401)
    assert.equal((await ask('', undefined, wrong))[0], 401)
  }
  assert.deepEqual(await ids(), [], 'before the application has run there is no topic')
  assert.equal((await ask('', { ...given, device: 'a/b' }))[0], 400)
  assert.equal((await ask('', 'x'.repeat(20_000)))[0], 400)

  const [status, command] = await ask('', { ...given, device: '777', params: { seconds: 5 } })
  assert.equal(status, 201)
  assert.equal(command.device, 'roof')
  await using consumer = new Consumer(server)
  consumer.assign([{ topic: commandsTopic, partition: 0, offset: 'earliest' }])
  const [batch] = await eventually(async () => {
    const found = await consumer.poll()
    assert.ok(found.length > 0)
    return found
  })
  const [record] = batch!.records
  assert.equal(String(record?.key), 'roof')
  assert.deepEqual(JSON.parse(String(record?.value)), command)

  await using admin = new Admin(server)
  await admin.createTopics([{ name: statesTopic, partitions: 2, replicationFactor: 1 }])
  await using producer = new Producer(server)
  const put = (id: string, value: object | null): Promise<unknown> =>
    producer.send({ topic: statesTopic, key: id, value: value && JSON.stringify(value) })
  const state = (id: string, device: string, atMs: number, word = 'sent') =>
    put(id, { ...{ id, device, action: 'fan', params: {}, by: '' }, timestamp: atMs, state: word })
  await state('a', 'roof', 1)
  await state('b', 'fan-1', 2)
  await state('c', 'roof', 3, 'early')
  await producer.send({ topic: statesTopic, key: 'd', value: 'no JSON' })
  await eventually(async () => assert.deepEqual(await ids(), ['b sent', 'a sent']))
  assert.deepEqual(await ids('?device=777'), ['a sent'])
  assert.deepEqual(await ids('?limit=1'), ['b sent'])
  await state('a', 'roof', 1, 'acknowledged')
  await put('b', null)
  await eventually(async () => assert.deepEqual(await ids(), ['a acknowledged']))
})
