import assert from 'node:assert/strict'
import test from 'node:test'
import { SeededRandom, temporaryFolder } from '@khlong/core/testing'
import { startZooKeeper } from '../../../../tools/real-engines.ts'
import { runScript } from '../helpers/script.ts'
import { startServer } from '../helpers/server.ts'

test('a real ZooKeeper gives the same answers, stats, zxids and events to scripts of operations', async (t) => {
  for (const seed of [3, 4, 5]) {
    const folder = await temporaryFolder(t)
    const reference = await startZooKeeper({ push: (end) => t.after(end) }, folder)
    const theirs = await runScript(reference, new SeededRandom(seed), 700)
    const { address } = await startServer(t)
    const ours = await runScript(address, new SeededRandom(seed), 700)
    for (const [index, line] of theirs.entries()) assert.equal(ours[index], line, `seed ${seed}`)
    assert.equal(ours.length, theirs.length)
  }
})
