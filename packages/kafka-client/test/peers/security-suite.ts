import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Admin, Consumer, type KafkaClientOptions, Producer } from '@khlong/kafka-client'
import { type RealKafka, startRealKafka } from './real-kafka.ts'

const passwords = { plain: 'canal-1', scram: 'canal-2' }

// The certificates of the broker's tests: see their README.
const vector = (name: string): string =>
  fileURLToPath(new URL(`../../../kafka/test/vectors/tls/${name}`, import.meta.url))
const reauthMs = 1_500

/** Logins by every mechanism, TLS and certificates, on a real Kafka. */
export function runSecuritySuite(mode: 'kraft' | 'zookeeper'): void {
  let kafka: RealKafka
  let certificate: string

  before(async () => {
    const pem = execFileSync(
      'openssl',
      [
        ...[
          'req',
          '-x509',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-days',
          '2',
          '-subj',
          '/CN=localhost',
        ],
        ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', '-', '-out', '-'],
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    )
    const key = /-----BEGIN PRIVATE KEY-----[\s\S]*-----END PRIVATE KEY-----/.exec(pem)![0]
    certificate = /-----BEGIN CERTIFICATE-----[\s\S]*-----END CERTIFICATE-----/.exec(pem)![0]
    const oneLine = (text: string): string => text.replaceAll('\n', ' \\n')
    const login = 'org.apache.kafka.common.security'
    kafka = await startRealKafka(mode, (port) => {
      const open = `PLAINTEXT://127.0.0.1:${port},SASL_PLAINTEXT://127.0.0.1:${port + 2},SASL_SSL://127.0.0.1:${port + 3},SSL://127.0.0.1:${port + 4}`
      const controller = mode === 'kraft' ? `,CONTROLLER://127.0.0.1:${port + 1}` : ''
      return {
        listeners: `${open}${controller}`,
        'advertised.listeners': open,
        'listener.security.protocol.map':
          'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL',
        'listener.name.ssl.ssl.client.auth': 'required',
        'listener.name.ssl.ssl.truststore.type': 'PEM',
        'listener.name.ssl.ssl.truststore.location': vector('ca.crt'),
        'listener.name.sasl_plaintext.plain.connections.max.reauth.ms': String(reauthMs),
        'inter.broker.listener.name': 'PLAINTEXT',
        'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
        ...Object.fromEntries(
          ['sasl_plaintext', 'sasl_ssl'].flatMap((listener) => [
            [
              `listener.name.${listener}.plain.sasl.jaas.config`,
              `${login}.plain.PlainLoginModule required user_plain="${passwords.plain}";`,
            ],
            ...['scram-sha-256', 'scram-sha-512'].map((mechanism) => [
              `listener.name.${listener}.${mechanism}.sasl.jaas.config`,
              `${login}.scram.ScramLoginModule required;`,
            ]),
          ]),
        ),
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.key': oneLine(key),
        'ssl.keystore.certificate.chain': oneLine(certificate),
      }
    })
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'])
      await kafka.tool('kafka.admin.ConfigCommand', [
        ...['--bootstrap-server', kafka.bootstrapServers, '--alter'],
        ...['--entity-type', 'users', '--entity-name', 'scram'],
        ...['--add-config', `${mechanism}=[password=${passwords.scram}]`],
      ])
  })
  after(() => kafka?.stop())

  const optionsOf = (
    protocol: 'SASL_PLAINTEXT' | 'SASL_SSL',
    mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512',
  ): KafkaClientOptions => {
    const port = Number(kafka.bootstrapServers.split(':')[1]) + (protocol === 'SASL_SSL' ? 3 : 2)
    return {
      'bootstrap.servers': `127.0.0.1:${port}`,
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
    const port = Number(kafka.bootstrapServers.split(':')[1]) + 4
    const options = {
      'bootstrap.servers': `127.0.0.1:${port}`,
      'security.protocol': 'SSL',
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.certificates': certificate,
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
      'sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required username="plain" password="${passwords.plain}";`,
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
