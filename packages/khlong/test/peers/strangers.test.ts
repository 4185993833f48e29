import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import net from 'node:net'
import path from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'
import { AccessStore } from '@khlong/core/access'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { MongoClient } from 'mongodb'
import { peer } from '../../../../tools/peers.ts'
import { PipelineProcess } from '../../../../tools/pipeline-process.ts'
import { DeviceRegistry } from '../../src/devices/device-registry.ts'
import { askSnapshot } from '../../src/doctor/running-pipeline.ts'
import { platformAddress } from '../../src/status/discovery.ts'

// Whoever reaches the three ports that are open to a network and has no login, all at once.

const run = promisify(execFile)
const connections = 500
const mib = 1_048_576

/** Opens connections that begin so and never go on; all end with the test. */
function crowd(t: { after(end: () => void): void }, port: number, begin: readonly Buffer[]): void {
  const sockets = Array.from({ length: connections }, () => {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => {}).resume()
    for (const bytes of begin) socket.write(bytes)
    return socket
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
}

/** A packet of MQTT that says that it is that long. */
function half(first: number, length: number, bytes: number): Buffer {
  const head = [first]
  for (let left = length; ; left >>= 7) {
    head.push((left & 127) | (left > 127 ? 128 : 0))
    if (left <= 127) break
  }
  return Buffer.concat([Buffer.from(head), Buffer.alloc(bytes, 'x')])
}

test('a flood of strangers costs little memory, ends nothing, and devices go on', async (t) => {
  const folder = await temporaryFolder(t)
  const pipeline = await PipelineProcess.create({
    folder,
    set: ['sensors=false', 'mqtt.allow_anonymous=false'],
  })
  t.after(() => pipeline.kill())
  const data = path.join(pipeline.folder, 'data')
  const scrypt = { cost: 16, blockSize: 1, parallelization: 1 }
  const store = new AccessStore({ folder: path.join(data, 'access'), scrypt })
  await store.addFirstAdministrator({ name: 'ada', password: 'correct horse' })
  const { secret } = await new DeviceRegistry(data).add({ name: 'roof', place: '1' })
  await pipeline.start()
  const { mqtt, websocket, grafana, mongodb } = pipeline.ports
  const look = async () => {
    const snapshot = await askSnapshot((await platformAddress(path.join(data, 'discovery'))) ?? '')
    assert.ok(snapshot, pipeline.output)
    return snapshot
  }
  const frames = async (count: number): Promise<void> => {
    const values = { temperature: 21, humidity: 40, pressure: 1_013, luminosity: 300 }
    const frame = { id: 'roof', name: 'roof', place_id: '1', payload: values }
    const login = ['-u', 'roof', '-P', secret, '-i', 'roof', '-q', '1', '-t', 'iot-frames']
    const at = ['-h', '127.0.0.1', '-p', String(mqtt), ...login]
    await run(peer('mosquitto_pub'), [...at, '-m', JSON.stringify(frame)], { timeout: 60_000 })
    const client = await MongoClient.connect(`mongodb://127.0.0.1:${mongodb}`)
    try {
      const stored = client.db('iot').collection('iot_frames')
      await eventually(async () => assert.equal(await stored.countDocuments(), count), 60_000)
    } finally {
      await client.close()
    }
  }
  await frames(1)
  const before = (await look()).memory.anonymousBytes

  crowd(t, mqtt, [])
  // A giant CONNECT, and a giant topic of somebody who has not said CONNECT.
  crowd(t, mqtt, [half(0x10, 200_000_000, 90_000)])
  crowd(t, mqtt, [half(0x30, 268_435_455, 90_000)])
  const host = `Host: 127.0.0.1:${grafana}\r\n`
  const upgrade = `GET / HTTP/1.1\r\n${host}Upgrade: websocket\r\nConnection: Upgrade\r\n`
  const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
  const protocol = 'Sec-WebSocket-Protocol: mqtt\r\n\r\n'
  // The head of a WebSocket frame of 1 GB.
  const giant = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4])
  crowd(t, websocket, [Buffer.from(upgrade + key + protocol), giant, Buffer.alloc(90_000)])
  const post = (route: string): Buffer =>
    Buffer.from(
      `POST ${route} HTTP/1.1\r\n${host}Content-Type: application/json\r\nContent-Length: 3900000\r\n\r\n`,
    )
  crowd(t, grafana, [post('/login'), Buffer.alloc(400_000, 'x')])
  crowd(t, grafana, [post('/-/devices'), Buffer.alloc(400_000, 'x')])
  const guess = JSON.stringify({ user: 'ada', password: 'guess' })
  const length = `Content-Length: ${guess.length}\r\n`
  const login = `POST /login HTTP/1.1\r\n${host}Content-Type: application/json\r\n${length}\r\n${guess}`
  crowd(t, grafana, [Buffer.from(login)])

  await frames(2)
  await frames(3)
  const after = await look()
  const grownMib = Math.round((after.memory.anonymousBytes - before) / mib)
  t.diagnostic(`${7 * connections} connections: memory grew by ${grownMib} MiB`)
  assert.ok(grownMib < 200, `memory grew by ${grownMib} MiB`)
  for (const { name, status, restarts } of after.parts)
    assert.deepEqual([name, status, restarts], [name, 'ready', 0], pipeline.output)
  assert.equal(await pipeline.stop(), 0, pipeline.output)
})
