import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import test from 'node:test'
import { eventually, SeededRandom, temporaryFolder } from '@khlong/core/testing'
import { peer, reference } from '../../../../tools/peers.ts'
import { runScript } from '../helpers/script.ts'
import { startServer } from '../helpers/server.ts'

/** A real ZooKeeper on a fresh folder. */
async function startReference(t: { after(cleanUp: () => Promise<void>): void }): Promise<string> {
  const folder = await temporaryFolder(t)
  const port = await freePort()
  const configuration = path.join(folder, 'zoo.cfg')
  await writeFile(
    configuration,
    `dataDir=${folder}\nclientPort=${port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n`,
  )
  const classPath = execFileSync('bash', [reference('kafka.sh'), 'classpath', 'zookeeper'])
  const java = spawn(
    peer('java'),
    [
      '-Xmx256M',
      '-Dzookeeper.extendedTypesEnabled=true',
      '-cp',
      classPath.toString().trim(),
      'org.apache.zookeeper.server.ZooKeeperServerMain',
      configuration,
    ],
    { stdio: 'ignore' },
  )
  t.after(async () => {
    const gone = java.exitCode === null ? once(java, 'exit') : undefined
    java.kill('SIGKILL')
    await gone
  })
  await eventually(async () => {
    assert.ok(await isServing(port), 'the real ZooKeeper did not start')
  }, 30_000)
  return `127.0.0.1:${port}`
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Whether the server there answers; its port is open some time before. */
function isServing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = net.connect(port, '127.0.0.1')
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      answer += chunk
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(answer.includes('Mode: standalone')))
    // While it starts it may take a connection and never answer.
    socket.setTimeout(1_000, () => socket.destroy())
    socket.write('srvr')
  })
}

test('a real ZooKeeper gives the same answers, stats, zxids and events to scripts of operations', async (t) => {
  for (const seed of [3, 4, 5]) {
    const theirs = await runScript(await startReference(t), new SeededRandom(seed), 700)
    const { address } = await startServer(t)
    const ours = await runScript(address, new SeededRandom(seed), 700)
    for (const [index, line] of theirs.entries()) assert.equal(ours[index], line, `seed ${seed}`)
    assert.equal(ours.length, theirs.length)
  }
})
