import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admin, Consumer, type KafkaClientOptions, Producer } from '@khlong/kafka-client'
import { Admin as PlatformaticAdmin } from '@platformatic/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { startBroker } from '../helpers.ts'
import { openAs, secureListeners, setScramPassword, tlsFile, tlsText } from './secure-broker.ts'

const trust = {
  'ssl.truststore.type': 'PEM',
  'ssl.truststore.location': tlsFile('ca.crt'),
} as const

/** Writes a record and reads it, over connections of its own. */
async function copy(options: KafkaClientOptions, topic: string): Promise<string> {
  await using producer = new Producer(options)
  await producer.send({ topic, partition: 0, value: topic })
  await using consumer = new Consumer(options)
  consumer.assign([{ topic, partition: 0, offset: 'earliest' }])
  const [found] = await consumer.poll(20_000)
  return String(found?.records[0]?.value)
}

test('kafka-client writes and reads over every protocol and mechanism', async (t) => {
  const { broker } = await startBroker(t, secureListeners)
  const { SSL, SASL_PLAINTEXT, SASL_SSL } = broker.addresses
  const admin = await openAs(SASL_PLAINTEXT!, 'admin')
  for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)
    await setScramPassword(admin, 'alice', 'alice-scram', mechanism)
  admin.close()
  const jaas = (module: string, password: string): string =>
    `org.apache.kafka.common.security.${module} required username="alice" password="${password}";`
  const ways: Record<string, KafkaClientOptions> = {
    mutual: {
      'bootstrap.servers': SSL!,
      'security.protocol': 'SSL',
      'ssl.truststore.location': tlsFile('trust.p12'),
      'ssl.truststore.password': 'canal-store',
      'ssl.keystore.type': 'PKCS12',
      'ssl.keystore.location': tlsFile('alice.p12'),
      'ssl.keystore.password': 'canal-store',
    },
    'plain-by-jaas': {
      'bootstrap.servers': SASL_SSL!,
      'security.protocol': 'SASL_SSL',
      'sasl.jaas.config': jaas('plain.PlainLoginModule', 'alice-secret'),
      ...trust,
    },
    'plain-by-name': {
      'bootstrap.servers': SASL_PLAINTEXT!,
      'security.protocol': 'SASL_PLAINTEXT',
      'sasl.username': 'alice',
      'sasl.password': 'alice-secret',
    },
    ...Object.fromEntries(
      (['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const).map((mechanism) => [
        mechanism,
        {
          'bootstrap.servers': SASL_SSL!,
          'security.protocol': 'SASL_SSL',
          'sasl.mechanism': mechanism,
          'sasl.jaas.config': jaas('scram.ScramLoginModule', 'alice-scram'),
          ...trust,
        } as const,
      ]),
    ),
  }
  for (const [topic, options] of Object.entries(ways))
    assert.equal(await copy(options, topic), topic)
})

test('kafka-client renews its login while requests go on', async (t) => {
  const { broker } = await startBroker(t, {
    ...secureListeners,
    'listener.name.sasl_plaintext.plain.connections.max.reauth.ms': 400,
  })
  const options = {
    'bootstrap.servers': broker.addresses.SASL_PLAINTEXT!,
    'security.protocol': 'SASL_PLAINTEXT',
    'sasl.username': 'alice',
    'sasl.password': 'alice-secret',
  } as const
  await using producer = new Producer(options)
  const logins = (): number =>
    Number(
      /successful_authentication_total\{listener="SASL_PLAINTEXT"\} (\d+)/.exec(
        broker.metrics(),
      )?.[1],
    )
  await producer.send({ topic: 'renewed', partition: 0, value: 'first' })
  const before = logins()
  let count = 1
  while (logins() < before + 4)
    await Promise.all(
      Array.from({ length: 20 }, () =>
        producer.send({ topic: 'renewed', partition: 0, value: `${count++}` }),
      ),
    )
  await using consumer = new Consumer(options)
  consumer.assign([{ topic: 'renewed', partition: 0, offset: 'earliest' }])
  let read = 0
  while (read < count) for (const { records } of await consumer.poll(10_000)) read += records.length
  assert.equal(read, count)
})

for (const [what, change, code] of [
  ['a wrong password', { 'sasl.password': 'wrong' }, 'KAFKA_CLIENT_AUTHENTICATION_FAILED'],
  [
    'JAAS text beside a name',
    { 'sasl.jaas.config': 'x required;' },
    'KAFKA_CLIENT_AUTHENTICATION_FAILED',
  ],
  [
    'a store that is not there',
    { 'ssl.truststore.type': 'PEM', 'ssl.truststore.location': tlsFile('none') },
    'KAFKA_CLIENT_INVALID_ARGUMENT',
  ],
] as const)
  test(`kafka-client says that ${what} cannot be used`, async (t) => {
    const { broker } = await startBroker(t, secureListeners)
    await using admin = new Admin({
      'bootstrap.servers': broker.addresses.SASL_SSL!,
      'security.protocol': 'SASL_SSL',
      'sasl.username': 'alice',
      'sasl.password': 'alice-secret',
      ...trust,
      ...change,
    })
    await assert.rejects(admin.listTopics(), { code })
  })

test('a certificate for another name is refused unless names are not looked at', async (t) => {
  const certificate = tlsText('elsewhere.crt')
  const { broker } = await startBroker(t, {
    listeners: 'SSL://127.0.0.1:0',
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.key': tlsText('elsewhere.key'),
    'ssl.keystore.certificate.chain': certificate,
  })
  const options = {
    'bootstrap.servers': broker.addresses.SSL!,
    'security.protocol': 'SSL',
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.certificates': certificate,
  } as const
  await using strict = new Admin({ ...options, 'default.api.timeout.ms': 1_000 })
  await assert.rejects(strict.listTopics(), (error: Error) => {
    const causes: string[] = []
    for (let at: unknown = error; at instanceof Error; at = at.cause) causes.push(at.message)
    assert.match(causes.join(': '), /does not match certificate's altnames/)
    return true
  })
  await using lenient = new Admin({ ...options, 'ssl.endpoint.identification.algorithm': '' })
  assert.deepEqual(await lenient.listTopics(), [])
})

test('kafkajs and @platformatic/kafka log in by SCRAM over TLS', async (t) => {
  const { broker } = await startBroker(t, secureListeners)
  const { SASL_PLAINTEXT, SASL_SSL } = broker.addresses
  const wire = await openAs(SASL_PLAINTEXT!, 'admin')
  await setScramPassword(wire, 'carol', 'carol-secret', 'SCRAM-SHA-512')
  wire.close()
  const ca = tlsText('ca.crt')
  const kafka = new Kafka({
    brokers: [SASL_SSL!],
    ssl: { ca },
    sasl: { mechanism: 'scram-sha-512', username: 'carol', password: 'carol-secret' },
    logLevel: logLevel.NOTHING,
  })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'made' }] })
  await admin.disconnect()
  const other = new PlatformaticAdmin({
    clientId: 'test',
    bootstrapBrokers: [SASL_SSL!],
    tls: { ca },
    sasl: { mechanism: 'SCRAM-SHA-512', username: 'carol', password: 'carol-secret' },
  })
  assert.deepEqual(await other.listTopics(), ['made'])
  await other.close()
})
