import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { SeededRandom, temporaryFolder } from '@khlong/core/testing'
import { WireClient } from './helpers/wire-client.ts'

const script = fileURLToPath(new URL('./helpers/server-process.ts', import.meta.url))

async function startProcess(
  folder: string,
  snapCount: number,
): Promise<{ process: ChildProcess; address: string }> {
  const child = spawn(process.execPath, [script, folder, String(snapCount)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { process: child, address: line.toString().trim() }
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

test('every acknowledged change is there after SIGKILL under load, and zxids and sessions go on', async (t) => {
  const folder = await temporaryFolder(t)
  const seed = Date.now() % 100_000
  t.diagnostic(`seed ${seed}`)
  const random = new SeededRandom(seed)
  const acknowledged = new Map<string, string>()
  let zxidMax = 0
  let session: WireClient | undefined
  let running = await startProcess(folder, 150)
  t.after(() => {
    running.process.kill('SIGKILL')
  })
  for (let round = 0; round < 4; round++) {
    const clients = await Promise.all([0, 1, 2].map(() => WireClient.connect(running.address)))
    if (session) {
      const again = await WireClient.connect(running.address, { identity: session.identity })
      assert.equal(again.sessionId, session.sessionId, 'a session outlives its server')
      assert.equal((await again.stat('/mine'))?.ephemeralOwner, again.sessionId)
      session = again
    } else {
      session = await WireClient.connect(running.address, { timeoutMs: 10_000 })
      assert.equal((await session.create('/mine', '', 1)).code, 0)
    }
    const killAfter = 50 + Math.floor(random.next() * 150)
    let count = 0
    const work = clients.map(async (client, index) => {
      for (let step = 0; ; step++) {
        const path = `/r${round}-${index}-${step}`
        const { code, zxid } = await client.create(path, `v${step}`)
        assert.equal(code, 0)
        acknowledged.set(path, `v${step}`)
        zxidMax = Math.max(zxidMax, zxid)
        const { code: changed } = await client.setData(path, `w${step}`)
        assert.equal(changed, 0)
        acknowledged.set(path, `w${step}`)
        if (++count === killAfter) running.process.kill('SIGKILL')
      }
    })
    await Promise.allSettled(work)
    if (running.process.exitCode === null && running.process.signalCode === null)
      await kill(running.process)
    running = await startProcess(folder, 150)
    const reader = await WireClient.connect(running.address)
    for (const [path, value] of acknowledged) {
      const found = await reader.data(path)
      const isNext = found === value.replace('v', 'w')
      assert.ok(found === value || isNext, `${path} is ${found}, ${value} was acknowledged`)
    }
    const { zxid } = await reader.create(`/after-${round}`)
    assert.ok(zxid > zxidMax, 'zxids only grow')
    zxidMax = zxid
  }
})
