import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import { Admin, Consumer, type KafkaClientOptions, Producer } from '@khlong/kafka-client'
import { type RealKafka, startRealKafka } from './real-kafka.ts'

const passwords = { plain: 'canal-1', scram: 'canal-2' }

let kafka: RealKafka
let certificate: string

before(async () => {
  const pem = execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', '-', '-out', '-'],
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const key = /-----BEGIN PRIVATE KEY-----[\s\S]*-----END PRIVATE KEY-----/.exec(pem)![0]
  certificate = /-----BEGIN CERTIFICATE-----[\s\S]*-----END CERTIFICATE-----/.exec(pem)![0]
  const oneLine = (text: string): string => text.replaceAll('\n', ' \\n')
  const login = 'org.apache.kafka.common.security'
  kafka = await startRealKafka('kraft', (port) => ({
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${port + 1},SASL_PLAINTEXT://127.0.0.1:${port + 2},SASL_SSL://127.0.0.1:${port + 3}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},SASL_PLAINTEXT://127.0.0.1:${port + 2},SASL_SSL://127.0.0.1:${port + 3}`,
    'listener.security.protocol.map':
      'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL',
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
  }))
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
