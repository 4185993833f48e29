import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { peer } from '../../../../tools/peers.ts'
import { freePort } from '../../../../tools/real-engines.ts'
import { publishLoad, SensorFleet } from '../../src/index.ts'

/** A real Mosquitto on a free port, with or without a password for user `sensor`. */
async function startMosquitto(t: TestContext, password?: string): Promise<number> {
  const folder = await temporaryFolder(t)
  const port = await freePort()
  const lines = [`listener ${port} 127.0.0.1`, `allow_anonymous ${password === undefined}`]
  if (password !== undefined) {
    const file = path.join(folder, 'passwords')
    await promisify(execFile)('mosquitto_passwd', ['-b', '-c', file, 'sensor', password])
    lines.push(`password_file ${file}`, 'user root')
  }
  const config = path.join(folder, 'mosquitto.conf')
  await writeFile(config, `${lines.join('\n')}\n`)
  const child = spawn(peer('mosquitto'), ['-c', config], { stdio: 'ignore' })
  t.after(async () => {
    child.kill('SIGKILL')
    if (child.signalCode === null && child.exitCode === null) await once(child, 'exit')
  })
  await eventually(async () => {
    const socket = net.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.destroy()
  })
  return port
}

test('a real Mosquitto gets the frames of the demo fleet', async (t) => {
  const port = await startMosquitto(t)
  const args = ['-h', '127.0.0.1', '-p', String(port), '-t', 'iot-frames', '-q', '1', '-C', '30']
  const lines = promisify(execFile)(peer('mosquitto_sub'), args, { timeout: 10_000 })
  const fleet = new SensorFleet({ url: `mqtt://127.0.0.1:${port}`, fleet: { rate: 20 } })
  t.after(() => fleet.stop({ deadlineMs: 100 }))
  await fleet.start()
  const frames = (await lines).stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual([...new Set(frames.map(({ id }) => id))].sort(), [
    '12434345',
    '21321434',
    '43245253',
  ])
  await fleet.stop()
  assert.equal(fleet.counts().acknowledged, fleet.counts().sent)
})

test('user and password of the url open a Mosquitto that wants them', async (t) => {
  const port = await startMosquitto(t, 'p@ss word')
  const url = `mqtt://sensor:${encodeURIComponent('p@ss word')}@127.0.0.1:${port}`
  const result = await publishLoad({ url, framesPerSecond: 200, durationMs: 200 })
  assert.ok(result.sent > 0)
  assert.equal(result.acknowledged, result.sent)
})
