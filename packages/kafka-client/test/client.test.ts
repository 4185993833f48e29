import assert from 'node:assert/strict'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { Admin, KafkaClient, Producer } from '@khlong/kafka-client'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import type { ApiVersionsRequest } from '@khlong/kafka-protocol/messages/api-versions'
import type { MetadataRequest } from '@khlong/kafka-protocol/messages/metadata'
import type { ProduceRequest } from '@khlong/kafka-protocol/messages/produce'
import { BatchBuilder, decodeRecords, readBatchHeader } from '@khlong/kafka-protocol/records'
import { nameOf, ScriptedBroker } from './scripted-broker.ts'
import { PartitionLog, quick, recordsOf } from './scripted-log.ts'

test('a broker that does not know our ApiVersions is asked again in version 0', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  const versions: number[] = []
  broker.answers.set(ApiKey.apiVersions, (_request: ApiVersionsRequest, version) => {
    versions.push(version)
    return version > 0
      ? { errorCode: ErrorCode.unsupportedVersion, apiKeys: broker.ranges() }
      : { apiKeys: [{ apiKey: ApiKey.metadata, minVersion: 0, maxVersion: 5 }] }
  })
  await using client = new KafkaClient({ 'bootstrap.servers': broker.bootstrapServers })
  await client.refreshMetadata(['t'])
  assert.deepEqual(versions, [3, 0])
  assert.equal(client.metadata.topic('t')?.partitions.length, 1)
  await assert.rejects(client.coordinator('group', 'g'), {
    code: 'KAFKA_CLIENT_UNSUPPORTED',
    message: /FindCoordinator is needed in version 1–5; the broker at .* does not have it/,
  })
})

test('host names are replaced in bootstrap and in advertised addresses', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  broker.advertisedHost = 'kafka'
  await using client = new KafkaClient({
    'bootstrap.servers': 'kafka:9092',
    hosts: { kafka: broker.bootstrapServers },
  })
  await client.refreshMetadata(['t'])
  const found = client.metadata.broker(1)!
  assert.deepEqual([found.host, found.port], ['127.0.0.1', broker.port])
  assert.ok((await client.connection(1)).isOpen)
})

test('requests of one turn leave in one piece and are answered in order', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  await using client = new KafkaClient({ 'bootstrap.servers': broker.bootstrapServers })
  await client.refreshMetadata(['t'])
  const connection = await client.connection(1)
  const before = broker.chunkCount
  const { metadataApi } = await import('../src/core-apis.ts')
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => connection.request(metadataApi, { topics: null })),
  )
  assert.equal(answers.length, 20)
  assert.equal(broker.chunkCount - before, 1)
})

test('who asks for metadata while it is being fetched shares the next request, and waits for it', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  const asked: string[][] = []
  broker.answers.set(ApiKey.metadata, (request: MetadataRequest) => {
    const names = (request.topics ?? []).map((topic) => topic.name!)
    asked.push(names)
    const { topics, ...rest } = broker.metadata()
    return { ...rest, topics: names.map((name) => ({ ...topics[0]!, name })) }
  })
  await using client = new KafkaClient({
    'bootstrap.servers': broker.bootstrapServers,
    'retry.backoff.ms': 60_000,
  })
  const first = client.topic('a')
  await new Promise((resolve) => setImmediate(resolve))
  const topics = await Promise.all([first, ...['b', 'c', 'd'].map((name) => client.topic(name))])
  assert.deepEqual(
    topics.map((topic) => topic.name),
    ['a', 'b', 'c', 'd'],
  )
  assert.deepEqual(asked, [['a'], ['b', 'c', 'd']])
})

test('records that are sent before their topic is known leave in order, and a flush waits for them', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  const log = new PartitionLog()
  broker.answers.set(ApiKey.produce, (request: ProduceRequest) =>
    answerOf(log.append(recordsOf(request))),
  )
  await using producer = new Producer({ 'bootstrap.servers': broker.bootstrapServers })
  const values = Array.from({ length: 5 }, (_, index) => `early ${index}`)
  let acknowledged = 0
  for (const value of values) producer.enqueue({ topic: 't', value }, () => acknowledged++)
  await producer.flush()
  assert.equal(acknowledged, 5)
  assert.deepEqual(log.values, values)
  assert.equal(producer.bufferedBytes, 0)
})

test('a broker that is silent fails the request after its time, with a retriable error', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  broker.answers.set(ApiKey.metadata, () => undefined)
  await using client = new KafkaClient({
    'bootstrap.servers': broker.bootstrapServers,
    'request.timeout.ms': 50,
  })
  await assert.rejects(client.refreshMetadata(['t']), {
    code: 'KAFKA_CLIENT_TIMEOUT',
    retriable: true,
  })
})

test('a broker that speaks TLS to one who does not is said to', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    // A fatal alert, as OpenSSL answers what is no TLS: protocol_version.
    socket.once('data', () => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, 70])))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  await using client = new KafkaClient({ 'bootstrap.servers': `127.0.0.1:${port}` })
  await assert.rejects(client.refreshMetadata(['t']), {
    code: 'KAFKA_CLIENT_MALFORMED_RESPONSE',
    message: /speaks TLS here: security\.protocol has to be SSL or SASL_SSL/,
  })
})

test('a client that is closed fails what waits', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  broker.answers.set(ApiKey.metadata, () => undefined)
  const client = new KafkaClient({ 'bootstrap.servers': broker.bootstrapServers })
  const waiting = assert.rejects(client.topic('t'), { code: 'KAFKA_CLIENT_CLOSED' })
  while (!broker.requests.includes(ApiKey.metadata))
    await new Promise((resolve) => setImmediate(resolve))
  await client.close()
  await waiting
})

test('an unknown setting is refused with the nearest one', () => {
  assert.throws(() => new Producer({ 'bootstrap.servers': 'a:1', 'linger.m': 5 } as never), {
    code: 'SETTINGS_INVALID',
    message: /linger\.m.*did you mean linger\.ms/,
  })
  const producer = new Producer({ 'bootstrap.servers': 'a:1, b:2', 'linger.ms': '7', acks: '1' })
  assert.equal(producer.options['linger.ms'], 7)
  assert.deepEqual(producer.options['bootstrap.servers'], ['a:1', 'b:2'])
})

const answerOf = (result: { errorCode: number; baseOffset: number }): object => ({
  responses: [{ name: 't', partitionResponses: [{ index: 0, ...result }] }],
})

/** Small batches are copied into their requests, large ones lie in memory that is used again. */
const valueOfAnySize = (index: number): string =>
  `value ${index} `.padEnd([10, 5_000, 20_000, 70_000][index % 4]!, String(index % 10))

/** Each record in a batch of its own, several under way. */
async function sendOneByOne(
  producer: Producer,
  values: readonly string[],
): Promise<{ offset: number }[]> {
  // The first one brings the metadata.
  const [first = '', ...rest] = values
  const written = [await producer.send({ topic: 't', value: first })]
  const sent: Promise<{ offset: number }>[] = []
  for (const value of rest) {
    sent.push(producer.send({ topic: 't', value }))
    await new Promise(setImmediate)
  }
  return [...written, ...(await Promise.all(sent))]
}

test('batches that overtake a failed one are refused by the broker and written in order after it', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  const log = new PartitionLog()
  let count = 0
  broker.answers.set(ApiKey.produce, (request: ProduceRequest) => {
    count++
    if (count === 2 || count === 4)
      return answerOf({ errorCode: ErrorCode.notLeaderOrFollower, baseOffset: -1 })
    return answerOf(log.append(recordsOf(request)))
  })
  await using producer = new Producer({
    'bootstrap.servers': broker.bootstrapServers,
    'batch.size': 1,
    'linger.ms': 0,
    ...quick,
  })
  const values = Array.from({ length: 60 }, (_, index) => valueOfAnySize(index))
  const written = await sendOneByOne(producer, values)
  assert.deepEqual(log.values, values)
  assert.deepEqual(
    written.map((one) => one.offset),
    values.map((_, index) => index),
  )
  assert.equal(producer.bufferedBytes, 0)
  assert.ok(count >= 3, `${count} requests: the second one fails`)
})

test('over lost connections an idempotent producer writes each record once, in order', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  const log = new PartitionLog()
  let count = 0
  let last: { sequence: number; result: { errorCode: number; baseOffset: number } } | undefined
  broker.answers.set(ApiKey.produce, (request: ProduceRequest) => {
    const records = recordsOf(request)
    const sequence = readBatchHeader(records).baseSequence
    if (last?.sequence === sequence) return answerOf(last.result)
    const result = log.append(records)
    if (result.errorCode === 0) last = { sequence, result }
    // Written, but the answer is lost.
    return ++count % 4 === 0 ? 'close' : answerOf(result)
  })
  await using producer = new Producer({
    'bootstrap.servers': broker.bootstrapServers,
    'batch.size': 1,
    'max.in.flight.requests.per.connection': 1,
    'linger.ms': 0,
    ...quick,
  })
  const values = Array.from({ length: 40 }, (_, index) => valueOfAnySize(index))
  const written = await sendOneByOne(producer, values)
  assert.deepEqual(log.values, values)
  assert.deepEqual(
    written.map((one) => one.offset),
    values.map((_, index) => index),
  )
  assert.ok(count >= 4, `${count} requests: each fourth answer is lost`)
})

test('a full batch that cannot leave goes on filling, up to what the topic takes', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  const log = new PartitionLog()
  const sizes: number[] = []
  broker.answers.set(ApiKey.produce, (request: ProduceRequest) => {
    const { byteLength } = recordsOf(request)
    sizes.push(byteLength)
    return byteLength > 50_000
      ? answerOf({ errorCode: ErrorCode.messageTooLarge, baseOffset: -1 })
      : answerOf(log.append(recordsOf(request)))
  })
  await using producer = new Producer({
    'bootstrap.servers': broker.bootstrapServers,
    'batch.size': 1_000,
    'max.in.flight.requests.per.connection': 1,
  })
  const values = Array.from({ length: 2_000 }, (_, index) => `value ${index} ${'x'.repeat(100)}`)
  const send = () =>
    producer.sendBatch(
      't',
      values.map((value) => ({ value })),
    )
  await send()
  assert.deepEqual(log.values, values)
  const first = sizes.length
  assert.ok(first < 40, `${first} requests for 2,000 records`)
  // What the broker refused once is not tried again.
  await send()
  assert.deepEqual(log.values.slice(2_000), values)
  assert.ok(Math.max(...sizes.slice(first)) <= 50_000)
})

test('a record leaves soon, however many full batches of others are under way', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  const { topics, ...rest } = broker.metadata()
  broker.answers.set(ApiKey.metadata, () => ({
    ...rest,
    topics: ['flood', 'quiet'].map((name) => ({ ...topics[0]!, name })),
  }))
  const requests: string[][] = []
  broker.answers.set(ApiKey.produce, async ({ topicData }: ProduceRequest) => {
    requests.push(topicData.map(({ name }) => name))
    for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate)
    return {
      responses: topicData.map(({ name, partitionData }) => ({
        name,
        partitionResponses: partitionData.map(({ index }) => ({ index, baseOffset: 0 })),
      })),
    }
  })
  await using producer = new Producer({
    'bootstrap.servers': broker.bootstrapServers,
    'batch.size': 100,
    'linger.ms': 0,
  })
  await producer.send({ topic: 'flood', value: 'first' })
  await producer.send({ topic: 'quiet', value: 'first' })
  // Each record fills a batch, and they come quicker than they are answered.
  const flood = async (): Promise<void> => {
    while (requests.length < 400) {
      producer.enqueue({ topic: 'flood', value: Buffer.alloc(200) })
      await new Promise(setImmediate)
    }
  }
  const flooded = flood()
  while (requests.length < 20) await new Promise(setImmediate)
  const before = requests.length
  await producer.send({ topic: 'quiet', value: 'second' })
  const sent = requests.findIndex((names, index) => index >= before && names.includes('quiet'))
  await flooded
  assert.ok(sent - before < 100, `${sent - before} requests of others went before it`)
})

test('a broker that has lost its trace of the producer gets the batches under a new id', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  const log = new PartitionLog()
  let nextId = 1n
  broker.answers.set(ApiKey.initProducerId, () => ({ producerId: nextId++, producerEpoch: 0 }))
  let count = 0
  broker.answers.set(ApiKey.produce, (request: ProduceRequest) => {
    if (++count === 3) log.nextSequence = 1_000_000
    return answerOf(log.append(recordsOf(request)))
  })
  await using producer = new Producer({
    'bootstrap.servers': broker.bootstrapServers,
    'linger.ms': 0,
    ...quick,
  })
  const values = Array.from({ length: 5 }, (_, index) => `value ${index}`)
  for (const value of values) await producer.send({ topic: 't', value })
  assert.deepEqual(log.values, values)
  assert.equal(log.producerId, 2n)
})

test('a record that is refused fails alone, with the broker’s error and its topic', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  broker.answers.set(ApiKey.produce, (request: ProduceRequest) => {
    const [record] = decodeRecords(recordsOf(request))
    const isBad = String(record!.value) === 'bad'
    return answerOf({ errorCode: isBad ? ErrorCode.invalidRecord : 0, baseOffset: isBad ? -1 : 5 })
  })
  await using producer = new Producer({
    'bootstrap.servers': broker.bootstrapServers,
    'linger.ms': 0,
  })
  await assert.rejects(producer.send({ topic: 't', value: 'bad' }), {
    code: 'KAFKA_INVALID_RECORD',
    errorCode: 87,
    fields: { topic: 't', partition: 0, errorCode: 87 },
  })
  assert.equal((await producer.send({ topic: 't', value: 'good' })).offset, 5)
  await assert.rejects(producer.send({ topic: 't', partition: 4, value: 'x' }), {
    code: 'KAFKA_CLIENT_UNKNOWN_PARTITION',
  })
  await assert.rejects(producer.send({ topic: 't', value: Buffer.alloc(2 ** 20) }), {
    code: 'KAFKA_CLIENT_RECORD_TOO_LARGE',
  })
})

test('memory is bounded: a full buffer says so, makes senders wait, and fails them in time', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  let answer: ((response: object) => void) | undefined
  broker.answers.set(
    ApiKey.produce,
    () =>
      new Promise<object>((resolve) => {
        answer = resolve
      }),
  )
  await using producer = new Producer({
    'bootstrap.servers': broker.bootstrapServers,
    'linger.ms': 0,
    'buffer.memory': 5_000,
    'max.block.ms': 40,
  })
  await producer.client.topic('t')
  const results: string[] = []
  let accepted = 1
  while (
    producer.enqueue({ topic: 't', value: Buffer.alloc(1_000) }, (error) =>
      results.push(error ? error.code : 'ok'),
    )
  )
    accepted++
  assert.equal(accepted, 5)
  await assert.rejects(producer.send({ topic: 't', value: 'late' }), {
    code: 'KAFKA_CLIENT_BUFFER_FULL',
    retriable: true,
  })
  while (!answer) await new Promise((resolve) => setImmediate(resolve))
  const room = producer.ready()
  answer(answerOf({ errorCode: 0, baseOffset: 0 }))
  await room
  await producer.flush()
  assert.deepEqual(results, ['ok', 'ok', 'ok', 'ok', 'ok'])
})

test('what nobody acknowledges fails after delivery.timeout.ms', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  broker.answers.set(ApiKey.produce, () =>
    answerOf({ errorCode: ErrorCode.notEnoughReplicas, baseOffset: -1 }),
  )
  await using producer = new Producer({
    'bootstrap.servers': broker.bootstrapServers,
    'linger.ms': 0,
    'delivery.timeout.ms': 100,
    ...quick,
  })
  await assert.rejects(producer.send({ topic: 't', value: 'x' }), (error: Error) => {
    assert.equal((error as { code?: string }).code, 'KAFKA_CLIENT_DELIVERY_TIMEOUT')
    return true
  })
})

test('requests with large batches leave together, and one that cannot be encoded leaves nothing between them', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  const written: string[] = []
  broker.answers.set(ApiKey.produce, (request: ProduceRequest) => {
    written.push(...decodeRecords(recordsOf(request)).map(({ value }) => String(value)))
    return answerOf({ errorCode: 0, baseOffset: 0 })
  })
  await using client = new KafkaClient({ 'bootstrap.servers': broker.bootstrapServers })
  await client.refreshMetadata(['t'])
  const connection = await client.connection(1)
  const { produceApi } = await import('../src/producer-apis.ts')
  const requestOf = (value: string): object => {
    const builder = new BatchBuilder()
    builder.append(null, value)
    const partitionData = [{ index: 0, records: builder.build() }]
    return { acks: -1, timeoutMs: 1_000, topicData: [{ name: 't', partitionData }] }
  }
  // Version 7 ends with the batch, so that one frame begins where another's borrowed bytes are.
  const send = (request: object): Promise<unknown> =>
    connection.request(produceApi, request as never, { maxVersion: 7 })
  const values = Array.from({ length: 8 }, (_, index) => valueOfAnySize(index))
  const broken = {
    ...requestOf(valueOfAnySize(3)),
    topicData: [
      ...(requestOf(valueOfAnySize(3)) as { topicData: object[] }).topicData,
      { name: 't', partitionData: undefined },
    ],
  }
  const sent = values.flatMap((value) => [send(requestOf(value)), send(broken)])
  const outcomes = await Promise.allSettled(sent)
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    values.flatMap(() => ['fulfilled', 'rejected']),
  )
  assert.deepEqual(written, values)
})

test('a controller that moved is found again, and what was created is not created twice', async (t) => {
  const broker = await new ScriptedBroker().start(t)
  const asked: string[][] = []
  broker.answers.set(ApiKey.createTopics, (request: { topics: { name: string }[] }) => {
    asked.push(request.topics.map((topic) => topic.name))
    const isFirst = asked.length === 1
    return {
      topics: request.topics.map(({ name }) => ({
        name,
        errorCode: isFirst && name === 'b' ? ErrorCode.notController : 0,
      })),
    }
  })
  await using admin = new Admin({ 'bootstrap.servers': broker.bootstrapServers, ...quick })
  await admin.createTopics([{ name: 'a' }, { name: 'b' }])
  assert.deepEqual(asked, [['a', 'b'], ['b']])
  assert.equal(broker.requests.map(nameOf).filter((name) => name === 'Metadata').length, 2)
})
