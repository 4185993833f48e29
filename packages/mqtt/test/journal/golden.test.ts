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

test('a journal of version 2 is read as it was written', async () => {
  const name = '00000001.journal'
  const file = new URL(`../vectors/journal-v2/${name}`, import.meta.url)
  const { state } = await Journaled.open(FakeFolder.of(name, await readFile(file)))
  assert.deepEqual(
    [...state.sessions.values()].map(({ clientId, identity }) => [clientId, identity]),
    [
      ['reader', { realm: '', username: 'alice' }],
      ['writer', { realm: 'listener 1883', username: undefined }],
      ['unknown', undefined],
    ],
  )
  const queue = [...state.sessions.get('reader')!.queue]
  assert.deepEqual(
    queue.map(({ message }) => [message.topic, `${message.payload}`, message.source?.realm]),
    [
      ['a/1', 'kept', 'listener 1883'],
      ['a/2', 'waits', undefined],
    ],
  )
  assert.equal(state.retained.get('a/1')?.source?.realm, 'listener 1883')
})

test('a journal of version 1 goes on in a new file, and both are read', async () => {
  const name = '00000001.journal'
  const file = new URL(`../vectors/journal-v1/${name}`, import.meta.url)
  const folder = FakeFolder.of(name, await readFile(file))
  const bytes = folder.files.get(name)!.bytes.length
  const bench = await Journaled.open(folder)
  const identity = { realm: '', username: 'alice' }
  const options = { isClean: false, expirySeconds: 60, sendQuota: 1, identity }
  bench.state.attach('reader', options, bench.nowMs)
  assert.ok(await bench.durable(bench.log.appended))
  await bench.log.close()
  assert.deepEqual([...folder.files.keys()], [name, '00000002.journal'])
  assert.equal(folder.files.get(name)?.bytes.length, bytes)
  const { state } = await Journaled.open(folder)
  assert.deepEqual(state.sessions.get('reader')?.identity, identity)
  assert.equal(state.sessions.get('writer')?.identity, undefined)
  assert.equal(state.sessions.get('reader')?.subscriptions.size, 2)
})
