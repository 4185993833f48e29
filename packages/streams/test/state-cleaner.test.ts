import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@khlong/core'
import { FakeClock, temporaryFolder } from '@khlong/core/testing'
import { TaskLocks } from '../src/runtime/task-locks.ts'
import { StateFolder } from '../src/state/state-folder.ts'
import { StateCleaner } from '../src/threads/state-cleaner.ts'

const delayMs = 60_000
const keyCount = 25_000

async function fill(folder: StateFolder, taskId: string): Promise<void> {
  const backing = folder.backing(taskId, 'counts')
  for (let key = 0; key < keyCount; key++)
    backing.put(Buffer.from(String(key)), Buffer.from('v'), key)
  folder.backing(taskId, 'windows').put(Buffer.from('k'), Buffer.from('v'), 1)
  await folder.commit([
    { taskId, storeName: 'counts', offset: 42 },
    { taskId, storeName: 'windows', offset: 7 },
  ])
}

test('stores of tasks that went elsewhere and did not come back are deleted, and no others', async (t) => {
  const folder = await StateFolder.open(await temporaryFolder(t))
  const clock = new FakeClock()
  const locks = new TaskLocks()
  const mine = locks.locker()
  // 0_1 stays here, 0_10 was never taken by this run, 0_2 goes, and 0_3 goes and comes back in between.
  for (const taskId of ['0_1', '0_10', '0_2', '0_3']) await fill(folder, taskId)
  for (const taskId of ['0_1', '0_2', '0_3']) await mine.lock(taskId)
  const cleaner = new StateCleaner({ folder, locks, delayMs, clock, logger: silentLogger })
  await cleaner.look()
  clock.advance(delayMs)
  mine.unlock('0_2')
  mine.unlock('0_3')
  await cleaner.look()
  assert.deepEqual(folder.taskIds().sort(), ['0_1', '0_2', '0_3'])
  await mine.lock('0_3')
  mine.unlock('0_3')
  clock.advance(delayMs)
  const looking = cleaner.look()
  // Who wants it now waits until its stores are gone.
  let isTaken = false
  const taking = locks
    .locker()
    .lock('0_2')
    .then(() => {
      isTaken = true
      assert.equal(folder.checkpoint('0_2', 'counts'), undefined)
      assert.deepEqual([...folder.backing('0_2', 'counts').entries()], [])
    })
  assert.equal(isTaken, false)
  await Promise.all([looking, taking])
  assert.deepEqual(folder.taskIds().sort(), ['0_1', '0_3'])
  for (const taskId of ['0_1', '0_3'])
    assert.equal([...folder.backing(taskId, 'counts').entries()].length, keyCount)
  await folder.close()
})

test('it looks by itself until it is stopped, and ends what it began', async (t) => {
  const folder = await StateFolder.open(await temporaryFolder(t))
  const clock = new FakeClock()
  await fill(folder, '0_0')
  const options = { folder, locks: new TaskLocks(), delayMs, clock, logger: silentLogger }
  const cleaner = new StateCleaner(options)
  cleaner.start()
  clock.advance(delayMs)
  await new Promise(setImmediate)
  assert.deepEqual(folder.taskIds(), ['0_0'])
  clock.advance(delayMs)
  await cleaner.stop()
  assert.deepEqual(folder.taskIds(), [])
  await folder.close()
})
