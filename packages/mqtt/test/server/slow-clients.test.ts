import assert from 'node:assert/strict'
import { test } from 'node:test'
import { portOf, RawClient, rawClient, startBroker } from '../helpers.ts'

const payload = Buffer.alloc(10_000, 'x')
const messageCount = 2_000

test('QoS 0 to a client that does not read is dropped and counted, and others get it', async (t) => {
  const broker = await startBroker(t)
  const slow = await rawClient(t, broker, 'slow')
  await slow.subscribe('t', 0)
  slow.socket.pause()
  const quick = await rawClient(t, broker, 'quick')
  await quick.subscribe('t', 0)
  const publisher = await rawClient(t, broker, 'p')
  for (let sent = 0; sent < messageCount; sent++) {
    publisher.publish('t', payload)
    assert.equal((await quick.next())?.cmd, 'publish')
  }
  const dropped = Number(/^broker_publish_messages_dropped (\d+)$/m.exec(broker.metrics())?.[1])
  assert.ok(dropped > 0 && dropped < messageCount, `${dropped} dropped`)
})

test('QoS 1 to a persistent client that does not read waits for it, in order', async (t) => {
  const broker = await startBroker(t, { max_queued_bytes: 1_000_000 })
  const slow = await rawClient(t, broker, 'slow', { connect: { clean: false } })
  await slow.subscribe('t', 1)
  slow.socket.pause()
  const publisher = await rawClient(t, broker, 'p')
  let [sent, acked] = [0, 0]
  const send = (): void => {
    const text = Buffer.concat([Buffer.from(`${sent} `), payload])
    publisher.publish('t', text, { qos: 1, messageId: (sent++ % 60_000) + 1 })
  }
  for (let count = 0; count < 50; count++) send()
  const publishing = (async () => {
    while (acked < messageCount) {
      assert.equal((await publisher.next())?.cmd, 'puback')
      acked++
      if (sent < messageCount) send()
    }
  })()
  const waits = (): number => broker.describe().sessions[0]?.waitingPublishers ?? 0
  while (waits() === 0) await new Promise((resolve) => setImmediate(resolve))
  const { queuedBytes } = broker.describe().sessions[0]!
  assert.ok(queuedBytes < 1_100_000, `${queuedBytes} bytes wait`)
  assert.ok(acked < messageCount)
  slow.socket.resume()
  for (let expected = 0; expected < messageCount; expected++) {
    const message = await slow.next()
    assert.equal(parseInt(String(message?.payload), 10), expected)
    slow.send({ cmd: 'puback', messageId: message!.messageId })
  }
  await publishing
})

test('a thousand retained messages reach a new subscriber at once', async (t) => {
  const broker = await startBroker(t)
  const publisher = await rawClient(t, broker, 'p')
  for (let index = 0; index < 1_000; index++)
    publisher.publish(`r/${index}`, payload.subarray(0, 2_000), { retain: true })
  await publisher.settled()
  const client = new RawClient(portOf(broker))
  t.after(() => client.end())
  await client.connect('c')
  await client.subscribe('r/#', 0)
  const topics = new Set<unknown>()
  while (topics.size < 1_000) topics.add((await client.next())?.topic)
})
