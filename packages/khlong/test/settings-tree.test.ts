import assert from 'node:assert/strict'
import test from 'node:test'
import { SettingsTree } from '../src/config/settings-tree.ts'

const yaml = `name: iot
kafka:
  listen: 9092
  log.retention.ms: 1000
streams:
  settings:
    window.size.ms: 300000
`

test('a later source is laid over an earlier one, key by key', () => {
  const tree = new SettingsTree()
  tree.layYaml('khlong.yml', yaml)
  tree.layYaml('khlong.demo.yml', 'kafka: { listen: 19092 }')
  assert.deepEqual(tree.value(['kafka']), { listen: 19092, 'log.retention.ms': 1000 })
})

test('--set names keys that have dots themselves', () => {
  const tree = new SettingsTree()
  tree.layYaml('khlong.yml', yaml)
  tree.assign('kafka.log.retention.ms=5')
  tree.assign('streams.settings.window.size.ms=30000')
  assert.equal(tree.value(['kafka', 'log.retention.ms']), 5)
  assert.equal(tree.value(['streams', 'settings', 'window.size.ms']), 30_000)
})

test('each setting knows the file and line where it was written', () => {
  const tree = new SettingsTree()
  tree.layYaml('khlong.yml', yaml)
  assert.equal(tree.where(['kafka', 'log.retention.ms']), 'khlong.yml:4')
  tree.layYaml('khlong.demo.yml', '\nkafka:\n  listen: 1')
  assert.equal(tree.where(['kafka', 'listen']), 'khlong.demo.yml:3')
  assert.equal(tree.where(['kafka', 'log.retention.ms']), 'khlong.yml:4')
})

test('text that is not YAML is refused with file and line', () => {
  assert.throws(
    () => new SettingsTree().layYaml('khlong.yml', 'a: 1\nb: [1'),
    /^SettingsError: khlong\.yml:\d+: /,
  )
})

test('--set without a value is refused with an example', () => {
  assert.throws(() => new SettingsTree().assign('kafka.listen'), { code: 'KHLONG_USAGE' })
})
