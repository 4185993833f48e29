import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { test } from 'node:test'
import { ApiKey, apiInfo, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeApiVersionsResponse,
  encodeApiVersionsRequest,
} from '@khlong/kafka-protocol/messages/api-versions'
import { encodeCreateTopicsRequest } from '@khlong/kafka-protocol/messages/create-topics'
import { decodeFetchResponse, encodeFetchRequest } from '@khlong/kafka-protocol/messages/fetch'
import {
  decodeListOffsetsResponse,
  encodeListOffsetsRequest,
} from '@khlong/kafka-protocol/messages/list-offsets'
import {
  decodeMetadataResponse,
  encodeMetadataRequest,
} from '@khlong/kafka-protocol/messages/metadata'
import {
  decodeProduceResponse,
  encodeProduceRequest,
} from '@khlong/kafka-protocol/messages/produce'
import { BatchBuilder, decodeRecords } from '@khlong/kafka-protocol/records'
import { handlers } from '../../src/handlers/index.ts'
import { startBroker } from '../helpers.ts'
import { Wire } from '../wire.ts'

const software = { clientSoftwareName: 'test', clientSoftwareVersion: '1' }

async function createTopic(wire: Wire, name: string, partitions = 1): Promise<void> {
  await wire.send(ApiKey.createTopics, 5, (writer) =>
    encodeCreateTopicsRequest(
      writer,
      {
        topics: [
          { name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: [] },
        ],
        timeoutMs: 1_000,
      },
      5,
    ),
  )
}

function batch(value: string, timestamp = Date.now()): Buffer {
  const builder = new BatchBuilder()
  builder.append(null, value, [], timestamp)
  return builder.build()
}

function produce(wire: Wire, version: number, name: string, records: Buffer, acks = -1) {
  return wire
    .send(ApiKey.produce, version, (writer) =>
      encodeProduceRequest(
        writer,
        { acks, timeoutMs: 1_000, topicData: [{ name, partitionData: [{ index: 0, records }] }] },
        version,
      ),
    )
    .then((reader) => {
      const response = decodeProduceResponse(reader, version)
      reader.finish()
      return response.responses[0]!.partitionResponses[0]!
    })
}

const fetchOf = (topic: string, fetchOffset: number, maxWaitMs = 0, minBytes = 1) => ({
  maxWaitMs,
  minBytes,
  topics: [{ topic, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }] }],
})

/** What is left out of Kafka 4.2's ranges: the second transaction protocol, and RE2's patterns. */
const left: Readonly<Record<number, number>> = {
  [ApiKey.endTxn]: 4,
  [ApiKey.txnOffsetCommit]: 4,
  [ApiKey.listTransactions]: 1,
}

test('ApiVersions lists every handler with the range of Kafka 4.2, but for what is left out', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  for (const version of [0, 1, 2, 3, 4]) {
    const reader = await wire.send(ApiKey.apiVersions, version, (writer) =>
      encodeApiVersionsRequest(writer, software, version),
    )
    const { errorCode, apiKeys } = decodeApiVersionsResponse(reader, version)
    reader.finish()
    assert.equal(errorCode, ErrorCode.none)
    assert.deepEqual(
      apiKeys.map(({ apiKey }) => apiKey),
      [...handlers.keys()].sort((a, b) => a - b),
    )
    for (const { apiKey, minVersion, maxVersion } of apiKeys) {
      const info = apiInfo(apiKey)!
      const max = Math.min(info.advertisedMax, left[apiKey] ?? info.advertisedMax)
      assert.deepEqual([minVersion, maxVersion], [info.advertisedMin, max])
    }
  }
  wire.close()
})

test('an unknown version of ApiVersions is answered in version 0 with the list', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  const reader = await wire.send(ApiKey.apiVersions, 99, () => {}, 0)
  const response = decodeApiVersionsResponse(reader, 0)
  reader.finish()
  assert.equal(response.errorCode, ErrorCode.unsupportedVersion)
  assert.ok(response.apiKeys.some(({ apiKey }) => apiKey === ApiKey.apiVersions))
  wire.close()
})

const refused: Readonly<Record<string, Buffer>> = {
  'a length below zero': Buffer.from('ffffffff00', 'hex'),
  'a length beyond socket.request.max.bytes': Buffer.from('7fffffff00', 'hex'),
  'an unknown API': Buffer.from('0000000e03e70000000000010004776972650a', 'hex'),
  'a version of Produce that is listed and not done': Buffer.from(
    '0000000e000000010000000100047769726500',
    'hex',
  ),
  'a body that is cut': Buffer.from('0000000e00030004000000010004776972651111', 'hex'),
}
for (const [what, bytes] of Object.entries(refused))
  test(`${what} closes the connection, and only that`, async (t) => {
    const { address } = await startBroker(t)
    const good = await Wire.open(address)
    const bad = await Wire.open(address)
    bad.socket.write(bytes)
    await bad.closed
    await createTopic(good, 'still')
    good.close()
  })

test('random bytes never bring the broker down', async (t) => {
  const { broker, address } = await startBroker(t)
  for (let round = 0; round < 60; round++) {
    const wire = await Wire.open(address)
    const frame = randomFillSync(Buffer.alloc(10 + round * 3))
    frame.writeInt32BE(frame.byteLength - 4, 0)
    const keys = [...handlers.keys()]
    if (round % 3 > 0) {
      frame.writeInt16BE(keys[round % keys.length]!, 4)
      frame.writeInt16BE(round % 9, 6)
    }
    wire.socket.end(frame)
    wire.socket.resume()
    await wire.closed
  }
  assert.equal(broker.status, 'ready')
})

test('every version of Produce, Fetch, ListOffsets and Metadata is understood', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  await createTopic(wire, 'all')
  let metadataId = ''
  for (let version = 0; version <= 13; version++) {
    const reader = await wire.send(ApiKey.metadata, version, (writer) =>
      encodeMetadataRequest(writer, { topics: [{ name: 'all' }] }, version),
    )
    const { topics } = decodeMetadataResponse(reader, version)
    reader.finish()
    assert.deepEqual([topics[0]?.name, topics[0]?.partitions.length], ['all', 1])
    metadataId = topics[0]!.topicId
  }
  for (let version = 3; version <= 12; version++)
    assert.equal((await produce(wire, version, 'all', batch(`v${version}`))).errorCode, 0)
  for (let version = 4; version <= 18; version++) {
    const request = fetchOf('all', 3)
    const topics = request.topics.map((topic) => ({ ...topic, topicId: metadataId }))
    const reader = await wire.send(ApiKey.fetch, version, (writer) =>
      encodeFetchRequest(
        writer,
        {
          ...request,
          topics: version >= 13 ? topics.map(({ topic: _, ...rest }) => rest) : request.topics,
        },
        version,
      ),
    )
    const partition = decodeFetchResponse(reader, version).responses[0]!.partitions[0]!
    reader.finish()
    assert.equal(partition.errorCode, 0)
    assert.equal(String(decodeRecords(partition.records!)[0]?.value), 'v6')
  }
  for (let version = 1; version <= 11; version++) {
    const reader = await wire.send(ApiKey.listOffsets, version, (writer) =>
      encodeListOffsetsRequest(
        writer,
        {
          replicaId: -1,
          topics: [{ name: 'all', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
        },
        version,
      ),
    )
    const { topics } = decodeListOffsetsResponse(reader, version)
    reader.finish()
    assert.equal(topics[0]?.partitions[0]?.offset, 10)
  }
  wire.close()
})

test('a fetch waits for records, and gets them when they come', async (t) => {
  const { address } = await startBroker(t)
  const reading = await Wire.open(address)
  const writing = await Wire.open(address)
  await createTopic(writing, 'wait')
  const answer = reading.send(ApiKey.fetch, 11, (writer) =>
    encodeFetchRequest(writer, fetchOf('wait', 0, 20_000), 11),
  )
  const startMs = performance.now()
  await produce(writing, 9, 'wait', batch('now'))
  const partition = decodeFetchResponse(await answer, 11).responses[0]!.partitions[0]!
  assert.equal(String(decodeRecords(partition.records!)[0]?.value), 'now')
  assert.ok(performance.now() - startMs < 10_000)
  reading.close()
  writing.close()
})

test('answers keep the order of requests, also when a later one is ready first', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  await createTopic(wire, 'order')
  const order: string[] = []
  const slow = wire
    .send(ApiKey.fetch, 11, (writer) => encodeFetchRequest(writer, fetchOf('order', 0, 100), 11))
    .then(() => order.push('fetch'))
  const quick = wire
    .send(ApiKey.apiVersions, 0, (writer) => encodeApiVersionsRequest(writer, software, 0))
    .then(() => order.push('versions'))
  await Promise.all([slow, quick])
  assert.deepEqual(order, ['fetch', 'versions'])
  wire.close()
})

test('records are found by their time, and the newest by -3', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  await createTopic(wire, 'timed')
  const startMs = Date.now() - 100_000
  for (const delta of [0, 1_000, 5_000, 3_000]) {
    const builder = new BatchBuilder()
    builder.append(null, 'a', [], startMs + delta)
    builder.append(null, 'b', [], startMs + delta + 10)
    await produce(wire, 9, 'timed', builder.build())
  }
  const find = async (timestamp: number): Promise<[number, number]> => {
    const reader = await wire.send(ApiKey.listOffsets, 7, (writer) =>
      encodeListOffsetsRequest(
        writer,
        {
          replicaId: -1,
          topics: [{ name: 'timed', partitions: [{ partitionIndex: 0, timestamp }] }],
        },
        7,
      ),
    )
    const found = decodeListOffsetsResponse(reader, 7).topics[0]!.partitions[0]!
    return [found.offset, found.timestamp < 0 ? -1 : found.timestamp - startMs]
  }
  assert.deepEqual(await find(startMs), [0, 0])
  assert.deepEqual(await find(startMs + 1), [1, 10])
  assert.deepEqual(await find(startMs + 1_500), [4, 5_000])
  assert.deepEqual(await find(startMs + 5_005), [5, 5_010])
  assert.deepEqual(await find(startMs + 9_000), [-1, -1])
  assert.deepEqual(await find(-3), [5, 5_010])
  assert.deepEqual(await find(-2), [0, -1])
  wire.close()
})

test('a producer with acks=0 gets no answer, and its records are there', async (t) => {
  const { address } = await startBroker(t)
  const wire = await Wire.open(address)
  await createTopic(wire, 'silent')
  const records = batch('quiet')
  void produce(wire, 9, 'silent', records, 0)
  const other = await Wire.open(address)
  const reader = await other.send(ApiKey.fetch, 11, (w) =>
    encodeFetchRequest(w, fetchOf('silent', 0, 10_000), 11),
  )
  const partition = decodeFetchResponse(reader, 11).responses[0]!.partitions[0]!
  assert.equal(String(decodeRecords(partition.records!)[0]?.value), 'quiet')
  wire.close()
  other.close()
})
