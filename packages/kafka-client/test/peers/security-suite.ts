import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Admin, Consumer, type KafkaClientOptions, Producer } from '@khlong/kafka-client'
import { type SecuredKafka, startSecuredKafka } from './secured-kafka.ts'

// The certificates of the broker's tests: see their README.
const vector = (name: string): string =>
  fileURLToPath(new URL(`../../../kafka/test/vectors/tls/${name}`, import.meta.url))
const reauthMs = 1_500

/** Logins by every mechanism, TLS and certificates, on a real Kafka. */
export function runSecuritySuite(mode: 'kraft' | 'zookeeper'): void {
  let secured: SecuredKafka

  before(async () => {
    secured = await startSecuredKafka(mode, { reauthMs })
  })
  after(() => secured?.kafka.stop())

  const optionsOf = (
    protocol: 'SASL_PLAINTEXT' | 'SASL_SSL',
    mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512',
  ): KafkaClientOptions => {
    const { passwords, certificate } = secured
    return {
      'bootstrap.servers': secured.address(protocol),
      'security.protocol': protocol,
      'sasl.mechanism': mechanism,
      'sasl.username': mechanism === 'PLAIN' ? 'plain' : 'scram',
      'sasl.password': mechanism === 'PLAIN' ? passwords.plain : passwords.scram,
      ...(protocol === 'SASL_SSL' ? { tls: { ca: certificate } } : {}),
    }
  }

  for (const protocol of ['SASL_PLAINTEXT', 'SASL_SSL'] as const)
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)
      test(`records are written and read over ${protocol} with ${mechanism}`, async () => {
        const options = optionsOf(protocol, mechanism)
        const topic = `${protocol}-${mechanism}`
        await using producer = new Producer(options)
        await producer.send({ topic, partition: 0, value: topic })
        await using consumer = new Consumer(options)
        consumer.assign([{ topic, partition: 0, offset: 'earliest' }])
        const [found] = await consumer.poll(20_000)
        assert.equal(String(found?.records[0]?.value), topic)
      })

  for (const mechanism of ['PLAIN', 'SCRAM-SHA-512'] as const)
    test(`a wrong password is refused at once (${mechanism})`, async () => {
      await using admin = new Admin({
        ...optionsOf('SASL_PLAINTEXT', mechanism),
        'sasl.password': 'wrong',
      })
      await assert.rejects(admin.listTopics(), { code: 'KAFKA_CLIENT_AUTHENTICATION_FAILED' })
    })

  test('a client shows its certificate, from PKCS12 or PEM, and trusts by a store in a file', async () => {
    const options = {
      'bootstrap.servers': secured.address('SSL'),
      'security.protocol': 'SSL',
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.certificates': secured.certificate,
      'default.api.timeout.ms': 5_000,
    } as const
    await using byStore = new Admin({
      ...options,
      'ssl.keystore.type': 'PKCS12',
      'ssl.keystore.location': vector('alice.p12'),
      'ssl.keystore.password': 'canal-store',
    })
    assert.ok(Array.isArray(await byStore.listTopics()))
    await using byPem = new Admin({
      ...options,
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.key': readFileSync(vector('alice.key'), 'utf8'),
      'ssl.keystore.certificate.chain': readFileSync(vector('alice.crt'), 'utf8'),
    })
    assert.ok(Array.isArray(await byPem.listTopics()))
    await using nobody = new Admin({ ...options, 'default.api.timeout.ms': 1_000 })
    await assert.rejects(nobody.listTopics())
  })

  test('a login is renewed before its time is over, and nothing is lost', async () => {
    await using producer = new Producer(optionsOf('SASL_PLAINTEXT', 'PLAIN'))
    const untilMs = performance.now() + 3 * reauthMs
    let count = 0
    while (performance.now() < untilMs)
      await producer.send({ topic: 'renewed', partition: 0, value: `${count++}` })
    const options = {
      ...optionsOf('SASL_PLAINTEXT', 'PLAIN'),
      'sasl.username': undefined,
      'sasl.password': undefined,
      'sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required username="plain" password="${secured.passwords.plain}";`,
    }
    await using consumer = new Consumer(options)
    consumer.assign([{ topic: 'renewed', partition: 0, offset: 'earliest' }])
    let read = 0
    while (read < count) {
      const found = await consumer.poll(20_000)
      assert.ok(found.length > 0, `${read} of ${count}`)
      for (const { records } of found) read += records.length
    }
    assert.equal(read, count)
  })

  test('a certificate that nobody vouches for is not accepted', async () => {
    const { tls: _, ...untrusting } = optionsOf('SASL_SSL', 'PLAIN')
    await using admin = new Admin({ ...untrusting, 'default.api.timeout.ms': 2_000 })
    await assert.rejects(admin.listTopics(), (error: Error) => {
      const causes: string[] = []
      for (let at: unknown = error; at instanceof Error; at = at.cause) causes.push(at.message)
      assert.match(causes.join(': '), /self-signed certificate/)
      return true
    })
  })
}
