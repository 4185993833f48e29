import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  decodeAssignment,
  decodeWorkerState,
  encodeAssignment,
  encodeWorkerState,
} from '../../src/cluster/worker-protocol.ts'

// Made by Java's workers: tools/connect-vectors.
const vectors = JSON.parse(
  readFileSync(new URL('../vectors/worker-protocol.json', import.meta.url), 'utf8'),
) as Record<'assignment' | 'bareAssignment' | 'state' | 'firstState', string>

const leader = { id: 'worker-1-id', url: 'http://127.0.0.1:8083/' }
const running = [
  { connector: 'one' },
  { connector: 'one', task: 0 },
  { connector: 'one', task: 2 },
  { connector: 'two' },
  { connector: 'three', task: 1 },
]
const full = {
  isConfigMismatch: false,
  leaderId: leader.id,
  leaderUrl: leader.url,
  configOffset: 42,
  assigned: running,
  revoked: [{ connector: 'gone' }, { connector: 'gone', task: 0 }],
  delayMs: 300_000,
}
const bare = {
  isConfigMismatch: true,
  leaderId: leader.id,
  leaderUrl: leader.url,
  configOffset: 0,
  assigned: [],
  revoked: [],
  delayMs: 0,
}

test('an assignment has the bytes that Java writes', () => {
  assert.equal(encodeAssignment(full).toString('hex'), vectors.assignment)
  assert.deepEqual(decodeAssignment(Buffer.from(vectors.assignment, 'hex')), full)
  assert.equal(encodeAssignment(bare).toString('hex'), vectors.bareAssignment)
  assert.deepEqual(decodeAssignment(Buffer.from(vectors.bareAssignment, 'hex')), bare)
})

test('what Java’s worker says of itself is understood, and so is ours', () => {
  const state = { url: 'http://127.0.0.1:8084/', configOffset: 7, running }
  assert.deepEqual(decodeWorkerState(Buffer.from(vectors.state, 'hex')), state)
  assert.deepEqual(decodeWorkerState(encodeWorkerState(state, leader)), state)
  const first = { ...state, configOffset: -1, running: [] }
  const nobody = { id: '', url: '' }
  assert.equal(encodeWorkerState(first, nobody).toString('hex'), vectors.firstState)
  assert.deepEqual(decodeWorkerState(Buffer.from(vectors.firstState, 'hex')), first)
})

test('bytes that are cut are an error and not a hang', () => {
  const bytes = Buffer.from(vectors.state, 'hex')
  for (let length = 0; length < bytes.length; length++)
    assert.throws(() => decodeWorkerState(bytes.subarray(0, length)), { code: 'BYTES_MALFORMED' })
})
