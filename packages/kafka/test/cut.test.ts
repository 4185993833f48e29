import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock, restoredCut } from '@khlong/core/testing'
import { Consumer, Producer } from '@khlong/kafka-client'
import { KafkaBroker } from '../src/index.ts'
import { dataFolder, startBroker } from './helpers.ts'

/** All committed values of a topic with one partition. */
async function valuesOf(address: string, topic: string): Promise<string[]> {
  await using reader = new Consumer({
    'bootstrap.servers': address,
    'isolation.level': 'read_committed',
  })
  const place = { topic, partition: 0 }
  reader.assign([{ ...place, offset: 'earliest' as const }])
  const values: string[] = []
  do
    for (const { records } of await reader.poll(200))
      values.push(...records.map(({ value }) => String(value)))
  while (reader.lag(place) !== 0)
  return values
}

test('a cut under load holds everything that was acknowledged before it, and opens', async (t) => {
  // Small files, so that several are sealed before the cut and one is begun in the middle of it.
  const small = { 'num.partitions': 1, 'log.segment.bytes': 2_048 }
  const { broker, address } = await startBroker(t, small)
  await using producer = new Producer({ 'bootstrap.servers': address })
  let isSending = true
  const acknowledged: string[] = []
  const load = (async () => {
    for (let index = 0; isSending; index++) {
      await producer.send({ topic: 'frames', value: `${index}` })
      acknowledged.push(`${index}`)
    }
  })()
  while (acknowledged.length < 200) await new Promise(setImmediate)
  const before = [...acknowledged]
  const folder = await restoredCut(broker, dataFolder())
  isSending = false
  await load
  const restored = await startBroker(t, { data: folder })
  const values = await valuesOf(restored.address, 'frames')
  assert.deepEqual(values.slice(0, before.length), before)
})

test('aborted transactions stay hidden in what was restored, and offsets are known', async (t) => {
  const { broker, address } = await startBroker(t, { 'num.partitions': 1 })
  const base = { 'bootstrap.servers': address }
  await using producer = new Producer({ ...base, 'transactional.id': 'copy' })
  await producer.initTransactions()
  for (const [value, commits] of [
    ['first', true],
    ['never', false],
    ['second', true],
  ] as const) {
    producer.beginTransaction()
    await producer.send({ topic: 'out', value })
    await (commits ? producer.commitTransaction() : producer.abortTransaction())
  }
  const folder = await restoredCut(broker, dataFolder())
  const restored = await startBroker(t, { data: folder })
  assert.deepEqual(await valuesOf(restored.address, 'out'), ['first', 'second'])
})

test('while the broker holds nothing is acknowledged, and everything is when it is released', async (t) => {
  const { broker, address } = await startBroker(t, { 'num.partitions': 1 })
  await using producer = new Producer({ 'bootstrap.servers': address })
  await producer.send({ topic: 'frames', value: 'before' })
  await broker.hold(60_000)
  let isAcknowledged = false
  const sent = producer.send({ topic: 'frames', value: 'during' }).then(() => {
    isAcknowledged = true
  })
  const folder = await restoredCut(broker, dataFolder())
  assert.equal(isAcknowledged, false)
  await broker.release()
  await sent
  assert.deepEqual(await valuesOf(address, 'frames'), ['before', 'during'])
  const restored = await startBroker(t, { data: folder })
  assert.deepEqual(await valuesOf(restored.address, 'frames'), ['before'])
})

test('a hold that nobody releases ends at its deadline, and says so', async (t) => {
  const clock = new FakeClock(Date.now())
  const data = dataFolder()
  const broker = new KafkaBroker({ listen: 0, data, 'num.partitions': 1 }, { clock })
  t.after(() => broker.stop())
  await broker.start()
  await using producer = new Producer({ 'bootstrap.servers': broker.addresses.kafka! })
  await broker.hold(1_000)
  const sent = producer.send({ topic: 'frames', value: 'waits' })
  clock.advance(1_000)
  await sent
  await assert.rejects(broker.release(), { code: 'KAFKA_HOLD_ENDED' })
})
