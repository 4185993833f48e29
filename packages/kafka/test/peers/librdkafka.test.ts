import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { peer } from '../../../../tools/peers.ts'
import { startBroker } from '../helpers.ts'

test('librdkafka copies exactly once in transactions, and fences', async (t) => {
  const { address } = await startBroker(t)
  const script = fileURLToPath(new URL('./librdkafka-client.py', import.meta.url))
  const { stdout } = await promisify(execFile)(peer('python'), [script, address], {
    timeout: 60_000,
  })
  assert.equal(stdout.trim().split('\n').at(-1), 'all well')
})
