import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompressionTypes, Kafka, logLevel } from 'kafkajs'
import { startBroker } from '../helpers.ts'

const connect = (address: string): Kafka =>
  new Kafka({ brokers: [address], logLevel: logLevel.NOTHING, retry: { retries: 2 } })

test('kafkajs produces, consumes in a group, commits, and goes on after a restart', async (t) => {
  const { broker, address, data } = await startBroker(t)
  const kafka = connect(address)
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'frames', numPartitions: 3 }] })
  assert.deepEqual(await admin.listTopics(), ['frames'])
  const producer = kafka.producer({ idempotent: true })
  await producer.connect()
  for (let round = 0; round < 5; round++)
    await producer.send({
      topic: 'frames',
      compression: round === 2 ? CompressionTypes.GZIP : CompressionTypes.None,
      messages: Array.from({ length: 10 }, (_, index) => ({
        key: `${index}`,
        value: `${round}-${index}`,
        headers: { round: `${round}` },
      })),
    })
  const read = async (from: Kafka, count: number): Promise<string[]> => {
    const consumer = from.consumer({ groupId: 'readers' })
    await consumer.connect()
    await consumer.subscribe({ topic: 'frames', fromBeginning: true })
    const values: string[] = []
    await new Promise<void>((resolve, reject) => {
      consumer
        .run({
          eachMessage: async ({ message }) => {
            values.push(String(message.value))
            if (values.length === count) resolve()
          },
        })
        .catch(reject)
    })
    await consumer.disconnect()
    return values
  }
  const first = await read(kafka, 50)
  assert.equal(new Set(first).size, 50)
  await producer.disconnect()
  const offsets = await admin.fetchOffsets({ groupId: 'readers', topics: ['frames'] })
  const committed = offsets[0]?.partitions.map(({ offset }) => Number(offset)) ?? []
  assert.equal(
    committed.reduce((sum, offset) => sum + offset, 0),
    50,
  )
  await admin.disconnect()
  await broker.stop()
  const again = await startBroker(t, { data })
  const other = connect(again.address)
  const lateProducer = other.producer()
  await lateProducer.connect()
  await lateProducer.send({ topic: 'frames', messages: [{ value: 'late' }] })
  assert.deepEqual(await read(other, 1), ['late'])
  await lateProducer.disconnect()
})

test('kafkajs administers topics, settings, groups and ACLs', async (t) => {
  const { address } = await startBroker(t)
  const admin = connect(address).admin()
  await admin.connect()
  await admin.createTopics({
    topics: [
      { topic: 'one', numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '5000' }] },
    ],
  })
  await assert.rejects(
    admin.createTopics({ topics: [{ topic: 'two', replicationFactor: 3 }] }),
    /Topic creation errors/,
  )
  await admin.createPartitions({ topicPartitions: [{ topic: 'one', count: 4 }] })
  const { topics } = await admin.fetchTopicMetadata({ topics: ['one'] })
  assert.equal(topics[0]?.partitions.length, 4)
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      { type: 2, name: 'one', configEntries: [{ name: 'max.message.bytes', value: '1000' }] },
    ],
  })
  const described = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: 2, name: 'one', configNames: ['max.message.bytes', 'retention.ms'] }],
  })
  assert.deepEqual(
    described.resources[0]?.configEntries.map(({ configName, configValue }) => [
      configName,
      configValue,
    ]),
    [
      ['max.message.bytes', '1000'],
      ['retention.ms', '604800000'],
    ],
  )
  await admin.deleteTopics({ topics: ['one'] })
  assert.deepEqual(await admin.listTopics(), [])
  const cluster = await admin.describeCluster()
  assert.equal(cluster.brokers.length, 1)
  await admin.disconnect()
})

test('groups and transactions go on when somebody has deleted the topics that they are kept in', async (t) => {
  const { address } = await startBroker(t)
  const kafka = connect(address)
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'out' }] })
  const producer = kafka.producer({ transactionalId: 'tx', maxInFlightRequests: 1 })
  await producer.connect()
  const commit = async (offset: string): Promise<void> => {
    const transaction = await producer.transaction()
    await transaction.send({ topic: 'out', messages: [{ value: offset }] })
    const topics = [{ topic: 'out', partitions: [{ partition: 0, offset }] }]
    await transaction.sendOffsets({ consumerGroupId: 'group', topics })
    await transaction.commit()
  }
  const committed = async (): Promise<string | undefined> =>
    (await admin.fetchOffsets({ groupId: 'group', topics: ['out'] }))[0]?.partitions[0]?.offset
  await commit('1')
  assert.equal(await committed(), '1')
  await admin.deleteTopics({ topics: ['__consumer_offsets', '__transaction_state'] })
  assert.equal(await committed(), '-1')
  await commit('2')
  assert.equal(await committed(), '2')
  assert.equal((await admin.fetchTopicOffsets('out'))[0]?.high, '4')
  await producer.disconnect()
  await admin.disconnect()
})

test('kafkajs commits and aborts transactions, with offsets, and reads what is committed', async (t) => {
  const { address } = await startBroker(t)
  const kafka = connect(address)
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'in' }, { topic: 'out', numPartitions: 2 }] })
  const producer = kafka.producer({
    transactionalId: 'tx',
    maxInFlightRequests: 1,
    idempotent: true,
  })
  await producer.connect()
  for (let round = 0; round < 6; round++) {
    const transaction = await producer.transaction()
    for (const partition of [0, 1])
      await transaction.send({ topic: 'out', messages: [{ value: `${round}`, partition }] })
    const offsets = [{ topic: 'in', partitions: [{ partition: 0, offset: `${round}` }] }]
    await transaction.sendOffsets({ consumerGroupId: 'group', topics: offsets })
    if (round % 2 === 0) await transaction.commit()
    else await transaction.abort()
  }
  const committed = await admin.fetchOffsets({ groupId: 'group', topics: ['in'] })
  assert.equal(committed[0]?.partitions[0]?.offset, '4')
  const consumer = kafka.consumer({ groupId: 'readers', readUncommitted: false })
  await consumer.connect()
  await consumer.subscribe({ topic: 'out', fromBeginning: true })
  const values: string[] = []
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({ message }: { message: { value: Buffer | null } }) => {
      values.push(String(message.value))
      if (values.length === 6) resolve()
    }
    consumer.run({ eachMessage }).catch(reject)
  })
  assert.deepEqual(values.sort(), ['0', '0', '2', '2', '4', '4'])
  await consumer.disconnect()
  await producer.disconnect()
  await admin.disconnect()
})
