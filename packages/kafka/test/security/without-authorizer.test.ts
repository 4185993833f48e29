import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SettingsError } from '@khlong/core'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeCreateAclsResponse,
  encodeCreateAclsRequest,
} from '@khlong/kafka-protocol/messages/create-acls'
import {
  decodeDeleteAclsResponse,
  encodeDeleteAclsRequest,
} from '@khlong/kafka-protocol/messages/delete-acls'
import {
  decodeDescribeAclsResponse,
  encodeDescribeAclsRequest,
} from '@khlong/kafka-protocol/messages/describe-acls'
import {
  decodeDescribeClusterResponse,
  encodeDescribeClusterRequest,
} from '@khlong/kafka-protocol/messages/describe-cluster'
import {
  decodeDescribeGroupsResponse,
  encodeDescribeGroupsRequest,
} from '@khlong/kafka-protocol/messages/describe-groups'
import {
  decodeMetadataResponse,
  encodeMetadataRequest,
} from '@khlong/kafka-protocol/messages/metadata'
import { resolveKafkaOptions } from '../../src/index.ts'
import { startBroker } from '../helpers.ts'
import { createTopic } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

// What Kafka 4.3.1 without an authorizer answers.

const any = {
  resourceTypeFilter: 1,
  resourceNameFilter: null,
  patternTypeFilter: 1,
  principalFilter: null,
  hostFilter: null,
  operation: 1,
  permissionType: 1,
}

test('ACLs are refused with SECURITY_DISABLED where no authorizer is set', async (t) => {
  const { address } = await startBroker(t)
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  const creation = {
    resourceType: 2,
    resourceName: 'frames',
    resourcePatternType: 3,
    principal: 'User:alice',
    host: '*',
    operation: 3,
    permissionType: 3,
  }
  const created = await wire.send(ApiKey.createAcls, 3, (writer) =>
    encodeCreateAclsRequest(writer, { creations: [creation, creation] }, 3),
  )
  const described = await wire.send(ApiKey.describeAcls, 3, (writer) =>
    encodeDescribeAclsRequest(writer, any, 3),
  )
  const deleted = await wire.send(ApiKey.deleteAcls, 3, (writer) =>
    encodeDeleteAclsRequest(writer, { filters: [any] }, 3),
  )
  assert.deepEqual(
    [
      ...decodeCreateAclsResponse(created, 3).results,
      decodeDescribeAclsResponse(described, 3),
      ...decodeDeleteAclsResponse(deleted, 3).filterResults,
    ].map(({ errorCode, errorMessage }) => [errorCode, /No Authorizer/.test(errorMessage ?? '')]),
    Array.from({ length: 4 }, () => [ErrorCode.securityDisabled, true]),
  )
})

test('without an authorizer everything that a kind of resource knows is authorized', async (t) => {
  const { address } = await startBroker(t)
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'frames', 1)
  const groups = await wire.send(ApiKey.describeGroups, 5, (writer) =>
    encodeDescribeGroupsRequest(writer, { groups: ['g'], includeAuthorizedOperations: true }, 5),
  )
  assert.equal(decodeDescribeGroupsResponse(groups, 5).groups[0]!.authorizedOperations, 3_400)
  const cluster = await wire.send(ApiKey.describeCluster, 0, (writer) =>
    encodeDescribeClusterRequest(writer, { includeClusterAuthorizedOperations: true }, 0),
  )
  assert.equal(decodeDescribeClusterResponse(cluster, 0).clusterAuthorizedOperations, 8_096)
  const metadata = await wire.send(ApiKey.metadata, 8, (writer) =>
    encodeMetadataRequest(
      writer,
      {
        topics: [{ name: 'frames' }, { name: 'none' }],
        allowAutoTopicCreation: false,
        includeClusterAuthorizedOperations: true,
        includeTopicAuthorizedOperations: true,
      },
      8,
    ),
  )
  const { clusterAuthorizedOperations, topics } = decodeMetadataResponse(metadata, 8)
  assert.equal(clusterAuthorizedOperations, 8_096)
  assert.deepEqual(
    topics.map(({ errorCode, topicAuthorizedOperations }) => [
      errorCode,
      topicAuthorizedOperations,
    ]),
    [
      [ErrorCode.none, 3_576],
      [ErrorCode.unknownTopicOrPartition, 3_576],
    ],
  )
})

test('a denial by default that no authorizer would make is refused', () => {
  assert.throws(
    () => resolveKafkaOptions({ 'allow.everyone.if.no.acl.found': false }),
    (error) => error instanceof SettingsError && /authorizer\.class\.name/.test(error.message),
  )
})
