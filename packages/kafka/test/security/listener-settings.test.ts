import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveKafkaOptions } from '../../src/options.ts'
import { type ListenerPlan, planListeners } from '../../src/security/listeners.ts'
import { startBroker } from '../helpers.ts'
import { secureListeners } from './secure-broker.ts'

const plans = (settings: Record<string, unknown>): readonly ListenerPlan[] =>
  planListeners(resolveKafkaOptions(settings))
const jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret";'
const scram = { 'sasl.enabled.mechanisms': 'SCRAM-SHA-256' }

test('listeners have names, protocols, and addresses to be advertised', () => {
  const [outside, inside] = plans({
    listeners: 'OUTSIDE://:9094, inside://127.0.0.1:9092',
    'advertised.listeners': 'OUTSIDE://kafka.example.org:19094',
    'listener.security.protocol.map': 'OUTSIDE:SASL_SSL,INSIDE:PLAINTEXT',
    'listener.name.outside.sasl.enabled.mechanisms': ['PLAIN', 'SCRAM-SHA-512'],
    'listener.name.outside.plain.sasl.jaas.config': jaas,
    'listener.name.outside.scram-sha-512.connections.max.reauth.ms': 60_000,
    'connections.max.reauth.ms': 1_000,
    'ssl.client.auth': 'required',
  })
  assert.deepEqual(
    [outside?.name, outside?.protocol, outside?.address, outside?.advertised],
    [
      'OUTSIDE',
      'SASL_SSL',
      { host: '0.0.0.0', port: 9094 },
      { host: 'kafka.example.org', port: 19094 },
    ],
  )
  assert.equal(outside?.security['ssl.client.auth'], 'none')
  assert.deepEqual(
    [...outside!.mechanisms],
    [
      ['PLAIN', { reauthMs: 1_000, users: new Map([['alice', 'secret']]) }],
      ['SCRAM-SHA-512', { reauthMs: 60_000, users: new Map() }],
    ],
  )
  assert.deepEqual(
    [inside?.name, inside?.protocol, inside?.address, inside?.advertised],
    ['INSIDE', 'PLAINTEXT', { host: '127.0.0.1', port: 9092 }, undefined],
  )
})

const refusals: [string, Record<string, unknown>, RegExp][] = [
  [
    'an address without a name',
    { listeners: '127.0.0.1:9092' },
    /listeners: expected NAME:\/\/HOST/,
  ],
  ['a name twice', { listeners: 'SSL://:1,SSL://:2' }, /listeners: SSL is there twice/],
  ['no protocol', { listeners: 'X://127.0.0.1:1' }, /listener\.security\.protocol\.map: has no X/],
  [
    'a protocol that there is not',
    { 'listener.security.protocol.map': 'X:TLS' },
    /expected NAME:PLAINTEXT\|SSL/,
  ],
  [
    'an advertised address of nobody',
    { 'advertised.listeners': 'PLAINTEXT://0.0.0.0:9092' },
    /advertised\.listeners: nobody can connect to 0\.0\.0\.0/,
  ],
  [
    'an advertised listener that there is not',
    { 'advertised.listeners': 'SSL://a:1' },
    /advertised\.listeners: there is no listener SSL/,
  ],
  [
    'a listener on any address that is not advertised',
    { listeners: 'PLAINTEXT://0.0.0.0:9092' },
    /advertised\.listeners: is needed/,
  ],
  [
    'SASL without a mechanism',
    { listeners: 'SASL_PLAINTEXT://127.0.0.1:1' },
    /sasl\.enabled\.mechanisms: is needed \(listener SASL_PLAINTEXT\)/,
  ],
  [
    'a mechanism that is not done',
    { listeners: 'SASL_SSL://127.0.0.1:1', 'sasl.enabled.mechanisms': 'GSSAPI' },
    /GSSAPI is not supported yet/,
  ],
  [
    'PLAIN without users',
    { listeners: 'SASL_SSL://127.0.0.1:1', 'sasl.enabled.mechanisms': 'PLAIN' },
    /listener\.name\.sasl_ssl\.plain\.sasl\.jaas\.config: is needed/,
  ],
  [
    'JAAS text that is wrong, without its secrets',
    {
      listeners: 'SASL_SSL://127.0.0.1:1',
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.sasl_ssl.plain.sasl.jaas.config': jaas.replace(';', ''),
    },
    /^(?!.*secret).*does not end with a semicolon/,
  ],
  [
    'the login module of another mechanism',
    {
      listeners: 'SASL_SSL://127.0.0.1:1',
      ...scram,
      'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config': jaas,
    },
    /expected .*ScramLoginModule, found .*PlainLoginModule/,
  ],
  [
    'JAAS text without its mechanism',
    {
      listeners: 'SASL_SSL://127.0.0.1:1',
      ...scram,
      'listener.name.sasl_ssl.sasl.jaas.config': jaas,
    },
    /as in listener\.name\.sasl_ssl\.plain\.sasl\.jaas\.config/,
  ],
  ['JAAS text for all', { 'sasl.jaas.config': jaas }, /write listener\.name\.LISTENER/],
  [
    'a setting of a listener that there is not',
    { 'listener.name.ssl.ssl.client.auth': 'none' },
    /there is no such listener; the names are plaintext/,
  ],
  [
    'a setting of a listener that is misspelt',
    { 'listener.name.plaintext.ssl.client.aut': 'none' },
    /did you mean ssl\.client\.auth\?/,
  ],
  [
    'Kerberos',
    { 'listener.name.plaintext.gssapi.sasl.jaas.config': 'x' },
    /gssapi.*not supported yet/,
  ],
  [
    'a rule that is none',
    { 'ssl.principal.mapping.rules': 'RULE:x' },
    /ssl\.principal\.mapping\.rules/,
  ],
  [
    "a name for brokers' own use that there is not",
    { 'inter.broker.listener.name': 'INSIDE' },
    /inter\.broker\.listener\.name: there is no listener INSIDE/,
  ],
  [
    'an authorizer that is not ours',
    { 'authorizer.class.name': 'org.example.Mine' },
    /authorizer\.class\.name/,
  ],
  [
    'an internal listener for others',
    { 'internal.listen': '0.0.0.0:1', internal: { username: 'a', password: 'b' } },
    /internal\.listen: must be a loopback address/,
  ],
]
for (const [what, settings, message] of refusals)
  test(`refused by name: ${what}`, () => {
    assert.throws(() => plans(settings), { code: 'SETTINGS_INVALID', message })
  })

for (const [what, settings] of [
  ['PLAINTEXT', { listeners: 'PLAINTEXT://:0' }],
  ['TLS alone', { listeners: 'SSL://:0' }],
  ['TLS that only asks', { listeners: 'SSL://:0', 'ssl.client.auth': 'requested' }],
] as const)
  test(`${what} is open to other machines only with allow_anonymous`, async (t) => {
    const options = { ...secureListeners, ...settings }
    for (const key of Object.keys(options))
      if (key.startsWith('listener.name.')) delete (options as Record<string, unknown>)[key]
    await assert.rejects(startBroker(t, options), { code: 'KAFKA_LISTEN_UNSAFE' })
    const { broker } = await startBroker(t, { ...options, allow_anonymous: true })
    assert.equal(Object.values(broker.addresses).length, 1)
  })

test('what asks everybody who he is may be open to other machines', async (t) => {
  const { broker } = await startBroker(t, {
    ...secureListeners,
    listeners: 'SSL://:0,SASL_PLAINTEXT://:0,SASL_SSL://:0',
    'ssl.client.auth': 'required',
  })
  assert.deepEqual(Object.keys(broker.addresses), ['SSL', 'SASL_PLAINTEXT', 'SASL_SSL'])
})
