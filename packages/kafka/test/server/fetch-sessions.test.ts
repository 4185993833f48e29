import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@khlong/core/testing'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeFetchResponse,
  encodeFetchRequest,
  type FetchRequestInput,
  type FetchResponse,
} from '@khlong/kafka-protocol/messages/fetch'
import {
  decodeMetadataResponse,
  encodeMetadataRequest,
} from '@khlong/kafka-protocol/messages/metadata'
import { startBroker } from '../helpers.ts'
import { createTopic, TransactionalClient } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

async function fetch(
  wire: Wire,
  version: number,
  request: Partial<FetchRequestInput>,
): Promise<FetchResponse> {
  const reader = await wire.send(ApiKey.fetch, version, (writer) =>
    encodeFetchRequest(writer, { maxWaitMs: 0, minBytes: 1, topics: [], ...request }, version),
  )
  const response = decodeFetchResponse(reader, version)
  reader.finish()
  return response
}

/** Which partitions an answer names, with the count of their bytes. */
const named = (response: FetchResponse): [number, number][] =>
  response.responses.flatMap(({ partitions }) =>
    partitions.map(({ partitionIndex, records }): [number, number] => [
      partitionIndex,
      records?.byteLength ?? 0,
    ]),
  )

const at = (partition: number, fetchOffset: number) => ({
  partition,
  fetchOffset,
  partitionMaxBytes: 10_000,
})

for (const version of [7, 12, 13, 18])
  test(`a session of version ${version} is asked for changes, and answers with what is new`, async (t) => {
    const wire = await Wire.open((await startBroker(t)).address)
    await createTopic(wire, 'out', 3)
    const metadata = await wire.send(ApiKey.metadata, 12, (writer) =>
      encodeMetadataRequest(writer, { topics: [{ name: 'out' }] }, 12),
    )
    const { topicId } = decodeMetadataResponse(metadata, 12).topics[0]!
    const topic = version >= 13 ? { topicId } : { topic: 'out' }
    const client = new TransactionalClient(wire, 'tx')
    await client.init()
    await client.add('out', [0, 1, 2])
    const partitions = [at(0, 0), at(1, 0), at(2, 0)]
    const first = await fetch(wire, version, {
      sessionEpoch: 0,
      topics: [{ ...topic, partitions }],
    })
    assert.ok(first.sessionId > 0)
    assert.deepEqual(named(first), [
      [0, 0],
      [1, 0],
      [2, 0],
    ])
    const { sessionId } = first
    assert.deepEqual(named(await fetch(wire, version, { sessionId, sessionEpoch: 1 })), [])
    await client.produce('out', [[1, ['a']]])
    const second = await fetch(wire, version, { sessionId, sessionEpoch: 2 })
    assert.equal(second.sessionId, sessionId)
    assert.deepEqual(
      named(second).map(([index]) => index),
      [1],
    )
    // The client says where it goes on, and what it reads no more; the rest stands.
    const third = await fetch(wire, version, {
      sessionId,
      sessionEpoch: 3,
      topics: [{ ...topic, partitions: [at(1, 1)] }],
      forgottenTopicsData: [{ ...topic, partitions: [2] }],
    })
    assert.deepEqual(named(third), [])
    await client.produce('out', [
      [0, ['b']],
      [1, ['c']],
      [2, ['d']],
    ])
    const fourth = await fetch(wire, version, { sessionId, sessionEpoch: 4 })
    assert.deepEqual(
      named(fourth)
        .map(([index]) => index)
        .sort(),
      [0, 1],
    )
    // An end of a transaction is new too: the last stable offset has moved.
    const ends = [at(0, 1), at(1, 2)]
    const moved = { sessionId, sessionEpoch: 5, topics: [{ ...topic, partitions: ends }] }
    assert.deepEqual(named(await fetch(wire, version, moved)), [])
    await client.end(true)
    assert.equal(named(await fetch(wire, version, { sessionId, sessionEpoch: 6 })).length, 2)
    const twice = await fetch(wire, version, { sessionId, sessionEpoch: 6 })
    assert.equal(twice.errorCode, ErrorCode.invalidFetchSessionEpoch)
    await fetch(wire, version, { sessionId, sessionEpoch: -1 })
    const gone = await fetch(wire, version, { sessionId, sessionEpoch: 7 })
    assert.equal(gone.errorCode, ErrorCode.fetchSessionIdNotFound)
    wire.close()
  })

test('an incremental fetch waits for records, and an error of a partition is said again', async (t) => {
  const { address } = await startBroker(t)
  const wire = await Wire.open(address)
  const other = await Wire.open(address)
  await createTopic(wire, 'out', 1)
  const topics = [{ topic: 'out', partitions: [at(0, 0), at(7, 0)] }]
  const { sessionId } = await fetch(wire, 12, { sessionEpoch: 0, topics })
  const again = await fetch(wire, 12, { sessionId, sessionEpoch: 1, maxWaitMs: 10_000 })
  assert.equal(again.responses[0]?.partitions[0]?.errorCode, ErrorCode.unknownTopicOrPartition)
  const waiting = fetch(wire, 12, {
    sessionId,
    sessionEpoch: 2,
    maxWaitMs: 10_000,
    forgottenTopicsData: [{ topic: 'out', partitions: [7] }],
  })
  const client = new TransactionalClient(other, 'tx')
  await client.init()
  await client.produce('out', [[0, ['a']]], { version: 12 })
  assert.equal(named(await waiting)[0]?.[0], 0)
  for (const connection of [wire, other]) connection.close()
})

test('without a slot a fetch goes on without a session', async (t) => {
  const started = await startBroker(t, { 'max.incremental.fetch.session.cache.slots': 1 })
  const wire = await Wire.open(started.address)
  await createTopic(wire, 'out', 1)
  const topics = [{ topic: 'out', partitions: [at(0, 0)] }]
  const first = await fetch(wire, 12, { sessionEpoch: 0, topics })
  const second = await fetch(wire, 12, { sessionEpoch: 0, topics })
  assert.ok(first.sessionId > 0 && second.sessionId === 0)
  // One who begins anew gives up its old session.
  const third = await fetch(wire, 12, { sessionId: first.sessionId, sessionEpoch: 0, topics })
  assert.ok(third.sessionId > 0)
  const mixed = await fetch(wire, 13, { sessionId: third.sessionId, sessionEpoch: 1 })
  assert.equal(mixed.errorCode, ErrorCode.fetchSessionTopicIdError)
  wire.close()
})

test('a session that reads nothing any more is over, and says so', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  t.after(() => wire.close())
  await createTopic(wire, 'out', 1)
  const topics = [{ topic: 'out', partitions: [at(0, 0)] }]
  const { sessionId } = await fetch(wire, 12, { sessionEpoch: 0, topics })
  const last = await fetch(wire, 12, {
    sessionId,
    sessionEpoch: 1,
    maxWaitMs: 60_000,
    forgottenTopicsData: [{ topic: 'out', partitions: [0] }],
  })
  assert.deepEqual([last.errorCode, last.sessionId, named(last)], [0, 0, []])
})

test('a fetch does not wait for bytes that its own limits leave out', async (t) => {
  const { address } = await startBroker(t, {}, { clock: new FakeClock(Date.now()) })
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'out', 1)
  const client = new TransactionalClient(wire, 'tx')
  await client.init()
  for (const value of ['small', 'x'.repeat(20_000)])
    await client.produce('out', [[0, [value]]], { isTransactional: false, transactionalId: null })
  // The clock stands still: this one would wait for ever.
  const waiting = { maxWaitMs: 60_000, minBytes: 1_000 }
  const some = await fetch(wire, 12, {
    ...waiting,
    topics: [{ topic: 'out', partitions: [at(0, 0)] }],
  })
  assert.ok(named(some)[0]![1] > 0)
  const large = await fetch(wire, 12, {
    ...waiting,
    maxBytes: 0,
    topics: [{ topic: 'out', partitions: [{ ...at(0, 1), partitionMaxBytes: 0 }] }],
  })
  assert.ok(named(large)[0]![1] > 20_000, 'one batch comes whatever the limits are')
})
