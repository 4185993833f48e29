import assert from 'node:assert/strict'
import test from 'node:test'
import { measureBackup } from '../../../../tools/backup.ts'

test('a backup at 2,000 frames/s, restored elsewhere, has every frame that was acknowledged before', async () => {
  const { missing, unexplained, acknowledgedBefore, documents } = await measureBackup({
    framesPerSecond: 2_000,
    loadMs: 4_000,
    seed: 11,
  })
  assert.deepEqual(missing, [])
  assert.equal(unexplained, 0)
  assert.ok(acknowledgedBefore > 0)
  assert.ok(documents >= acknowledgedBefore)
})
