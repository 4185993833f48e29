import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Producer } from '@khlong/kafka-client'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import type { ProduceRequest } from '@khlong/kafka-protocol/messages/produce'
import { decodeRecords, readBatchHeader } from '@khlong/kafka-protocol/records'
import { ScriptedBroker } from './scripted-broker.ts'
import { PartitionLog, quick, recordsOf } from './scripted-log.ts'

test('a batch that may have been written keeps its sequence when another partition gets a new id', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  broker.answers.set(ApiKey.metadata, () => {
    const metadata = broker.metadata()
    const [partition] = metadata.topics![0]!.partitions!
    return {
      ...metadata,
      topics: [{ name: 't', partitions: [partition!, { ...partition!, partitionIndex: 1 }] }],
    }
  })
  let nextId = 1n
  broker.answers.set(ApiKey.initProducerId, () => ({ producerId: nextId++, producerEpoch: 0 }))
  const logs = [new PartitionLog(), new PartitionLog()]
  const written = new Set<string>()
  let repeated = 0
  broker.answers.set(ApiKey.produce, (request: ProduceRequest) => {
    let isLost = false
    const partitionResponses = request.topicData[0]!.partitionData.map(({ index, records }) => {
      const { producerId, baseSequence } = readBatchHeader(records!)
      const [record] = decodeRecords(records!)
      const value = String(record!.value)
      if (value === 'bad') return { index, baseOffset: -1, errorCode: ErrorCode.invalidRecord }
      const key = `${index} ${producerId} ${baseSequence}`
      if (written.has(key)) {
        // It waits for its next attempt when the other one fails.
        const isFirst = repeated++ === 0
        return {
          index,
          baseOffset: -1,
          errorCode: isFirst ? ErrorCode.notLeaderOrFollower : 0,
        }
      }
      const result = logs[index]!.append(records!)
      if (result.errorCode === 0) written.add(key)
      if (value === 'unheard') isLost = true
      return { index, ...result }
    })
    if (isLost) return 'close'
    return { responses: [{ name: 't', partitionResponses }] }
  })
  await using producer = new Producer({
    'bootstrap.servers': broker.bootstrapServers,
    'linger.ms': 5,
    ...quick,
  })
  const send = (partition: number, value: string): Promise<unknown> =>
    producer.send({ topic: 't', partition, value })
  await Promise.all([send(0, 'first'), send(1, 'first')])
  // The answer to both is lost; then one is refused, while the other is on its way again.
  const bad = assert.rejects(send(0, 'bad'), { code: 'KAFKA_INVALID_RECORD' })
  await Promise.all([bad, send(1, 'unheard')])
  await Promise.all([send(0, 'last'), send(1, 'last')])
  assert.equal(repeated, 2)
  assert.deepEqual(
    logs.map(({ values }) => values),
    [
      ['first', 'last'],
      ['first', 'unheard', 'last'],
    ],
  )
})

test('without acknowledgement a full batch leaves though no answer wakes it', {
  timeout: 20_000,
}, async (t) => {
  const broker = await new ScriptedBroker().start(t)
  // The first batch is closed before there is a connection, and the next one fills meanwhile.
  let connectionCount = 0
  let connect = (): void => {}
  broker.answers.set(ApiKey.apiVersions, async () => {
    if (++connectionCount === 2) await new Promise<void>((resolve) => (connect = resolve))
    return { apiKeys: broker.ranges() }
  })
  const values: string[] = []
  broker.answers.set(ApiKey.produce, (request: ProduceRequest) => {
    for (const record of decodeRecords(recordsOf(request))) values.push(String(record.value))
    return undefined
  })
  await using producer = new Producer({
    'bootstrap.servers': broker.bootstrapServers,
    acks: 0,
    'linger.ms': 0,
    'batch.size': 100,
    ...quick,
  })
  const first = producer.send({ topic: 't', value: 'small' })
  while (connectionCount < 2) await new Promise((resolve) => setImmediate(resolve))
  const second = producer.send({ topic: 't', value: 'x'.repeat(500) })
  await new Promise((resolve) => setImmediate(resolve))
  connect()
  await Promise.all([first, second])
  while (values.length < 2) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(values, ['small', 'x'.repeat(500)])
})

test('a partition that was added is found when somebody writes to it', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  let partitionCount = 1
  let askedCount = 0
  broker.answers.set(ApiKey.metadata, () => {
    askedCount++
    const metadata = broker.metadata()
    const [partition] = metadata.topics![0]!.partitions!
    const partitions = Array.from({ length: partitionCount }, (_item, partitionIndex) => ({
      ...partition!,
      partitionIndex,
    }))
    return { ...metadata, topics: [{ name: 't', partitions }] }
  })
  broker.answers.set(ApiKey.produce, (request: ProduceRequest) => ({
    responses: [
      {
        name: 't',
        partitionResponses: request.topicData[0]!.partitionData.map(({ index }) => ({
          index,
          baseOffset: 0,
        })),
      },
    ],
  }))
  await using producer = new Producer({ 'bootstrap.servers': broker.bootstrapServers, ...quick })
  await producer.send({ topic: 't', value: 'x' })
  partitionCount = 3
  assert.equal((await producer.send({ topic: 't', partition: 2, value: 'x' })).partition, 2)
  const before = askedCount
  await assert.rejects(producer.send({ topic: 't', partition: 3, value: 'x' }), {
    code: 'KAFKA_CLIENT_UNKNOWN_PARTITION',
  })
  assert.equal(askedCount, before + 1)
})

test('nothing overtakes the first batch of a partition, of which a broker knows no sequence yet', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  const values: string[] = []
  let count = 0
  broker.answers.set(ApiKey.produce, (request: ProduceRequest) => {
    // As Kafka 4.3.1 just after a topic was made; what comes next would be taken whatever its sequence.
    const isEarly = count++ === 0
    if (!isEarly)
      for (const record of decodeRecords(recordsOf(request))) values.push(String(record.value))
    const errorCode = isEarly ? ErrorCode.unknownTopicOrPartition : 0
    return {
      responses: [{ name: 't', partitionResponses: [{ index: 0, errorCode, baseOffset: 0 }] }],
    }
  })
  await using producer = new Producer({
    'bootstrap.servers': broker.bootstrapServers,
    'batch.size': 1,
    'linger.ms': 0,
    ...quick,
  })
  await producer.prepare(['t'])
  const sent: Promise<unknown>[] = []
  for (const value of ['a', 'b', 'c']) {
    sent.push(producer.send({ topic: 't', value }))
    await new Promise(setImmediate)
  }
  await Promise.all(sent)
  assert.deepEqual(values, ['a', 'b', 'c'])
})
