import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiKey, ErrorCode, zeroUuid } from '@khlong/kafka-protocol'
import {
  decodeDeleteRecordsResponse,
  encodeDeleteRecordsRequest,
} from '@khlong/kafka-protocol/messages/delete-records'
import {
  decodeDescribeConfigsResponse,
  encodeDescribeConfigsRequest,
} from '@khlong/kafka-protocol/messages/describe-configs'
import {
  decodeDescribeGroupsResponse,
  encodeDescribeGroupsRequest,
} from '@khlong/kafka-protocol/messages/describe-groups'
import {
  decodeDescribeTopicPartitionsResponse,
  encodeDescribeTopicPartitionsRequest,
} from '@khlong/kafka-protocol/messages/describe-topic-partitions'
import {
  decodeIncrementalAlterConfigsResponse,
  encodeIncrementalAlterConfigsRequest,
} from '@khlong/kafka-protocol/messages/incremental-alter-configs'
import {
  decodeMetadataResponse,
  encodeMetadataRequest,
} from '@khlong/kafka-protocol/messages/metadata'
import { startBroker } from '../helpers.ts'
import { createTopic } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

// What Kafka 4.3.1 answered to the same, asked by Java's admin client.

async function open(t: { after(end: () => Promise<void>): void }): Promise<Wire> {
  const wire = await Wire.open((await startBroker(t)).address)
  t.after(async () => wire.close())
  await createTopic(wire, 'out', 1)
  return wire
}

test('a topic id that nobody has comes back with its error, also beside an empty name', async (t) => {
  const wire = await open(t)
  const topicId = 'AAAAAAAAAAAAAAAAAAAAAg'
  for (const name of [null, '']) {
    const reader = await wire.send(ApiKey.metadata, 12, (writer) =>
      encodeMetadataRequest(writer, { topics: [{ topicId, name }] }, 12),
    )
    const [topic] = decodeMetadataResponse(reader, 12).topics
    assert.deepEqual([topic!.errorCode, topic!.topicId], [ErrorCode.unknownTopicId, topicId])
  }
})

test('a name that no topic can have is an invalid topic wherever it is asked for', async (t) => {
  const wire = await open(t)
  const reader = await wire.send(ApiKey.describeTopicPartitions, 0, (writer) =>
    encodeDescribeTopicPartitionsRequest(
      writer,
      { topics: [{ name: 'no pe' }, { name: 'nope' }] },
      0,
    ),
  )
  assert.deepEqual(
    decodeDescribeTopicPartitionsResponse(reader, 0).topics.map((topic) => [
      topic.name,
      topic.errorCode,
      topic.topicId,
    ]),
    [
      ['no pe', ErrorCode.invalidTopicException, zeroUuid],
      ['nope', ErrorCode.unknownTopicOrPartition, zeroUuid],
    ],
  )
  const resources = [{ resourceType: 2, resourceName: 'no pe', configurationKeys: null }]
  const described = await wire.send(ApiKey.describeConfigs, 4, (writer) =>
    encodeDescribeConfigsRequest(writer, { resources }, 4),
  )
  const [answer] = decodeDescribeConfigsResponse(described, 4).results
  assert.equal(answer!.errorCode, ErrorCode.invalidTopicException)
})

test('a change of settings that says nothing is an invalid request', async (t) => {
  const wire = await open(t)
  const alter = async (
    resourceName: string,
    ...configs: readonly { name: string; configOperation: number; value: string | null }[]
  ) => {
    const resources = [{ resourceType: 2, resourceName, configs: [...configs] }]
    const reader = await wire.send(ApiKey.incrementalAlterConfigs, 1, (writer) =>
      encodeIncrementalAlterConfigsRequest(writer, { resources, validateOnly: false }, 1),
    )
    const [answer] = decodeIncrementalAlterConfigsResponse(reader, 1).responses
    return [answer!.errorCode, answer!.errorMessage]
  }
  const set = (value: string | null) => ({ name: 'retention.ms', configOperation: 0, value })
  const { invalidConfig, invalidRequest } = ErrorCode
  assert.deepEqual(await alter('out', set(null)), [
    invalidRequest,
    'Null value not supported for : retention.ms',
  ])
  assert.deepEqual(await alter('out', set('1'), set('2')), [
    invalidRequest,
    'Error due to duplicate config keys',
  ])
  assert.deepEqual(await alter('', set('1')), [
    invalidRequest,
    'Default topic resources are not allowed.',
  ])
  assert.deepEqual(await alter('out', { ...set('1'), configOperation: 2 }), [
    invalidConfig,
    "Can't APPEND to key retention.ms because its type is not LIST.",
  ])
})

test('records of internal topics cannot be deleted, and no group has an empty id', async (t) => {
  const wire = await open(t)
  await createTopic(wire, '__consumer_offsets', 1)
  const topics = [
    { name: '__consumer_offsets', partitions: [{ partitionIndex: 0, offset: -1 }] },
    { name: 'out', partitions: [{ partitionIndex: 0, offset: -1 }] },
  ]
  const deleted = await wire.send(ApiKey.deleteRecords, 2, (writer) =>
    encodeDeleteRecordsRequest(writer, { topics, timeoutMs: 1_000 }, 2),
  )
  assert.deepEqual(
    decodeDeleteRecordsResponse(deleted, 2).topics.map(
      ({ partitions }) => partitions[0]!.errorCode,
    ),
    [ErrorCode.invalidTopicException, ErrorCode.none],
  )
  const described = await wire.send(ApiKey.describeGroups, 6, (writer) =>
    encodeDescribeGroupsRequest(writer, { groups: [''] }, 6),
  )
  const [group] = decodeDescribeGroupsResponse(described, 6).groups
  assert.equal(group!.errorCode, ErrorCode.invalidGroupId)
})

test('a request with bytes behind its end is answered: librdkafka sends one where it alters SCRAM credentials', async (t) => {
  const wire = await open(t)
  const reader = await wire.send(ApiKey.metadata, 12, (writer) => {
    encodeMetadataRequest(writer, { topics: [{ name: 'out' }] }, 12)
    writer.uint8(0)
  })
  assert.equal(decodeMetadataResponse(reader, 12).topics[0]!.errorCode, ErrorCode.none)
})
