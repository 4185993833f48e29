import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import { plainValue } from '../src/config/plain-value.ts'
import { SettingsTree } from '../src/config/settings-tree.ts'

const yaml = `name: iot
kafka:
  listen: 9092
  log.retention.ms: 1000
streams:
  settings:
    window.size.ms: 300000
`

test('a later source is laid over an earlier one, key by key', async () => {
  const tree = new SettingsTree()
  await tree.layYaml('khlong.yml', yaml)
  await tree.layYaml('khlong.demo.yml', 'kafka: { listen: 19092 }')
  assert.deepEqual(tree.value(['kafka']), { listen: 19092, 'log.retention.ms': 1000 })
})

test('--set names keys that have dots themselves', async () => {
  const tree = new SettingsTree()
  await tree.layYaml('khlong.yml', yaml)
  await tree.assign('kafka.log.retention.ms=5')
  await tree.assign('streams.settings.window.size.ms=30000')
  assert.equal(tree.value(['kafka', 'log.retention.ms']), 5)
  assert.equal(tree.value(['streams', 'settings', 'window.size.ms']), 30_000)
})

test('each setting knows the file and line where it was written', async () => {
  const tree = new SettingsTree()
  await tree.layYaml('khlong.yml', yaml)
  assert.equal(tree.where(['kafka', 'log.retention.ms']), 'khlong.yml:4')
  await tree.layYaml('khlong.demo.yml', '\nkafka:\n  listen: 1')
  assert.equal(tree.where(['kafka', 'listen']), 'khlong.demo.yml:3')
  assert.equal(tree.where(['kafka', 'log.retention.ms']), 'khlong.yml:4')
})

test('text that is not YAML is refused with file and line', async () => {
  await assert.rejects(
    new SettingsTree().layYaml('khlong.yml', 'a: 1\nb: [1'),
    /^SettingsError: khlong\.yml:\d+: /,
  )
})

test('--set without a value is refused with an example', async () => {
  await assert.rejects(new SettingsTree().assign('kafka.listen'), { code: 'KHLONG_USAGE' })
})

test('--set reads its value as YAML', async () => {
  const tree = new SettingsTree()
  for (const [text, value] of [
    ['all', 'all'],
    ['127.0.0.1:9092', '127.0.0.1:9092'],
    ['007', 7],
    ['1.5', 1.5],
    ['', null],
    ['True', true],
    ['[a, b]', ['a', 'b']],
    ['{ a: 1 }', { a: 1 }],
  ] as const) {
    await tree.assign(`kafka.key=${text}`)
    assert.deepEqual(tree.value(['kafka', 'key']), value, text)
  }
})

test('a value that is read without YAML is what YAML would have read', () => {
  const piece = fc.constantFrom(
    ...[
      'a',
      'Z',
      '0',
      '7',
      '10',
      '127.0.0.1',
      '.',
      '..',
      '/',
      ':',
      '::',
      '-',
      '_',
      '+',
      ' ',
      '#',
      '%',
    ],
    ...[
      'e',
      'x',
      'o',
      'inf',
      'nan',
      'true',
      'null',
      'no',
      '~',
      '!',
      '&',
      '*',
      '?',
      '@',
      "'",
      '"',
      '9999999',
    ],
  )
  const text = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(text, (written) => {
      const value = plainValue(written)
      if (value !== undefined) assert.deepEqual(value, parse(written))
    }),
    { numRuns: 2_000 },
  )
})
