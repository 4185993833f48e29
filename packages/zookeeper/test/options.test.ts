import assert from 'node:assert/strict'
import test from 'node:test'
import { resolveZooKeeperOptions } from '../src/index.ts'

test('settings have the names and defaults of zoo.cfg', () => {
  const options = resolveZooKeeperOptions({ tickTime: 1000, forceSync: 'no' })
  assert.deepEqual(options.listen, { host: '127.0.0.1', port: 2181 })
  assert.deepEqual([options.sessionTimeoutMsMin, options.sessionTimeoutMsMax], [2_000, 20_000])
  assert.equal(options.forceSync, false)
  assert.equal(options.frameBytesMax, 1_048_575)
  assert.deepEqual([...options.commands], ['srvr'])
})

test('what is unknown or not supported is refused by name', () => {
  const refused = (settings: object, message: RegExp): void => {
    const source = { name: 'khlong.yml', line: () => 7 }
    assert.throws(() => resolveZooKeeperOptions(settings, source), {
      code: 'SETTINGS_INVALID',
      message,
    })
  }
  refused({ 'server.1': 'a:1:2' }, /khlong\.yml:7: server\.1: not supported yet: .*stands alone/)
  refused({ clientPort: 2181 }, /clientPort: use listen/)
  refused({ 'ssl.keyStore.location': 'x' }, /not supported yet/)
  refused({ tickTimes: 1 }, /did you mean tickTime\?/)
  refused({ minSessionTimeout: 9, maxSessionTimeout: 8 }, /minSessionTimeout: 9 ms is above/)
})

test('listening beyond this machine must be asked for', () => {
  const listen = '0.0.0.0:2181'
  assert.throws(() => resolveZooKeeperOptions({ listen }), { code: 'ZOOKEEPER_LISTEN_OPEN' })
  assert.equal(resolveZooKeeperOptions({ listen, allow_anonymous: true }).listen.host, '0.0.0.0')
})
