import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '@khlong/core/testing'

const root = fileURLToPath(new URL('../../../..', import.meta.url))
const ports = 'mqtt kafka zookeeper connect mongodb prometheus grafana'
  .split(' ')
  .flatMap((part) => ['--set', `${part}.listen=0`])

test('npm start stops cleanly when npm is asked to stop, and leaves nothing running', async (t) => {
  const data = path.join(await temporaryFolder(t), 'data')
  const npm = spawn('npm', ['start', '--', '--no-open', '--data', data, ...ports], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    // A group of its own, so that all of it can be ended.
    detached: true,
  })
  t.after(() => {
    try {
      process.kill(-npm.pid!, 'SIGKILL')
    } catch {
      // All of it has ended.
    }
  })
  let output = ''
  const ready = Promise.withResolvers<void>()
  npm.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    if (/^ready in /m.test(output)) ready.resolve()
  })
  const ended = once(npm, 'close')
  void ended.then(() => ready.reject(new Error(`it ended before it was ready:\n${output}`)))
  await ready.promise
  npm.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null], output)
  assert.match(output, /\nstopped\n/)
  assert.throws(() => process.kill(-npm.pid!, 0), { code: 'ESRCH' })
})
