import assert from 'node:assert/strict'
import test from 'node:test'
import { restoredCut, temporaryFolder } from '@khlong/core/testing'
import { startServer } from './helpers/server.ts'
import { WireClient } from './helpers/wire-client.ts'

test('a cut under load opens with every znode that was acknowledged before it', async (t) => {
  const { server, address } = await startServer(t)
  const client = await WireClient.connect(address)
  t.after(() => client.close())
  await client.create('/load', null)
  const acknowledged: string[] = []
  let isWriting = true
  const load = (async () => {
    for (let index = 0; isWriting; index++) {
      await client.create(`/load/${index}`, 'x')
      acknowledged.push(`${index}`)
    }
  })()
  while (acknowledged.length < 50) await new Promise(setImmediate)
  const before = [...acknowledged]
  const folder = await restoredCut(server, await temporaryFolder(t))
  isWriting = false
  await load
  const restored = await startServer(t, { data: folder })
  const reader = await WireClient.connect(restored.address)
  t.after(() => reader.close())
  const found = new Set(await reader.children('/load'))
  assert.deepEqual(
    before.filter((name) => !found.has(name)),
    [],
  )
})
