import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type RealKafka, startRealKafka } from '../../../kafka-client/test/peers/real-kafka.ts'
import { type Answers, answersOf, prepare, users } from '../security/acl-matrix.ts'
import { openAs } from '../security/secure-broker.ts'

const vectors = new URL('../vectors/acl-answers.json', import.meta.url)
const names = ['admin', ...Object.keys(users)]

let kafka: RealKafka
let address: string

before(async () => {
  kafka = await startRealKafka('zookeeper', (port) => {
    address = `127.0.0.1:${port + 2}`
    return {
      listeners: `PLAINTEXT://127.0.0.1:${port},SASL_PLAINTEXT://127.0.0.1:${port + 2}`,
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.sasl_plaintext.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${names.map((name) => `user_${name}="${name}-secret"`).join(' ')};`,
      'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
      'super.users': 'User:admin;User:ANONYMOUS',
      'auto.create.topics.enable': 'false',
      'offsets.topic.num.partitions': '1',
      'transaction.state.log.num.partitions': '1',
    }
  })
})
after(() => kafka?.stop())

test('Kafka 3.9 answers each API to users with one right as the vectors say', async () => {
  const admin = await openAs(address, 'admin')
  await prepare(admin)
  admin.close()
  const answers: Answers = await answersOf(address)
  if (process.env.KHLONG_WRITE_VECTORS)
    writeFileSync(fileURLToPath(vectors), `${JSON.stringify(answers, undefined, 1)}\n`)
  const { default: expected } = (await import(vectors.href, { with: { type: 'json' } })) as {
    default: Answers
  }
  assert.deepEqual(answers, expected)
})
