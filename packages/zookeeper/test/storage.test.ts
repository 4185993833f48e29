import assert from 'node:assert/strict'
import { appendFile, readdir, readFile, rename, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { silentLogger } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'
import { openAcl } from '../src/state/acl.ts'
import { State } from '../src/state/state.ts'
import type { Transaction } from '../src/state/transaction.ts'
import { Storage } from '../src/storage/storage.ts'

const secret = Buffer.alloc(32, 7)

async function open(folder: string): Promise<{ storage: Storage; state: State }> {
  let state: State | undefined
  let storage: Storage | undefined
  storage = await Storage.open(
    { folder, forceSync: true, snapshotsKept: 3, logger: silentLogger },
    (snapshot) => {
      const restored = new State(
        {
          onTransaction: (transaction: Transaction) => storage?.append(transaction),
          extendedTypesEnabled: true,
          skipAcl: false,
        },
        snapshot,
      )
      state = restored
      return (transaction) => restored.replay(transaction, 0)
    },
  )
  if (!state) throw new Error('nothing was opened')
  return { storage, state }
}

function create(state: State, name: string): void {
  const op = {
    kind: 'create',
    type: 1,
    path: name,
    data: Buffer.from(name),
    acl: openAcl,
    flags: 0,
    ttlMs: -1,
  } as const
  assert.equal(state.write({ sessionId: 1n, ids: [] }, op, 0).code, 0)
}

const files = async (folder: string, kind: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.startsWith(kind)).sort()

/** A folder with a snapshot and a log of three frames; gives the log's path and where each frame ends. */
async function filled(folder: string): Promise<{ log: string; ends: number[] }> {
  const { storage, state } = await open(folder)
  await storage.snapshot(state, secret)
  const ends: number[] = []
  for (const names of [['/a', '/b'], ['/c'], ['/d', '/e']]) {
    for (const name of names) create(state, name)
    await storage.flush()
    const log = path.join(folder, (await files(folder, 'log'))[0]!)
    ends.push((await readFile(log)).byteLength)
  }
  await storage.close()
  return { log: path.join(folder, (await files(folder, 'log'))[0]!), ends }
}

test('a log cut at any byte opens with all whole flushes, and goes on from there', async (t) => {
  const folder = await temporaryFolder(t)
  const { log, ends } = await filled(folder)
  const whole = await readFile(log)
  for (let length = 0; length <= whole.byteLength; length += 3) {
    await writeFile(log, whole.subarray(0, length))
    const { storage, state } = await open(folder)
    const flushes = ends.filter((end) => end <= length).length
    assert.equal(state.lastZxid, [0, 2, 3, 5][flushes])
    create(state, '/next')
    await storage.flush()
    await storage.close()
    const again = await open(folder)
    assert.equal(again.state.tree.get('/next')?.data?.toString(), '/next')
    await again.storage.close()
    for (const name of await files(folder, 'log'))
      if (!log.endsWith(name)) await truncate(path.join(folder, name))
  }
})

test('damage before the last flush is an error with file and position; at the tail it is cut', async (t) => {
  const folder = await temporaryFolder(t)
  const { log, ends } = await filled(folder)
  const whole = await readFile(log)
  const damagedAt = async (position: number): Promise<void> => {
    const bytes = Buffer.from(whole)
    bytes[position]! ^= 0xff
    await writeFile(log, bytes)
  }
  for (const position of [14, ends[0]! - 1, ends[0]! + 2]) {
    await damagedAt(position)
    await assert.rejects(open(folder), { code: 'ZOOKEEPER_LOG_DAMAGED' })
  }
  await damagedAt(ends[2]! - 1)
  const { storage, state } = await open(folder)
  assert.equal(state.lastZxid, 3)
  await storage.close()
  await writeFile(log, whole)
  await appendFile(log, Buffer.alloc(100))
  const zeros = await open(folder)
  assert.equal(zeros.state.lastZxid, 5)
  await zeros.storage.close()
})

test('three snapshots and their logs are kept, and a damaged newest one is passed over', async (t) => {
  const folder = await temporaryFolder(t)
  const { storage, state } = await open(folder)
  await storage.snapshot(state, secret)
  for (let round = 0; round < 6; round++) {
    create(state, `/n${round}`)
    await storage.flush()
    await storage.snapshot(state, secret)
  }
  create(state, '/last')
  await storage.flush()
  await storage.close()
  const snapshots = await files(folder, 'snapshot')
  assert.deepEqual(
    snapshots,
    [4, 5, 6].map((zxid) => `snapshot.000000000000000${zxid}`),
  )
  assert.deepEqual(
    await files(folder, 'log'),
    [5, 6, 7].map((zxid) => `log.000000000000000${zxid}`),
  )
  await truncate(path.join(folder, snapshots[2]!), 60)
  const again = await open(folder)
  assert.equal(again.state.lastZxid, 7)
  assert.equal(again.state.tree.size, 4 + 7)
  await again.storage.close()
})

test('a file of a newer version is refused by name', async (t) => {
  const folder = await temporaryFolder(t)
  const { log } = await filled(folder)
  const bytes = await readFile(log)
  bytes.writeUInt32BE(2, 8)
  await writeFile(log, bytes)
  await assert.rejects(open(folder), { code: 'ZOOKEEPER_FORMAT_UNKNOWN', message: /version 2/ })
})

test('after a flush that failed nothing more is written, and the files open as they were before it', async (t) => {
  const folder = await temporaryFolder(t)
  await filled(folder)
  const { storage, state } = await open(folder)
  await storage.snapshot(state, secret)
  // The next flush begins a new log, whose folder is not there now.
  await rename(folder, `${folder}.away`)
  create(state, '/lost')
  await assert.rejects(storage.flush(), { code: 'ENOENT' })
  await rename(`${folder}.away`, folder)
  create(state, '/later')
  assert.equal(storage.hasPending, false)
  await storage.flush()
  await storage.close()
  const again = await open(folder)
  assert.equal(again.state.lastZxid, 5)
  await again.storage.close()
})
