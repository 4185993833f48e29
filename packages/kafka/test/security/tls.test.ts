import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import tls from 'node:tls'
import { Kafka, logLevel } from 'kafkajs'
import { subjectOf } from '../../src/security/distinguished-name.ts'
import { parsePrincipalRules } from '../../src/security/principal-rules.ts'
import { startBroker } from '../helpers.ts'
import { secureListeners, tlsFile, tlsText } from './secure-broker.ts'

const ca = tlsText('ca.crt')

/** Whether a client with these TLS options gets an answer, and what is in the way. */
async function reach(address: string, options: tls.ConnectionOptions): Promise<unknown> {
  const kafka = new Kafka({
    brokers: [address],
    ssl: { ca, ...options },
    logLevel: logLevel.NOTHING,
    // On a busy machine a handshake takes its time.
    connectionTimeout: 30_000,
    retry: { retries: 0 },
  })
  const admin = kafka.admin()
  try {
    await admin.connect()
    return await admin.listTopics()
  } catch (error) {
    return error
  } finally {
    await admin.disconnect()
  }
}

const certificateOf = (name: string): tls.ConnectionOptions => ({
  cert: tlsText(`${name}.crt`),
  key: tlsText(`${name}.key`),
})

test('with ssl.client.auth=required only a certificate of the authority comes in', async (t) => {
  const { broker } = await startBroker(t, { ...secureListeners, 'ssl.client.auth': 'required' })
  const address = broker.addresses.SSL!
  assert.deepEqual(await reach(address, certificateOf('alice')), [])
  assert.ok((await reach(address, certificateOf('mallory'))) instanceof Error)
  assert.ok((await reach(address, {})) instanceof Error)
  // Who logs in by SASL needs no certificate (KIP-684).
  const socket = tls.connect({
    port: Number(broker.addresses.SASL_SSL!.split(':')[1]),
    host: 'localhost',
    ca,
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
  })
  socket.destroy()
  assert.match(broker.metrics(), /failed_authentication_total\{listener="SSL"\} [1-9]/)
})

test('with ssl.client.auth=requested a certificate may be missing, and must not be wrong', async (t) => {
  const { broker } = await startBroker(t, secureListeners)
  const address = broker.addresses.SSL!
  assert.deepEqual(await reach(address, {}), [])
  assert.deepEqual(await reach(address, certificateOf('alice')), [])
  assert.ok((await reach(address, certificateOf('mallory'))) instanceof Error)
})

test('the name in a certificate is a principal, which rules may shorten', async (t) => {
  for (const [rules, principal] of [
    ['DEFAULT', 'User:CN=alice,OU=sensors,O=Khlong'],
    ['RULE:^CN=([^,]+),.*$/$1/U,DEFAULT', 'User:ALICE'],
  ] as const) {
    const { broker } = await startBroker(t, {
      ...secureListeners,
      'ssl.client.auth': 'required',
      'ssl.principal.mapping.rules': rules,
      'super.users': principal,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'auto.create.topics.enable': false,
    })
    const make = async (): Promise<boolean> => {
      const kafka = new Kafka({
        brokers: [broker.addresses.SSL!],
        ssl: { ca, ...certificateOf('alice') },
        logLevel: logLevel.NOTHING,
      })
      const admin = kafka.admin()
      await admin.connect()
      try {
        return await admin.createTopics({ topics: [{ topic: 'made' }] })
      } finally {
        await admin.disconnect()
      }
    }
    assert.equal(await make(), true)
    await broker.stop()
  }
})

test('a certificate whose name no rule fits is refused', async (t) => {
  const { broker } = await startBroker(t, {
    ...secureListeners,
    'ssl.principal.mapping.rules': 'RULE:^CN=bob,.*$/bob/',
  })
  assert.ok((await reach(broker.addresses.SSL!, certificateOf('alice'))) instanceof Error)
})

test('a key store in PKCS12 is served', async (t) => {
  const { broker } = await startBroker(t, {
    listeners: 'SSL://127.0.0.1:0',
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.location': tlsFile('server.p12'),
    'ssl.keystore.password': 'canal-store',
  })
  assert.deepEqual(await reach(broker.addresses.SSL!, {}), [])
})

test('the name of a subject is what Java makes of it', () => {
  const file = new URL('../vectors/subjects.json', import.meta.url)
  const { subjects } = JSON.parse(readFileSync(file, 'utf8')) as {
    subjects: { certificate: string; name: string }[]
  }
  assert.equal(subjects.length, 5)
  for (const { certificate, name } of subjects)
    assert.equal(subjectOf(Buffer.from(certificate, 'base64')), name)
})

// The examples of KIP-371, and of Kafka's own documentation.
for (const [rules, name, expected] of [
  ['DEFAULT', 'CN=alice,O=x', 'CN=alice,O=x'],
  ['RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/', 'CN=serviceuser,OU=ServiceUsers,O=x', 'serviceuser'],
  [
    'RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L',
    'CN=adminUser,OU=Admin,O=x,L=y,ST=z,C=w',
    'adminuser@admin',
  ],
  ['RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U', 'OU=a,cn=bob.2,O=x', 'BOB.2'],
  ['RULE:^CN=bob$/x/, RULE:^CN=([a-z]+)$/$1$9/ , DEFAULT', 'CN=eve', 'eve$9'],
  ['RULE:^CN=(.)(.)$/$2$10/', 'CN=ab', 'ba0'],
  ['RULE:^CN=([^\\/]+)\\/.*$/$1\\$1/', 'CN=a/b', 'a$1'],
  ['RULE:^CN=bob$/bob/', 'CN=eve', undefined],
  ['RULE:CN/x/', 'CN=eve', undefined],
] as const)
  test(`${rules} makes ${expected ?? 'nothing'} of ${name}`, () => {
    assert.equal(parsePrincipalRules(rules)(name), expected)
  })

for (const rules of ['RULE:a/b', 'default', 'RULE:(/x/', 'RULE:a/b/X'])
  test(`'${rules}' is no rule`, () => {
    assert.throws(() => parsePrincipalRules(rules), { code: 'KAFKA_CONFIG_INVALID' })
  })
