import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeAlterPartitionReassignmentsResponse,
  encodeAlterPartitionReassignmentsRequest,
} from '@khlong/kafka-protocol/messages/alter-partition-reassignments'
import {
  decodeCreatePartitionsResponse,
  encodeCreatePartitionsRequest,
} from '@khlong/kafka-protocol/messages/create-partitions'
import {
  decodeCreateTopicsResponse,
  encodeCreateTopicsRequest,
} from '@khlong/kafka-protocol/messages/create-topics'
import {
  decodeDescribeConfigsResponse,
  encodeDescribeConfigsRequest,
} from '@khlong/kafka-protocol/messages/describe-configs'
import {
  decodeElectLeadersResponse,
  encodeElectLeadersRequest,
} from '@khlong/kafka-protocol/messages/elect-leaders'
import {
  decodeListPartitionReassignmentsResponse,
  encodeListPartitionReassignmentsRequest,
} from '@khlong/kafka-protocol/messages/list-partition-reassignments'
import {
  decodeProduceResponse,
  encodeProduceRequest,
} from '@khlong/kafka-protocol/messages/produce'
import { BatchBuilder } from '@khlong/kafka-protocol/records'
import { startBroker } from '../helpers.ts'
import { createTopic } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

/** What the broker says of a new topic with one setting. */
async function createWith(wire: Wire, name: string, key: string, value: string) {
  const topic = { name, numPartitions: 1, replicationFactor: 1, assignments: [] }
  const reader = await wire.send(ApiKey.createTopics, 5, (writer) =>
    encodeCreateTopicsRequest(
      writer,
      { topics: [{ ...topic, configs: [{ name: key, value }] }], timeoutMs: 5_000 },
      5,
    ),
  )
  const [answer] = decodeCreateTopicsResponse(reader, 5).topics
  return [answer!.errorCode, answer!.errorMessage]
}

test('topics that are made together are told apart', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  t.after(() => wire.close())
  const topicOf = (name: string) => ({
    name,
    numPartitions: 1,
    replicationFactor: 1,
    assignments: [],
    configs: [],
  })
  const ask = async (names: readonly string[]) => {
    const reader = await wire.send(ApiKey.createTopics, 5, (writer) =>
      encodeCreateTopicsRequest(writer, { topics: names.map(topicOf), timeoutMs: 5_000 }, 5),
    )
    return decodeCreateTopicsResponse(reader, 5).topics.map(({ name, errorCode }) => [
      name,
      errorCode,
    ])
  }
  const { invalidRequest, invalidTopicException, topicAlreadyExists } = ErrorCode
  assert.deepEqual(await ask(['one', 'a.b', 'a_b', 'twice', 'two', 'twice']), [
    ['one', 0],
    ['a.b', 0],
    ['a_b', invalidTopicException],
    ['twice', invalidRequest],
    ['two', 0],
  ])
  // Asked for at the same time by two requests, one is the first.
  const both = await Promise.all([ask(['three']), ask(['three'])])
  assert.deepEqual(both.map(([answer]) => answer![1]).sort(), [0, topicAlreadyExists].sort())
  const many = Array.from({ length: 50 }, (_, index) => `many-${index}`)
  assert.deepEqual(
    await ask(many),
    many.map((name) => [name, 0]),
  )
})

test('a request for more than 10,000 partitions makes none', async (t) => {
  const { address, broker } = await startBroker(t)
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'out', 1)
  const topic = { replicationFactor: 1, assignments: [], configs: [] }
  for (const topics of [
    [{ ...topic, name: 'huge', numPartitions: 0x7fff_ffff }],
    ['a', 'b'].map((name) => ({ ...topic, name, numPartitions: 5_001 })),
  ]) {
    const reader = await wire.send(ApiKey.createTopics, 5, (writer) =>
      encodeCreateTopicsRequest(writer, { topics, timeoutMs: 5_000 }, 5),
    )
    for (const { errorCode } of decodeCreateTopicsResponse(reader, 5).topics)
      assert.equal(errorCode, ErrorCode.policyViolation)
  }
  const topics = [{ name: 'out', count: 0x7fff_ffff, assignments: null }]
  const reader = await wire.send(ApiKey.createPartitions, 3, (writer) =>
    encodeCreatePartitionsRequest(writer, { topics, timeoutMs: 5_000, validateOnly: false }, 3),
  )
  const { results } = decodeCreatePartitionsResponse(reader, 3)
  assert.equal(results[0]!.errorCode, ErrorCode.policyViolation)
  assert.equal(broker.vitals().facts.partitions, 1)
})

test('settings of topics are checked as Kafka checks them, in its words', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  t.after(() => wire.close())
  const { invalidConfig } = ErrorCode
  for (const [key, value, problem] of [
    ['retention.ms', 'abc', 'Not a number of type LONG'],
    ['retention.ms', '1.5', 'Not a number of type LONG'],
    ['retention.ms', '9223372036854775808', 'Not a number of type LONG'],
    ['max.message.bytes', '2147483648', 'Not a number of type INT'],
    ['min.cleanable.dirty.ratio', 'x', 'Not a number of type DOUBLE'],
    ['min.cleanable.dirty.ratio', '1.5', 'Value must be no more than 1'],
    ['min.insync.replicas', '0', 'Value must be at least 1'],
    ['compression.zstd.level', '23', 'Value must be no more than 22'],
    ['compression.gzip.level', '0', 'Value must be between 1 and 9 or equal to -1'],
    ['preallocate', 'yes', 'Expected value to be either true or false'],
  ] as const)
    assert.deepEqual(await createWith(wire, 'bad', key, value), [
      invalidConfig,
      `Invalid value ${value} for configuration ${key}: ${problem}`,
    ])
  assert.deepEqual(await createWith(wire, 'good', 'retention.ms', '9223372036854775807'), [0, null])
})

test('who wants more replicas in sync than there are is refused as by Kafka', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  t.after(() => wire.close())
  assert.deepEqual(await createWith(wire, 'two', 'min.insync.replicas', '2'), [0, null])
  const produce = async (acks: number) => {
    const builder = new BatchBuilder({})
    builder.append(null, 'value', [], Date.now())
    const partitionData = [{ index: 0, records: builder.build() }]
    const topicData = [{ name: 'two', partitionData }]
    const reader = await wire.send(ApiKey.produce, 9, (writer) =>
      encodeProduceRequest(writer, { acks, timeoutMs: 30_000, topicData }, 9),
    )
    return decodeProduceResponse(reader, 9).responses[0]!.partitionResponses[0]!.errorCode
  }
  assert.deepEqual([await produce(-1), await produce(1)], [ErrorCode.notEnoughReplicas, 0])
})

for (const version of [0, 1, 2])
  test(`ElectLeaders ${version}: the one broker leads already`, async (t) => {
    const { address } = await startBroker(t)
    const wire = await Wire.open(address)
    await createTopic(wire, 'out', 2)
    const elect = async (topicPartitions: { topic: string; partitions: number[] }[] | null) => {
      const reader = await wire.send(ApiKey.electLeaders, version, (writer) =>
        encodeElectLeadersRequest(writer, { topicPartitions }, version),
      )
      const response = decodeElectLeadersResponse(reader, version)
      reader.finish()
      assert.equal(response.errorCode, ErrorCode.none)
      return response.replicaElectionResults.flatMap(({ topic, partitionResult }) =>
        partitionResult.map(({ partitionId, errorCode }) => [topic, partitionId, errorCode]),
      )
    }
    assert.deepEqual(
      await elect([
        { topic: 'out', partitions: [1, 2] },
        { topic: 'none', partitions: [0] },
      ]),
      [
        ['out', 1, ErrorCode.electionNotNeeded],
        ['out', 2, ErrorCode.unknownTopicOrPartition],
        ['none', 0, ErrorCode.unknownTopicOrPartition],
      ],
    )
    assert.deepEqual(await elect(null), [])
    wire.close()
  })

for (const version of [0, 1])
  test(`AlterPartitionReassignments ${version}: a partition is where the one broker is`, async (t) => {
    const wire = await Wire.open((await startBroker(t)).address)
    t.after(() => wire.close())
    await createTopic(wire, 'out', 1)
    const ask = async (name: string, replicas: number[] | null) => {
      const topics = [{ name, partitions: [{ partitionIndex: 0, replicas }] }]
      const reader = await wire.send(ApiKey.alterPartitionReassignments, version, (writer) =>
        encodeAlterPartitionReassignmentsRequest(writer, { topics }, version),
      )
      const response = decodeAlterPartitionReassignmentsResponse(reader, version)
      reader.finish()
      return response.responses[0]!.partitions[0]!.errorCode
    }
    const { invalidReplicaAssignment } = ErrorCode
    assert.equal(await ask('out', [1]), ErrorCode.none)
    for (const replicas of [[], [2], [1, 2], [1, 1]])
      assert.equal(await ask('out', replicas), invalidReplicaAssignment, `${replicas}`)
    assert.equal(await ask('out', null), ErrorCode.noReassignmentInProgress)
    assert.equal(await ask('none', [1]), ErrorCode.unknownTopicOrPartition)
    const reader = await wire.send(ApiKey.listPartitionReassignments, 0, (writer) =>
      encodeListPartitionReassignmentsRequest(writer, { topics: null }, 0),
    )
    const list = decodeListPartitionReassignmentsResponse(reader, 0)
    reader.finish()
    assert.deepEqual([list.errorCode, list.topics], [ErrorCode.none, []])
  })

test('DescribeConfigs documents the settings of a topic and of the broker on request', async (t) => {
  const { address } = await startBroker(t)
  const wire = await Wire.open(address)
  await createTopic(wire, 'out', 1)
  const describe = async (
    resourceType: number,
    resourceName: string,
    includeDocumentation: boolean,
  ) => {
    const resources = [{ resourceType, resourceName, configurationKeys: null }]
    const reader = await wire.send(ApiKey.describeConfigs, 4, (writer) =>
      encodeDescribeConfigsRequest(writer, { resources, includeDocumentation }, 4),
    )
    const { configs } = decodeDescribeConfigsResponse(reader, 4).results[0]!
    return new Map(configs.map(({ name, documentation }) => [name, documentation]))
  }
  const documented = await describe(2, 'out', true)
  assert.ok(documented.size > 20)
  for (const [name, documentation] of documented) assert.match(documentation ?? '', /\w/, name)
  assert.match((await describe(4, '1', true)).get('log.retention.bytes') ?? '', /bytes/)
  for (const [, documentation] of await describe(2, 'out', false)) assert.equal(documentation, null)
  wire.close()
})

test('replicas that are given by hand are refused with the code and the words of Kafka', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  t.after(() => wire.close())
  await createTopic(wire, 'out', 1)
  const create = async (name: string, ...replicas: readonly (readonly [number, number[]])[]) => {
    const assignments = replicas.map(([partitionIndex, brokerIds]) => ({
      partitionIndex,
      brokerIds,
    }))
    const topic = { name, numPartitions: -1, replicationFactor: -1, assignments, configs: [] }
    const reader = await wire.send(ApiKey.createTopics, 5, (writer) =>
      encodeCreateTopicsRequest(writer, { topics: [topic], timeoutMs: 5_000 }, 5),
    )
    const [answer] = decodeCreateTopicsResponse(reader, 5).topics
    return [answer!.errorCode, answer!.errorMessage]
  }
  const { invalidReplicaAssignment, topicAlreadyExists } = ErrorCode
  const elsewhere =
    'The manual partition assignment includes broker 7, but no such broker is registered.'
  assert.deepEqual(await create('a', [0, [1]], [1, [7]]), [invalidReplicaAssignment, elsewhere])
  assert.deepEqual(await create('a', [0, []]), [
    invalidReplicaAssignment,
    'The manual partition assignment includes an empty replica list.',
  ])
  assert.deepEqual(await create('a', [0, [1]], [2, [1]]), [
    invalidReplicaAssignment,
    'partitions should be a consecutive 0-based integer sequence',
  ])
  assert.deepEqual(await create('out', [0, [7]]), [
    topicAlreadyExists,
    "Topic 'out' already exists.",
  ])
  assert.deepEqual(await create('a', [1, [1]], [0, [1]]), [0, null])
  const topics = [{ name: 'out', count: 2, assignments: [{ brokerIds: [7] }] }]
  const reader = await wire.send(ApiKey.createPartitions, 3, (writer) =>
    encodeCreatePartitionsRequest(writer, { topics, timeoutMs: 5_000, validateOnly: false }, 3),
  )
  const [answer] = decodeCreatePartitionsResponse(reader, 3).results
  assert.deepEqual([answer!.errorCode, answer!.errorMessage], [invalidReplicaAssignment, elsewhere])
})
