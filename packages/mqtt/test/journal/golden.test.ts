import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { neverExpires } from '../../src/state/session.ts'
import { FakeFolder } from './fake-folder.ts'
import { Journaled } from './journaled.ts'

test('a journal of version 1 is read as it was written', async () => {
  const name = '00000001.journal'
  const file = new URL(`../vectors/journal-v1/${name}`, import.meta.url)
  const bench = await Journaled.open(FakeFolder.of(name, await readFile(file)))
  const { state } = bench
  const reader = state.sessions.get('reader')!
  const writer = state.sessions.get('writer')!
  assert.deepEqual([reader.expirySeconds, writer.expirySeconds], [neverExpires, 3_600])
  assert.deepEqual([...writer.receivedIds], [7])
  assert.deepEqual(
    [...reader.subscriptions.values()].map(({ written, share, qos }) => [written, share, qos]),
    [
      ['a/+', undefined, 2],
      ['$share/g/b', 'g', 1],
    ],
  )
  const entries = [...reader.inFlight.values(), ...reader.queue]
  const byId = entries.sort((a, b) => a.message.id - b.message.id)
  assert.deepEqual(
    byId.map(({ message, qos, state: at }) => [message.topic, `${message.payload}`, qos, at]),
    [
      ['a/1', 'in flight', 1, 'queued'],
      ['a/2', 'confirmed', 2, 'received'],
      ['b', 'shared', 1, 'queued'],
      ['a/3', 'waits', 1, 'queued'],
    ],
  )
  assert.deepEqual([...byId[0]!.message.properties], [38, 0, 1, 97, 0, 1, 98])
  assert.equal(byId[0]!.message.publisher, 'writer')
  assert.equal(byId[2]!.message.expiresAtMs, bench.nowMs + 1e12)
  assert.deepEqual(
    [...state.retained].map(({ topic }) => topic),
    ['a/3'],
  )
})
