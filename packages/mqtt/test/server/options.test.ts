import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '@khlong/core/testing'
import { MqttBroker, resolveMqttOptions } from '../../src/index.ts'

const data = '/nowhere'

test('defaults listen on loopback and are frozen', () => {
  const options = resolveMqttOptions({ data })
  const [listener, ...others] = options.listeners
  assert.deepEqual(listener?.address, { host: '127.0.0.1', port: 1883 })
  assert.equal(listener?.access.allow_anonymous, true)
  assert.deepEqual(others, [])
  assert.equal(options.max_packet_size, 2_000_000)
  assert.ok(Object.isFrozen(options))
})

test('settings of Mosquitto that are not supported yet are refused by name and line', () => {
  const source = { name: 'khlong.yml', line: () => 7 }
  assert.throws(() => resolveMqttOptions({ data, psk_file: 'x' }, source), {
    code: 'SETTINGS_INVALID',
    message: 'khlong.yml:7: psk_file: not supported yet',
  })
  assert.throws(() => resolveMqttOptions({ data, persistence_location: 'x' }), /use data/)
})

test('an unknown setting is refused with the nearest one', () => {
  assert.throws(
    () => resolveMqttOptions({ data, max_inflight_mesages: 5 }),
    /max_inflight_messages/,
  )
})

test('listening beyond loopback needs a way to log in, or allow_anonymous', () => {
  for (const key of ['listen', 'websocket'])
    assert.throws(
      () => resolveMqttOptions({ data, [key]: '0.0.0.0:1883' }),
      /allow_anonymous: true/,
    )
  const open = resolveMqttOptions({ data, listen: '0.0.0.0:1883', allow_anonymous: true })
  assert.equal(open.listeners[0]?.address.host, '0.0.0.0')
  assert.throws(
    () => resolveMqttOptions({ data, 'internal.listen': '0.0.0.0:1', allow_anonymous: true }),
    /loopback/,
  )
})

test('a broker without a folder is one whose owner has said so', () => {
  assert.throws(() => new MqttBroker({ listen: 0 }), /persistence: false/)
  assert.equal(resolveMqttOptions({ persistence: false }).data, undefined)
})

test('persistent_client_expiration is read as Mosquitto reads it', () => {
  const seconds = (written: string): number =>
    resolveMqttOptions({ data, persistent_client_expiration: written }).sessionExpirySecondsMax
  assert.equal(seconds('2h'), 7_200)
  assert.equal(seconds('14d'), 14 * 86_400)
  assert.throws(() => seconds('14'), /expected a number with/)
})

test('anonymous clients come in on loopback where there is no other way to log in', () => {
  const allowed = (options: object): boolean | undefined =>
    resolveMqttOptions({ data, ...options }).listeners[0]?.access.allow_anonymous
  assert.equal(allowed({}), true)
  assert.equal(allowed({ password_file: 'p' }), false)
  assert.equal(allowed({ password_file: 'p', allow_anonymous: true }), true)
  assert.equal(allowed({ listen: '0.0.0.0:1883', password_file: 'p' }), false)
  assert.equal(allowed({ listen: '0.0.0.0:1883', allow_anonymous: false }), false)
  const mixed = resolveMqttOptions({
    data,
    password_file: 'p',
    listen: 1883,
    listener_allow_anonymous: true,
    listeners: [{ listen: '0.0.0.0:1884' }],
  })
  assert.deepEqual(
    mixed.listeners.map(({ access }) => access.allow_anonymous),
    [true, false],
  )
})

test('listeners have settings of their own, access settings only where they may', () => {
  const listeners = [
    { listen: 8883, max_qos: 1 },
    { listen: '127.0.0.1:8884', protocol: 'websockets' },
  ]
  const resolved = resolveMqttOptions({ data, listeners, max_qos: 0 }).listeners
  assert.deepEqual(
    resolved.map(({ name, max_qos, address }) => [name, max_qos, address.port]),
    [
      ['mqtt', 1, 8883],
      ['websocket', 2, 8884],
    ],
  )
  const own = [{ listen: 1, auto_id_prefix: 'x' }]
  assert.throws(
    () => resolveMqttOptions({ data, listeners: own }),
    /listeners\.0\.auto_id_prefix: needs per_listener_settings: true/,
  )
  const options = resolveMqttOptions({ data, listeners: own, per_listener_settings: true })
  assert.equal(options.listeners[0]?.auto_id_prefix, 'x')
  assert.throws(
    () => resolveMqttOptions({ data, listeners: [{ listen: 1, max_qoss: 1 }] }),
    /listeners\.0\.max_qoss: unknown setting/,
  )
})

test('a broken file of users or rules is said before anything starts, a missing one at the start', async (t) => {
  const file = path.join(await temporaryFolder(t), 'file')
  for (const key of ['password_file', 'acl_file']) {
    assert.ok(resolveMqttOptions({ data, [key]: `${file}-missing` }))
    await writeFile(file, '# first\nwrong\n')
    assert.throws(() => resolveMqttOptions({ data, [key]: file }), {
      code: 'SETTINGS_INVALID',
      message: /file:2: expected/,
    })
  }
})

test('credentials of internal clients are long, and never a half of them', () => {
  const internal = { username: 'k', password: 'short' }
  assert.throws(() => resolveMqttOptions({ data, internal }), /internal\.password: /)
  assert.throws(() => resolveMqttOptions({ data, internal: { username: 'k' } }), /internal\.pass/)
})
