import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '@khlong/core/testing'

test('an answer is asked for until nothing is thrown', async () => {
  let asked = 0
  const answer = await eventually(() => {
    asked++
    assert.equal(asked, 3)
    return 'there'
  })
  assert.equal(answer, 'there')
})

test('after the deadline the last error says what was wrong', async () => {
  await assert.rejects(
    eventually(async () => assert.equal(await Promise.resolve('mud'), 'water'), 20),
    { code: 'ERR_ASSERTION', actual: 'mud' },
  )
})
