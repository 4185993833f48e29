import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { silentLogger } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'
import { Journal, type JournalRecord } from '../../src/alertmanager/journal.ts'

const record = (key: string, timestampMs: number): JournalRecord => ({
  notification: { key, firing: ['a'], resolved: [], timestampMs, expiresAtMs: timestampMs + 1 },
})

test('the journal is written anew when it grows, and holds the newest of each thing', async (t) => {
  const folder = await temporaryFolder(t)
  const state = new Map<string, JournalRecord>()
  const load = (entry: JournalRecord): void => {
    if ('notification' in entry) state.set(entry.notification.key, entry)
  }
  const options = {
    folder,
    snapshot: () => [...state.values()],
    compactBytes: 4_096,
    logger: silentLogger,
  }
  const journal = new Journal(options)
  await journal.open(load)
  for (let round = 0; round < 50; round++)
    await Promise.all(
      ['x', 'y', 'z'].map((key) => {
        load(record(key, round))
        return journal.append([record(key, round)])
      }),
    )
  assert.ok(journal.byteLength < 8_192)
  assert.equal((await stat(path.join(folder, 'alertmanager.journal'))).size, journal.byteLength)
  await journal.close()
  await assert.rejects(journal.append([record('x', 1)]), /closed/)
  state.clear()
  const again = new Journal(options)
  await again.open(load)
  assert.deepEqual(
    [...state.values()],
    ['x', 'y', 'z'].map((key) => record(key, 49)),
  )
  await again.close()
})
