import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { SeededRandom } from '@khlong/core/testing'
import { portOf, publishPacket, RawClient, rawClient, startBroker } from '../helpers.ts'

/** Sends one packet of MQTT 5 and gives the reason of the DISCONNECT that answers it. */
async function reasonFor(
  t: TestContext,
  packet: Record<string, unknown> | Buffer,
): Promise<unknown> {
  const broker = await startBroker(t, { max_packet_size: 5_000 })
  const client = await rawClient(t, broker, 'c', { version: 5 })
  if (Buffer.isBuffer(packet)) client.socket.write(packet)
  else client.send(packet)
  const answer = await client.next()
  assert.equal(answer?.cmd, 'disconnect')
  assert.equal(await client.next(), undefined)
  return answer.reasonCode
}

test('a second CONNECT is a protocol error [MQTT-3.1.0-2]', async (t) => {
  const connect = { cmd: 'connect', clientId: 'c', protocolVersion: 5, clean: true, keepalive: 0 }
  assert.equal(await reasonFor(t, connect), 0x82)
})

test('a wildcard in a topic name is refused', async (t) => {
  const publish = { cmd: 'publish', topic: 'a/+', payload: '', qos: 0, dup: false, retain: false }
  assert.equal(await reasonFor(t, publish), 0x90)
})

test('a packet beyond max_packet_size is refused', async (t) => {
  assert.equal(await reasonFor(t, publishPacket({ payload: Buffer.alloc(6_000) }, 5)), 0x95)
})

test('a shared subscription with no local is a protocol error [MQTT-3.8.3-4]', async (t) => {
  const subscriptions = [{ topic: '$share/g/t', qos: 1, nl: true }]
  assert.equal(await reasonFor(t, { cmd: 'subscribe', messageId: 1, subscriptions }), 0x82)
})

test('reserved flags are malformed', async (t) => {
  assert.equal(await reasonFor(t, Buffer.from([0xc1, 0])), 0x81)
  assert.equal(await reasonFor(t, Buffer.from([0x80, 2, 0, 1])), 0x81)
})

test('a filter that is not well formed gets its code in SUBACK, the others theirs', async (t) => {
  const broker = await startBroker(t)
  const client = await rawClient(t, broker, 'c', { version: 5 })
  const subscriptions = ['a/#', 'a/#/b'].map((topic) => ({ topic, qos: 1 }))
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions })
  assert.deepEqual((await client.next())?.granted, [1, 0x8f])
})

test('an unknown version is answered before the end', async (t) => {
  const broker = await startBroker(t)
  for (const [level, answer] of [
    [6, [0x20, 3, 0, 0x84, 0]],
    [2, [0x20, 2, 0, 1]],
  ] as const) {
    const socket = net.connect(portOf(broker), '127.0.0.1')
    socket.write(Buffer.from([0x10, 13, 0, 4, 77, 81, 84, 84, level, 2, 0, 0, 0, 1, 65]))
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    assert.deepEqual([...bytes], answer)
    await once(socket, 'close')
  }
})

test('anything before CONNECT ends the connection', async (t) => {
  const broker = await startBroker(t)
  const client = new RawClient(portOf(broker))
  client.send({ cmd: 'pingreq' })
  assert.equal(await client.next(), undefined)
})

test('enhanced authentication is refused by name', async (t) => {
  const broker = await startBroker(t)
  const client = new RawClient(portOf(broker), 5)
  const properties = { authenticationMethod: 'SCRAM' }
  assert.equal((await client.connect('c', { properties })).reasonCode, 0x8c)
})

test('any bytes end a connection at most, and the broker goes on', async (t) => {
  const broker = await startBroker(t)
  const random = new SeededRandom(5)
  for (let round = 0; round < 150; round++) {
    const client = new RawClient(portOf(broker), round % 2 === 0 ? 4 : 5)
    if (round % 3 !== 0) await client.connect(`fuzz-${round}`)
    const bytes = random.bytes(1 + Math.floor(random.next() * 300))
    // A plausible first byte and length reach further than noise.
    if (round % 4 !== 0) {
      bytes[0] = 0x10 + 0x10 * Math.floor(random.next() * 15) + (random.next() < 0.5 ? 2 : 0)
      if (bytes.length > 1) bytes[1] = Math.max(0, bytes.length - 2) & 0x7f
    }
    client.socket.end(bytes)
    if (!client.isClosed) await once(client.socket, 'close')
  }
  const healthy = await rawClient(t, broker, 'healthy')
  await healthy.settled()
})
