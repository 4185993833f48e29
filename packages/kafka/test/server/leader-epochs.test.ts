import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeListOffsetsResponse,
  encodeListOffsetsRequest,
} from '@khlong/kafka-protocol/messages/list-offsets'
import {
  decodeOffsetForLeaderEpochResponse,
  encodeOffsetForLeaderEpochRequest,
} from '@khlong/kafka-protocol/messages/offset-for-leader-epoch'
import { startBroker } from '../helpers.ts'
import { createTopic, TransactionalClient } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

for (const version of [2, 3, 4])
  test(`OffsetForLeaderEpoch ${version} says where an epoch ends, as Kafka does`, async (t) => {
    const { broker, address, data } = await startBroker(t)
    const wire = await Wire.open(address)
    await createTopic(wire, 'out', 1)
    const client = new TransactionalClient(wire, 'tx')
    await client.init()
    await client.produce('out', [[0, ['a', 'b', 'c', 'd']]], { isTransactional: false })
    wire.close()
    await broker.stop()
    // A log that has seen three leaders, the first of them with epoch 2.
    writeFileSync(path.join(data, 'out-0', 'leader-epoch-checkpoint'), '0\n3\n2 0\n5 1\n7 3\n')
    const again = await Wire.open((await startBroker(t, { data })).address)
    const ask = async (leaderEpoch: number, currentLeaderEpoch = -1) => {
      const partitions = [{ partition: 0, currentLeaderEpoch, leaderEpoch }]
      const request = { topics: [{ topic: 'out', partitions }] }
      const reader = await again.send(ApiKey.offsetForLeaderEpoch, version, (writer) =>
        encodeOffsetForLeaderEpochRequest(writer, request, version),
      )
      const response = decodeOffsetForLeaderEpochResponse(reader, version)
      reader.finish()
      const found = response.topics[0]!.partitions[0]!
      return [found.errorCode, found.leaderEpoch, found.endOffset]
    }
    for (const [epoch, leaderEpoch, endOffset] of [
      [-1, -1, -1],
      [0, 0, 0],
      [2, 2, 1],
      [3, 2, 1],
      [5, 5, 3],
      [6, 5, 3],
      [7, 7, 4],
      [8, -1, -1],
    ] as const)
      assert.deepEqual(await ask(epoch), [0, leaderEpoch, endOffset])
    assert.equal((await ask(7, 5))[0], ErrorCode.fencedLeaderEpoch)
    assert.equal((await ask(7, 8))[0], ErrorCode.unknownLeaderEpoch)
    again.close()
  })

test('the newest record by time is the first with that time, wherever it lies, also after a restart', async (t) => {
  const { broker, address, data } = await startBroker(t, { 'log.segment.bytes': 300 })
  const wire = await Wire.open(address)
  await createTopic(wire, 'out', 1)
  const client = new TransactionalClient(wire, 'tx')
  await client.init()
  const times = [1_000, 9_000, 3_000, 9_000, 2_000, 8_000]
  for (const time of times)
    await client.produce('out', [[0, ['x'.repeat(60), 'y']]], { isTransactional: false, time })
  const newest = async (on: Wire) => {
    const topics = [{ name: 'out', partitions: [{ partitionIndex: 0, timestamp: -3 }] }]
    const reader = await on.send(ApiKey.listOffsets, 7, (writer) =>
      encodeListOffsetsRequest(writer, { replicaId: -1, topics }, 7),
    )
    const found = decodeListOffsetsResponse(reader, 7).topics[0]!.partitions[0]!
    return [found.offset, found.timestamp]
  }
  assert.deepEqual(await newest(wire), [2, 9_000])
  wire.close()
  await broker.stop()
  const again = await Wire.open((await startBroker(t, { data })).address)
  assert.deepEqual(await newest(again), [2, 9_000])
  again.close()
})
