import assert from 'node:assert/strict'
import test from 'node:test'
import { measureDelivery } from '../../../../tools/delivery.ts'

test('nothing acknowledged is lost when the whole process is killed under load', async (t) => {
  const seed = Number(process.env.KHLONG_SEED ?? Date.now() % 1_000_000)
  const result = await measureDelivery({
    kills: 10,
    seed,
    say: (text) => t.diagnostic(text),
  })
  t.diagnostic(JSON.stringify({ ...result, missing: result.missing.length }))
  assert.ok(result.acknowledged > 1_000, `only ${result.acknowledged} frames were acknowledged`)
  assert.deepEqual(result.missing, [], `seed ${seed}`)
  assert.equal(result.unexplainedDuplicates, 0, `seed ${seed}`)
  assert.equal(result.writtenTwice, 0, `seed ${seed}`)
})
