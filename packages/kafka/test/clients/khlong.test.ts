import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import { Admin, Consumer, Producer } from '@khlong/kafka-client'
import { startBroker } from '../helpers.ts'

test('kafka-client copies exactly once in transactions over a restart of the broker, and fences', async (t) => {
  const { broker, address, data } = await startBroker(t, { 'num.partitions': 3 })
  const base = { 'bootstrap.servers': address }
  const count = 60
  {
    await using plain = new Producer(base)
    for (let index = 0; index < count; index++)
      await plain.send({ topic: 'in', key: `${index}`, value: `${index}` })
  }
  const copy = async (target: number): Promise<void> => {
    await using producer = new Producer({ ...base, 'transactional.id': 'copy' })
    await producer.initTransactions()
    await using consumer = new Consumer({
      ...base,
      'group.id': 'copiers',
      'auto.offset.reset': 'earliest',
      'isolation.level': 'read_committed',
    })
    consumer.subscribe(['in'])
    for (let done = 0, attempts = 0; done < target; attempts++) {
      producer.beginTransaction()
      const chunks = await consumer.poll(500)
      const offsets = chunks.map(({ topic, partition, records }) => ({
        topic,
        partition,
        offset: records.at(-1)!.offset + 1,
      }))
      for (const { records } of chunks)
        for (const { key, value } of records) await producer.send({ topic: 'out', key, value })
      await producer.sendOffsets(offsets, consumer.groupMetadata())
      if (attempts % 3 === 1) {
        await producer.abortTransaction()
        for (const { topic, partition, records } of chunks)
          consumer.seek({ topic, partition }, records[0]!.offset)
      } else {
        await producer.commitTransaction()
        for (const { records } of chunks) done += records.length
      }
    }
  }
  await copy(count)
  await broker.stop()
  await startBroker(t, { data, listen: address })
  await using reader = new Consumer({ ...base, 'isolation.level': 'read_committed' })
  reader.assign(
    [0, 1, 2].map((partition) => ({ topic: 'out', partition, offset: 'earliest' as const })),
  )
  const values: number[] = []
  while (values.length < count)
    for (const { records } of await reader.poll(2_000))
      values.push(...records.map(({ value }) => Number(value)))
  assert.deepEqual(
    values.sort((a, b) => a - b),
    Array.from({ length: count }, (_, index) => index),
  )
  const old = new Producer({ ...base, 'transactional.id': 'copy' })
  await old.initTransactions()
  await using young = new Producer({ ...base, 'transactional.id': 'copy' })
  await young.initTransactions()
  old.beginTransaction()
  await assert.rejects(old.send({ topic: 'out', value: 'zombie' }), {
    code: /KAFKA_(PRODUCER_FENCED|INVALID_PRODUCER_EPOCH)/,
  })
  await old.close()
})

test('a static member that comes back reads what its group was never given', async (t) => {
  const { address } = await startBroker(t, { 'auto.create.topics.enable': false })
  const base = { 'bootstrap.servers': address }
  const member = (): Consumer => {
    const consumer = new Consumer({
      ...base,
      'group.id': 'static',
      'group.instance.id': 'one',
      'auto.offset.reset': 'earliest',
    })
    consumer.subscribe(['later'])
    return consumer
  }
  // The first is given nothing: there is no such topic yet. Its place outlives it.
  {
    await using first = member()
    await first.poll(10)
    await eventually(async () => {
      await first.poll(10)
      assert.equal(first.groupMetadata().memberId === '', false)
    })
  }
  await using admin = new Admin(base)
  await admin.createTopics([{ name: 'later', partitions: 2 }])
  await using producer = new Producer(base)
  await producer.send({ topic: 'later', value: 'there' })
  await using second = member()
  const values: string[] = []
  await eventually(async () => {
    for (const { records } of await second.poll(100))
      values.push(...records.map(({ value }) => String(value)))
    assert.deepEqual(values, ['there'])
  }, 10_000)
})
