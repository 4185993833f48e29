import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { FakeClock } from '@khlong/core/testing'
import { WebSocket } from 'ws'
import type { MqttBroker } from '../../src/index.ts'
import { portOf, rawClient, startBroker } from '../helpers.ts'

async function connected(t: TestContext, broker: MqttBroker): Promise<net.Socket> {
  const socket = net.connect(portOf(broker), '127.0.0.1')
  socket.on('error', () => {})
  t.after(() => {
    socket.destroy()
  })
  await once(socket, 'connect')
  return socket
}

const closed = (socket: net.Socket): Promise<unknown> =>
  socket.resume().closed ? Promise.resolve() : once(socket, 'close')

test('who does not begin with CONNECT is gone at once', async (t) => {
  const broker = await startBroker(t)
  const socket = await connected(t, broker)
  // The first half of a PUBLISH of two megabytes.
  socket.write(Buffer.from([0x30, 0x80, 0x80, 0x7a]))
  await closed(socket)
})

test('a CONNECT beyond 100,000 bytes is not waited for', async (t) => {
  const broker = await startBroker(t)
  const socket = await connected(t, broker)
  socket.write(Buffer.from([0x10, 0x80, 0x89, 0x7a, 0, 4]))
  await closed(socket)
})

test('half a CONNECT that goes on by a byte at a time ends after ten seconds', async (t) => {
  const clock = new FakeClock()
  const broker = await startBroker(t, {}, { clock })
  const socket = await connected(t, broker)
  let isOpen = true
  const end = closed(socket).then(() => {
    isOpen = false
  })
  for (let second = 0; second < 12 && isOpen; second++) {
    socket.write(Buffer.from([second === 0 ? 0x10 : 0x20]))
    await new Promise((resolve) => setTimeout(resolve, 5))
    clock.advance(1_000)
  }
  await end
})

test('hundreds of connections that say nothing leave room for those who do', async (t) => {
  const clock = new FakeClock()
  const broker = await startBroker(t, {}, { clock })
  const silent = await Promise.all(Array.from({ length: 300 }, () => connected(t, broker)))
  const client = await rawClient(t, broker, 'someone')
  await client.settled()
  const ends = silent.map(closed)
  clock.advance(12_000)
  await Promise.all(ends)
  await client.settled()
})

test('all halves of CONNECT together are held to 16 MiB', async (t) => {
  const broker = await startBroker(t)
  const half = Buffer.alloc(90_000)
  Buffer.from([0x10, 0x9f, 0x8d, 0x06, 0, 4, 77, 81, 84, 84, 4]).copy(half)
  const sockets = await Promise.all(Array.from({ length: 250 }, () => connected(t, broker)))
  let closedCount = 0
  const enough = Promise.withResolvers<void>()
  for (const socket of sockets)
    socket.resume().on('close', () => {
      if (++closedCount === 60) enough.resolve()
    })
  for (const socket of sockets) socket.write(half)
  await enough.promise
  const client = await rawClient(t, broker, 'someone')
  await client.settled()
})

test('a WebSocket of a client that has not logged in gathers no large message', async (t) => {
  const broker = await startBroker(t)
  const url = `ws://127.0.0.1:${portOf(broker, 'websocket')}`
  const webSocket = new WebSocket(url, 'mqtt')
  webSocket.on('error', () => {})
  await once(webSocket, 'open')
  const ended = once(webSocket, 'close')
  // Half of a message of two megabytes: fragments that never end.
  for (let part = 0; part < 10; part++) webSocket.send(Buffer.alloc(100_000), { fin: false })
  await ended
})

test('a giant topic ends its connection at most', async (t) => {
  const broker = await startBroker(t)
  const client = await rawClient(t, broker, 'c', { version: 5 })
  client.publish('a/'.repeat(30_000), 'x', { qos: 1, messageId: 1 })
  assert.equal((await client.next())?.reasonCode, 0x90)
  const other = await rawClient(t, broker, 'd', { version: 5 })
  const suback = await other.subscribe('+/'.repeat(30_000), 1)
  assert.deepEqual(suback.granted, [0x8f])
})

test('thousands of giant topics leave no more behind than they are worth', async (t) => {
  const broker = await startBroker(t, { persistence: false })
  const client = await rawClient(t, broker, 'c', { version: 5 })
  const topic = 'x'.repeat(60_000)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const memory = (): number => {
    // What nobody holds any more is not left behind.
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = memory()
  for (let round = 0; round < 20; round++) {
    for (let index = 0; index < 100; index++) client.publish(`${round}-${index}${topic}`, 'x')
    await client.settled()
  }
  // 2,000 topics of 60 KB would be 120 MB.
  const grownBytes = memory() - before
  assert.ok(grownBytes < 60e6, `${grownBytes} bytes more`)
})
