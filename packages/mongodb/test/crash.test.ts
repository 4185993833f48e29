import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '@khlong/core/testing'
import { MongoClient } from 'mongodb'

const ROUNDS = 4
const serve = fileURLToPath(new URL('./serve.ts', import.meta.url))

async function startProcess(folder: string): Promise<{ child: ChildProcess; address: string }> {
  const child = spawn(process.execPath, [serve, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [address] = await once(createInterface(child.stdout!), 'line')
  return { child, address: String(address) }
}

test('every acknowledged document survives SIGKILL, and counts and indexes agree', async (t) => {
  const folder = await temporaryFolder(t)
  const acknowledged = new Set<string>()
  for (let round = 0; round <= ROUNDS; round++) {
    const { child, address } = await startProcess(folder)
    t.after(async () => {
      child.kill('SIGKILL')
    })
    const client = new MongoClient(`mongodb://${address}`, { serverSelectionTimeoutMS: 2_000 })
    const frames = client.db('iot').collection<{ _id: string; n: number; sensor: number }>('frames')
    const found = new Set(
      (await frames.find({}).project({ _id: 1 }).toArray()).map(({ _id }) => String(_id)),
    )
    for (const id of acknowledged)
      assert.ok(found.has(id), `${id} was acknowledged in a round before ${round}`)
    assert.equal(await frames.estimatedDocumentCount(), found.size)
    if (round === 0) await frames.createIndex({ sensor: 1, n: -1 })
    assert.equal((await client.db('iot').command({ validate: 'frames' })).valid, true)
    assert.equal(await frames.countDocuments({ sensor: { $gte: 0 } }), found.size)
    if (round < ROUNDS) {
      const killAt = 300 + round * 700
      let isDead = false
      const writer = async (name: number): Promise<void> => {
        for (let batch = 0; !isDead; batch++) {
          const ids = Array.from({ length: 20 }, (_, index) => `${round}:${name}:${batch}:${index}`)
          try {
            await frames.bulkWrite(
              ids.map((_id, n) => ({
                replaceOne: { filter: { _id }, replacement: { n, sensor: n % 3 }, upsert: true },
              })),
            )
          } catch {
            return
          }
          for (const id of ids) acknowledged.add(id)
          if (acknowledged.size >= killAt && !isDead) {
            isDead = true
            child.kill('SIGKILL')
          }
        }
      }
      await Promise.all([writer(1), writer(2), writer(3)])
    }
    if (round === ROUNDS) child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    await client.close()
  }
  assert.ok(acknowledged.size > 1_000)
})
