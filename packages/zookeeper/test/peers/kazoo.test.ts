import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { peer } from '../../../../tools/peers.ts'
import { startServer } from '../helpers/server.ts'

test('kazoo: znodes, watches, ephemerals, sequences, ACLs, transactions and its recipes', async (t) => {
  const { address } = await startServer(t, { '4lw.commands.whitelist': '*' })
  const script = fileURLToPath(new URL('./kazoo-client.py', import.meta.url))
  const { stdout } = await promisify(execFile)(peer('python'), [script, address], {
    timeout: 60_000,
  })
  assert.equal(stdout.trim().split('\n').at(-1), 'all well')
})
