import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeCreateAclsResponse,
  encodeCreateAclsRequest,
} from '@khlong/kafka-protocol/messages/create-acls'
import {
  decodeDescribeUserScramCredentialsResponse,
  encodeDescribeUserScramCredentialsRequest,
} from '@khlong/kafka-protocol/messages/describe-user-scram-credentials'
import {
  decodeElectLeadersResponse,
  encodeElectLeadersRequest,
} from '@khlong/kafka-protocol/messages/elect-leaders'
import { startBroker } from '../helpers.ts'
import { setScramPassword } from '../security/secure-broker.ts'
import { createTopic } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

// What Kafka 4.3.1 answered to the console tools.

test('a user’s credentials are told in the order of the mechanisms', async (t) => {
  const { address } = await startBroker(t)
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  for (const mechanism of ['SCRAM-SHA-512', 'SCRAM-SHA-256'] as const)
    await setScramPassword(wire, 'carol', 'secret', mechanism)
  const reader = await wire.send(ApiKey.describeUserScramCredentials, 0, (writer) =>
    encodeDescribeUserScramCredentialsRequest(writer, { users: null }, 0),
  )
  const [carol] = decodeDescribeUserScramCredentialsResponse(reader, 0).results
  assert.deepEqual(
    carol!.credentialInfos.map(({ mechanism }) => mechanism),
    [1, 2],
  )
})

test('a principal of an ACL needs a type, and a name may be empty', async (t) => {
  const { address } = await startBroker(t, {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'allow.everyone.if.no.acl.found': true,
  })
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  const creations = ['User:', 'zed'].map((principal) => ({
    resourceType: 2,
    resourceName: 'out',
    resourcePatternType: 3,
    principal,
    host: '*',
    operation: 3,
    permissionType: 3,
  }))
  const reader = await wire.send(ApiKey.createAcls, 3, (writer) =>
    encodeCreateAclsRequest(writer, { creations }, 3),
  )
  assert.deepEqual(
    decodeCreateAclsResponse(reader, 3).results.map(({ errorCode }) => errorCode),
    [ErrorCode.none, ErrorCode.invalidRequest],
  )
})

test('an election says whether the topic or its partition is missing', async (t) => {
  const { address } = await startBroker(t)
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'out', 1)
  const topicPartitions = ['out', 'none'].map((topic) => ({ topic, partitions: [7] }))
  const reader = await wire.send(ApiKey.electLeaders, 2, (writer) =>
    encodeElectLeadersRequest(writer, { electionType: 0, topicPartitions, timeoutMs: 1_000 }, 2),
  )
  assert.deepEqual(
    decodeElectLeadersResponse(reader, 2).replicaElectionResults.map(({ partitionResult }) => [
      partitionResult[0]!.errorCode,
      partitionResult[0]!.errorMessage,
    ]),
    [
      [ErrorCode.unknownTopicOrPartition, 'No such partition as out-7'],
      [ErrorCode.unknownTopicOrPartition, 'No such topic as none'],
    ],
  )
})
