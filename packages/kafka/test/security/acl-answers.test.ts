import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { startBroker } from '../helpers.ts'
import { type Answers, answersOf, prepare, users } from './acl-matrix.ts'
import { questions } from './acl-questions.ts'
import { openAs } from './secure-broker.ts'

// What Kafka 3.9.1 answers; `peers/acl-answers.test.ts` asks it again, and writes the file with
// KHLONG_WRITE_VECTORS=1.
const file = new URL('../vectors/acl-answers.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Answers
// Since Kafka 4 there are two operations more that a group can have: to describe its configs, and to alter them.
const expected: Answers = {
  ...vectors,
  'describe groups': Object.fromEntries(
    Object.entries(vectors['describe groups']!).map(([answer, names]) => [
      answer.replaceAll('"authorizedOperations":328', '"authorizedOperations":3400'),
      names,
    ]),
  ),
}

test('each API answers users with one right each as Kafka 3.9 does', async (t) => {
  const names = ['admin', ...Object.keys(users)]
  const { broker } = await startBroker(t, {
    listeners: 'SASL_PLAINTEXT://127.0.0.1:0',
    'sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.sasl_plaintext.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${names.map((name) => `user_${name}="${name}-secret"`).join(' ')};`,
    'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
    'super.users': 'User:admin',
    'auto.create.topics.enable': false,
  })
  const address = broker.addresses.SASL_PLAINTEXT!
  const admin = await openAs(address, 'admin')
  await prepare(admin)
  admin.close()
  const answers = await answersOf(address)
  for (const name of Object.keys(questions))
    await t.test(name, () => assert.deepEqual(answers[name], expected[name]))
})
