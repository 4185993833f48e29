import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJaas } from '@khlong/kafka-protocol/security'
import fc from 'fast-check'

test('a JAAS entry is read over lines, with quoted and bare values', () => {
  const { loginModule, options } =
    parseJaas(`org.apache.kafka.common.security.plain.PlainLoginModule required
    username="admin"
    password="a \\"quoted\\" \\\\ one; = here"
    user_alice = bare-secret ;
  `)
  assert.equal(loginModule, 'org.apache.kafka.common.security.plain.PlainLoginModule')
  assert.deepEqual(
    [...options],
    [
      ['username', 'admin'],
      ['password', 'a "quoted" \\ one; = here'],
      ['user_alice', 'bare-secret'],
    ],
  )
})

for (const text of [
  '',
  'Module;',
  'Module sometimes a="b";',
  'Module required a="b"',
  'Module required a="b',
  'Module required a=;',
  'Module required; Module required;',
])
  test(`'${text}' is no JAAS entry`, () => {
    assert.throws(() => parseJaas(text), { code: 'KAFKA_PROTOCOL_JAAS_INVALID' })
  })

test('what is wrong is said without any value', () => {
  assert.throws(
    () => parseJaas('Module required password="hunter2" "hunter3";'),
    (error: Error) => !error.message.includes('hunter'),
  )
})

test('any value comes back', () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      const quoted = value.replaceAll(/[\\"]/g, '\\$&')
      assert.equal(parseJaas(`M required p="${quoted}";`).options.get('p'), value)
    }),
  )
})
