import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeDescribeConfigsResponse,
  encodeDescribeConfigsRequest,
} from '@khlong/kafka-protocol/messages/describe-configs'
import {
  decodeElectLeadersResponse,
  encodeElectLeadersRequest,
} from '@khlong/kafka-protocol/messages/elect-leaders'
import { startBroker } from '../helpers.ts'
import { createTopic } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

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
