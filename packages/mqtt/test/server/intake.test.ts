import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import { connectAsync } from 'mqtt'
import { portOf, rawClient, startBroker } from '../helpers.ts'

test('while publishers are held nothing is acknowledged or lost, and everything is taken after', async (t) => {
  const broker = await startBroker(t)
  const url = `mqtt://127.0.0.1:${portOf(broker)}`
  const subscriber = await connectAsync(url, { reconnectPeriod: 0 })
  const publisher = await connectAsync(url, { reconnectPeriod: 0 })
  t.after(() => Promise.all([subscriber.endAsync(true), publisher.endAsync(true)]))
  const got: string[] = []
  subscriber.on('message', (_topic, payload) => got.push(String(payload).slice(0, 8)))
  await subscriber.subscribeAsync('frames', { qos: 2 })
  await publisher.publishAsync('frames', 'before', { qos: 1 })
  await broker.holdPublishers('the data have reached disk.budget')
  // More than a connection keeps, so that the broker stops reading.
  const sent = Array.from({ length: 1_000 }, (_, index) => {
    const payload = `${index}`.padStart(8, '0').padEnd(2_000, '.')
    return publisher.publishAsync('frames', payload, { qos: (index % 3) as 0 | 1 | 2 })
  })
  let acknowledged = 0
  for (const [index, one] of sent.entries())
    if (index % 3 !== 0)
      one.then(
        () => acknowledged++,
        () => {},
      )
  await eventually(() => {
    const item = broker.vitals().items.find(({ kind }) => kind === 'listener')
    assert.equal(item?.state, 'paused')
    assert.equal(item?.note, 'the data have reached disk.budget; publishers wait')
    assert.equal(
      broker.describe().clients.some(({ isBlocked }) => isBlocked),
      true,
    )
  })
  assert.equal(acknowledged, 0)
  await broker.freePublishers()
  await Promise.all(sent)
  await eventually(() => assert.equal(got.length, 1_001))
  // Each level of service has an order of its own.
  for (const qos of [0, 1, 2]) {
    const indexes = Array.from({ length: 1_000 }, (_, index) => index)
    const ofLevel = (index: number): boolean => index % 3 === qos
    assert.deepEqual(got.slice(1).map(Number).filter(ofLevel), indexes.filter(ofLevel))
  }
})

test('a held publisher is answered pings, and may leave', async (t) => {
  const broker = await startBroker(t)
  await broker.holdPublishers('the disk is nearly full')
  const client = await rawClient(t, broker, 'c')
  client.publish('frames', 'x', { qos: 1, messageId: 1 })
  await client.settled()
  client.send({ cmd: 'disconnect' })
  assert.equal(await client.next(), undefined)
  await broker.freePublishers()
})
