import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '@khlong/core/testing'
import { WorkQueue } from './work-queue.ts'

for (const seed of [1, 2, 3, 4, 5])
  test(`work goes beside work of other keys only, and behind what came before, seed ${seed}`, async () => {
    const random = new SeededRandom(seed)
    const queue = new WorkQueue()
    const running = new Set<string>()
    let most = 0
    const order: string[] = []
    const work = (id: string, key: string) => async (): Promise<void> => {
      if (key === '') assert.equal(running.size, 0, 'something runs beside what goes alone')
      assert.ok(!running.has(key) && !running.has(''), `${key} runs already`)
      running.add(key)
      most = Math.max(most, running.size)
      for (let turns = random.next() * 4; turns > 0; turns--) await new Promise(setImmediate)
      running.delete(key)
      order.push(id)
      if (random.next() < 0.2) throw new Error(id)
    }
    const done: Promise<void>[] = []
    const byKey = new Map<string, string[]>()
    for (let index = 0; index < 200; index++) {
      const key = random.next() < 0.1 ? '' : 'abc'[Math.floor(random.next() * 3)]!
      const id = `${index}`
      byKey.set(key, [...(byKey.get(key) ?? []), id])
      const result = key === '' ? queue.run(work(id, key)) : queue.runBeside(key, work(id, key))
      done.push(result.catch((error: Error) => assert.equal(error.message, id)))
      if (random.next() < 0.1) await new Promise(setImmediate)
    }
    await queue.idle()
    assert.equal(order.length, 200)
    await Promise.all(done)
    assert.ok(most > 1, 'nothing went beside anything')
    for (const ids of byKey.values())
      assert.deepEqual(
        order.filter((id) => ids.includes(id)),
        ids,
      )
  })

test('a pause waits for what goes beside, and holds it back', async () => {
  const queue = new WorkQueue()
  const steps: string[] = []
  const first = queue.runBeside('a', async () => {
    await new Promise(setImmediate)
    steps.push('first')
  })
  const resume = await queue.pause()
  steps.push('paused')
  const second = queue.runBeside('b', async () => {
    steps.push('second')
  })
  await new Promise(setImmediate)
  resume()
  await Promise.all([first, second])
  assert.deepEqual(steps, ['first', 'paused', 'second'])
})
