import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restoredCut, temporaryFolder } from '@khlong/core/testing'
import { startServer } from './helpers.ts'

test('a cut under load holds every document that was acknowledged before it, and its indexes', async (t) => {
  const { server, db } = await startServer(t)
  const frames = db.collection<{ _id: number; place: string }>('frames')
  await frames.createIndex({ place: 1 })
  let isWriting = true
  let acknowledged = 0
  const load = (async () => {
    for (; isWriting; acknowledged++)
      await frames.insertOne({ _id: acknowledged, place: `${acknowledged % 3}` })
  })()
  while (acknowledged < 100) await new Promise(setImmediate)
  const before = acknowledged
  const folder = await restoredCut(server, await temporaryFolder(t))
  isWriting = false
  await load
  const restored = await startServer(t, { data: folder })
  const found = restored.db.collection<{ _id: number }>('frames')
  assert.equal(await found.countDocuments({ _id: { $lt: before } }), before)
  assert.deepEqual(
    (await found.indexes()).map(({ name }) => name),
    ['_id_', 'place_1'],
  )
})
