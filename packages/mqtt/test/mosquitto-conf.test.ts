import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '@khlong/core/testing'
import fc from 'fast-check'
import { MqttBroker, type ResolvedMqttOptions, resolveMqttOptions } from '../src/index.ts'
import { RawClient } from './helpers.ts'

type Resolve = (text: string, beside?: Record<string, unknown>) => Promise<ResolvedMqttOptions>

/** Writes a file and gives what it means. */
async function resolver(t: TestContext): Promise<{ resolve: Resolve; folder: string }> {
  const folder = await temporaryFolder(t)
  const file = path.join(folder, 'mosquitto.conf')
  return {
    folder,
    resolve: async (text, beside = {}) => {
      await writeFile(file, text)
      const settings = { config_file: file, persistence: false, ...beside }
      return resolveMqttOptions(settings, { name: 'khlong.yml' })
    },
  }
}

test('a file as people have it is read, and what is only about Mosquitto itself is set aside', async (t) => {
  const { resolve, folder } = await resolver(t)
  const options = await resolve(`# from Debian, and from the containers
pid_file /run/mosquitto/mosquitto.pid
persistence true
persistence_location /var/lib/mosquitto/
log_dest file /var/log/mosquitto/mosquitto.log
max_inflight_messages 50
  max_queued_messages   500\r
persistent_client_expiration 14d
clientid_prefixes dev

listener 1883
password_file passwd
acl_file /etc/mosquitto/acl
allow_anonymous false
max_connections 100

listener 9001 192.0.2.1
protocol websockets
max_qos 1
`)
  const { max_inflight_messages, max_queued_messages, clientid_prefixes, setAside } = options
  assert.deepEqual(
    [max_inflight_messages, max_queued_messages, clientid_prefixes],
    [50, 500, 'dev'],
  )
  assert.deepEqual(setAside, ['pid_file', 'persistence_location', 'log_dest'])
  assert.equal(options.sessionExpirySecondsMax, 14 * 86_400)
  const [mqtt, webSocket, ...others] = options.listeners
  assert.deepEqual(others, [])
  assert.deepEqual(mqtt?.address, { host: '', port: 1883 })
  const access = {
    realm: '',
    password_file: path.join(folder, 'passwd'),
    acl_file: path.resolve('/etc/mosquitto/acl'),
    allow_anonymous: false,
  }
  assert.deepEqual(mqtt.access, access)
  assert.deepEqual(webSocket?.access, access)
  assert.deepEqual([mqtt.max_connections, webSocket.max_connections], [100, -1])
  assert.deepEqual([mqtt.max_qos, webSocket.max_qos], [2, 1])
  assert.deepEqual(webSocket.address, { host: '192.0.2.1', port: 9001 })
  assert.deepEqual([mqtt.name, webSocket.name], ['mqtt', 'websocket'])
})

test('without a listener the file is for this machine, and lets everyone of it in', async (t) => {
  const { resolve } = await resolver(t)
  const local = (await resolve('password_file passwd\n')).listeners[0]
  assert.deepEqual(local?.address, { host: '127.0.0.1', port: 1883 })
  assert.equal(local?.access.allow_anonymous, true)
  const shut = (await resolve('listener 1883 127.0.0.1\n')).listeners[0]
  assert.equal(shut?.access.allow_anonymous, false)
  const port = (await resolve('port 1884\nbind_address 127.0.0.1\n')).listeners
  assert.deepEqual(
    port.map(({ address }) => address),
    [{ host: '127.0.0.1', port: 1884 }],
  )
})

test('with per_listener_settings each listener has users and rules of its own', async (t) => {
  const { resolve } = await resolver(t)
  const { listeners } = await resolve(`per_listener_settings true
listener 1883
allow_anonymous true
listener 1884
password_file /p
auto_id_prefix own-
`)
  assert.deepEqual(
    listeners.map(({ access, auto_id_prefix }) => [
      access.allow_anonymous,
      access.password_file,
      auto_id_prefix,
    ]),
    [
      [true, undefined, 'auto-'],
      [false, path.resolve('/p'), 'own-'],
    ],
  )
  assert.notEqual(listeners[0]?.access.realm, listeners[1]?.access.realm)
})

test('what is written beside the file goes before it, and its listeners take the place of ours', async (t) => {
  const { resolve } = await resolver(t)
  const options = await resolve('max_keepalive 60\nsys_interval 5\nlistener 1999\n', {
    max_keepalive: 30,
    listen: 1883,
  })
  assert.deepEqual([options.max_keepalive, options.sys_interval], [30, 5])
  assert.deepEqual(
    options.listeners.map(({ address }) => address.port),
    [1999],
  )
})

test('files of include_dir are read in their order', async (t) => {
  const { resolve, folder } = await resolver(t)
  await mkdir(path.join(folder, 'conf.d'))
  await writeFile(path.join(folder, 'conf.d', 'b.conf'), 'listener 2\nmax_keepalive 9\n')
  await writeFile(path.join(folder, 'conf.d', 'a.conf'), 'listener 1\nmax_keepalive 8\n')
  await writeFile(path.join(folder, 'conf.d', 'c.txt'), 'nothing\n')
  const options = await resolve('include_dir conf.d\n')
  assert.equal(options.max_keepalive, 9)
  assert.deepEqual(
    options.listeners.map(({ address }) => address.port),
    [1, 2],
  )
  await writeFile(path.join(folder, 'conf.d', 'b.conf'), 'listener 2\nlisten 1\n')
  await assert.rejects(resolve('include_dir conf.d\n'), /b\.conf:2: listen: unknown.*listener\?$/)
})

test('what cannot be used is refused with file and line, and the nearest key', async (t) => {
  const { resolve } = await resolver(t)
  const wrong: [string, RegExp][] = [
    [
      'max_keepalives 3',
      /mosquitto\.conf:2: max_keepalives: unknown.*did you mean max_keepalive\?/,
    ],
    ['qwertz 3', /mosquitto\.conf:2: qwertz: unknown setting$/],
    ['max_keepalive lots', /mosquitto\.conf:2: max_keepalive: /],
    ['max_keepalive', /mosquitto\.conf:2: max_keepalive: a value is missing/],
    ['allow_anonymous yes', /mosquitto\.conf:2: allow_anonymous: /],
    ['plugin /x.so', /mosquitto\.conf:2: plugin: not supported yet/],
    ['mount_point a/', /mosquitto\.conf:2: mount_point: not supported yet/],
    ['connection bridge', /mosquitto\.conf:2: connection: not supported yet/],
    [
      'message_size_limit 9',
      /mosquitto\.conf:2: message_size_limit: not supported; use max_packet/,
    ],
    ['listener 0 /run/socket', /mosquitto\.conf:2: listener: Unix sockets are not supported yet/],
    ['listener 70000', /mosquitto\.conf:2: listener: expected a port/],
    ['listener 1 a b', /mosquitto\.conf:2: listener: expected PORT/],
    ['listener 8883\ncafile x', /mosquitto\.conf:3: cafile: needs TLS/],
    ['listener 8883\ncertfile x', /mosquitto\.conf:3: certfile: certfile and keyfile go together/],
    ['cafile x\nlistener 1', /mosquitto\.conf:2: cafile: write it below the listener/],
    ['acl_file x\nper_listener_settings true', /conf:3: per_listener_settings: write it above/],
    ['include_dir nowhere', /mosquitto\.conf:2: include_dir: the folder .*nowhere cannot be read/],
    ['when_queue_full drop', /mosquitto\.conf:2: when_queue_full: unknown/],
    ['internal x', /mosquitto\.conf:2: internal: unknown/],
  ]
  for (const [line, message] of wrong)
    await assert.rejects(resolve(`# first\n${line}\n`), { code: 'SETTINGS_INVALID', message }, line)
  assert.throws(
    () => resolveMqttOptions({ config_file: '/nowhere/x.conf', persistence: false }),
    /\/nowhere\/x\.conf: cannot be read/,
  )
})

test('any file is settings or an error that names file and line', async (t) => {
  const { resolve } = await resolver(t)
  const key = fc.constantFrom(
    ...['listener', 'port', 'allow_anonymous', 'max_qos', 'protocol', 'certfile', 'acl_file', '#'],
    ...['per_listener_settings', 'auto_id_prefix', 'log_type', 'plugin', 'bind_address', 'x y'],
  )
  const value = fc.constantFrom('', 'true', 'false', '1', '1883', 'mqtt', 'websockets', '::1', ' ')
  const line = fc.oneof(
    fc.tuple(key, value).map((words) => words.join(' ')),
    fc.string(),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 8 }), async (lines) => {
      try {
        const { listeners } = await resolve(lines.join('\n'))
        assert.ok(listeners.length > 0)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'SETTINGS_INVALID', String(error))
        assert.match((error as Error).message, /mosquitto\.conf:\d+: /)
      }
    }),
    { numRuns: 500 },
  )
})

test('a listener without an address is reached by all of them, a changed file by those who come', async (t) => {
  const { folder } = await resolver(t)
  const file = path.join(folder, 'm.conf')
  await writeFile(file, 'listener 0\nallow_anonymous false\n')
  const broker = new MqttBroker({ config_file: file, persistence: false })
  t.after(() => broker.stop({ deadlineMs: 100 }))
  await broker.start()
  const port = Number(broker.addresses.mqtt?.split(':').at(-1))
  const login = async (): Promise<unknown> => {
    const client = new RawClient(port)
    t.after(() => client.end())
    return (await client.connect('c')).returnCode
  }
  assert.equal(await login(), 5)
  await writeFile(file, 'listener 0\nallow_anonymous true\n')
  await broker.reload()
  assert.equal(await login(), 0)
  const anonymous = new RawClient(port, 5)
  t.after(() => anonymous.end())
  await anonymous.connect('d')
  await writeFile(file, 'listener 0\nallow_anonymous false\n')
  await broker.reload()
  assert.equal((await anonymous.next())?.reasonCode, 0x98)
  await writeFile(file, 'listener 0\nlistener_allow_anonymous true\n')
  await broker.reload()
  await writeFile(file, 'listener 1\nallow_anonymous true\n')
  await assert.rejects(broker.reload(), /m\.conf: other listeners than before need a restart/)
  assert.equal(await login(), 0)
})
