import assert from 'node:assert/strict'
import test from 'node:test'
import { checkSettings, parseListen, SettingsError } from '@khlong/core'
import { z } from 'zod'

const schema = z.strictObject({
  listen: z.number().default(1883),
  'log.retention.ms': z.number().default(1),
  nested: z.strictObject({ inner: z.string().optional() }).optional(),
})

test('defaults are filled in', () => {
  assert.deepEqual(checkSettings(schema, {}), { listen: 1883, 'log.retention.ms': 1 })
})

test('an unknown key is refused with file, line, key and the nearest known key', () => {
  const source = { name: 'khlong.yml', line: () => 7 }
  assert.throws(
    () => checkSettings(schema, { 'log.retention.msec': 5 }, source),
    (error) =>
      error instanceof SettingsError &&
      error.message ===
        'khlong.yml:7: log.retention.msec: unknown setting; did you mean log.retention.ms?' &&
      error.fields.line === 7,
  )
})

test('an unknown key inside a section is compared with the keys of that section', () => {
  assert.throws(() => checkSettings(schema, { nested: { iner: 'x' } }), /did you mean inner\?/)
})

test('addresses to listen on are loopback unless a host is written', () => {
  assert.deepEqual(parseListen(1883), { host: '127.0.0.1', port: 1883 })
  assert.deepEqual(parseListen('[::1]:9092'), { host: '::1', port: 9092 })
  assert.throws(() => parseListen('kafka'), /expected PORT or HOST:PORT/)
})
