import { ApiKey } from '@khlong/kafka-protocol'
import { BatchBuilder, type BatchBuilderOptions } from '@khlong/kafka-protocol/records'
import { AclOperation, ResourceType } from '../../src/state/acls.ts'

// What the users of the matrix ask: nothing here changes what another question is answered.

const literal = 3

interface Question {
  readonly key: ApiKey
  /** One that Kafka 3.9 and this broker both have. */
  readonly version: number
  readonly request: (user: string) => object
}

const partitions = [0]
const topicNames = ['one', 'two', 'missing']
const timeoutMs = 60_000
const noBytes = Buffer.alloc(0)
const member = { memberId: 'nobody', groupInstanceId: null, generationId: 1 }

function records(options: BatchBuilderOptions = {}): Buffer {
  const builder = new BatchBuilder(options)
  // Of now: Kafka's retention removes older ones while the questions are asked, on a slow machine.
  builder.append(null, 'value', [], Date.now())
  return builder.build()
}

const transaction = { producerId: 1n, producerEpoch: 0 }
const topicPartitions = (extra: object) =>
  topicNames.map((name) => ({ name, partitions: [{ partitionIndex: 0, ...extra }] }))
const offset = {
  committedOffset: 0,
  committedLeaderEpoch: -1,
  committedTimestamp: -1,
  committedMetadata: null,
}

/** What is asked, by name. */
export const questions: Readonly<Record<string, Question>> = {
  produce: {
    key: ApiKey.produce,
    version: 9,
    request: () => ({
      transactionalId: null,
      acks: -1,
      timeoutMs,
      topicData: topicNames.map((name) => ({
        name,
        partitionData: [{ index: 0, records: records() }],
      })),
    }),
  },
  'produce in a transaction': {
    key: ApiKey.produce,
    version: 9,
    request: () => ({
      transactionalId: 'tx',
      acks: -1,
      timeoutMs,
      topicData: [
        {
          name: 'missing',
          partitionData: [
            {
              index: 0,
              records: records({
                isTransactional: true,
                producerId: 1n,
                producerEpoch: 0,
                baseSequence: 0,
              }),
            },
          ],
        },
      ],
    }),
  },
  'produce without a transaction by a transactional producer': {
    key: ApiKey.produce,
    version: 9,
    request: () => ({
      transactionalId: 'tx',
      acks: -1,
      timeoutMs,
      topicData: [{ name: 'missing', partitionData: [{ index: 0, records: records() }] }],
    }),
  },
  fetch: {
    key: ApiKey.fetch,
    version: 11,
    request: () => ({
      replicaId: -1,
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1_000,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: topicNames.map((topic) => ({
        topic,
        partitions: [
          {
            partition: 0,
            currentLeaderEpoch: -1,
            fetchOffset: 0,
            logStartOffset: -1,
            partitionMaxBytes: 1_000,
          },
        ],
      })),
      forgottenTopicsData: [],
      rackId: '',
    }),
  },
  'list offsets': {
    key: ApiKey.listOffsets,
    version: 6,
    request: () => ({
      replicaId: -1,
      isolationLevel: 0,
      topics: topicPartitions({ currentLeaderEpoch: -1, timestamp: -2 }),
    }),
  },
  'metadata of all topics': {
    key: ApiKey.metadata,
    version: 9,
    request: () => ({
      topics: null,
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: true,
    }),
  },
  'metadata of some topics': {
    key: ApiKey.metadata,
    version: 9,
    request: () => ({
      topics: topicNames.map((name) => ({ name })),
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: true,
      includeTopicAuthorizedOperations: false,
    }),
  },
  'offset commit': {
    key: ApiKey.offsetCommit,
    version: 8,
    request: (user) => ({
      groupId: `group-${user}`,
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      topics: topicPartitions(offset),
    }),
  },
  'offset fetch': {
    key: ApiKey.offsetFetch,
    version: 8,
    request: () => ({
      groups: ['a', 'b'].map((groupId) => ({
        groupId,
        topics: topicNames.map((name) => ({ name, partitionIndexes: partitions })),
      })),
      requireStable: false,
    }),
  },
  'offset fetch of all topics': {
    key: ApiKey.offsetFetch,
    version: 7,
    request: () => ({ groupId: 'a', topics: null, requireStable: false }),
  },
  'find a group': {
    key: ApiKey.findCoordinator,
    version: 4,
    request: () => ({ keyType: 0, coordinatorKeys: ['a', 'b'] }),
  },
  'find a transaction': {
    key: ApiKey.findCoordinator,
    version: 3,
    request: () => ({ key: 'tx', keyType: 1 }),
  },
  'join a group': {
    key: ApiKey.joinGroup,
    version: 6,
    request: () => ({
      groupId: 'a',
      // Too short, so that nobody joins.
      sessionTimeoutMs: 1,
      rebalanceTimeoutMs: 1,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: noBytes }],
    }),
  },
  'sync a group': {
    key: ApiKey.syncGroup,
    version: 4,
    request: () => ({ groupId: 'a', ...member, assignments: [] }),
  },
  heartbeat: {
    key: ApiKey.heartbeat,
    version: 4,
    request: () => ({ groupId: 'a', ...member }),
  },
  'leave a group': {
    key: ApiKey.leaveGroup,
    version: 4,
    request: () => ({ groupId: 'a', members: [{ memberId: 'x', groupInstanceId: null }] }),
  },
  'describe groups': {
    key: ApiKey.describeGroups,
    version: 5,
    request: () => ({ groups: ['none-1', 'none-2'], includeAuthorizedOperations: true }),
  },
  'list groups': {
    key: ApiKey.listGroups,
    version: 4,
    // Those of the matrix itself differ by the order of the questions.
    request: () => ({ statesFilter: ['Stable'] }),
  },
  'create topics': {
    key: ApiKey.createTopics,
    version: 5,
    request: () => ({
      topics: ['new', 'one'].map((name) => ({
        name,
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: [],
      })),
      timeoutMs,
      validateOnly: true,
    }),
  },
  'delete topics': {
    key: ApiKey.deleteTopics,
    version: 5,
    request: (user) => ({ topicNames: [`of-${user}`, 'missing'], timeoutMs }),
  },
  'delete records': {
    key: ApiKey.deleteRecords,
    version: 2,
    request: () => ({ topics: topicPartitions({ offset: 0 }), timeoutMs }),
  },
  'init a producer': {
    key: ApiKey.initProducerId,
    version: 4,
    request: () => ({
      transactionalId: null,
      transactionTimeoutMs: 60_000,
      producerId: -1n,
      producerEpoch: -1,
    }),
  },
  'init a transactional producer': {
    key: ApiKey.initProducerId,
    version: 4,
    request: (user) => ({
      transactionalId: `tx-${user}`,
      transactionTimeoutMs: 60_000,
      producerId: -1n,
      producerEpoch: -1,
    }),
  },
  'offsets of leader epochs': {
    key: ApiKey.offsetForLeaderEpoch,
    version: 4,
    request: () => ({
      replicaId: -1,
      topics: topicNames.map((topic) => ({
        topic,
        partitions: [{ partition: 0, currentLeaderEpoch: -1, leaderEpoch: 0 }],
      })),
    }),
  },
  'add partitions to a transaction': {
    key: ApiKey.addPartitionsToTxn,
    version: 3,
    request: () => ({
      v3AndBelowTransactionalId: 'tx',
      v3AndBelowProducerId: 1n,
      v3AndBelowProducerEpoch: 0,
      v3AndBelowTopics: topicNames.map((name) => ({ name, partitions })),
    }),
  },
  'add a partition that is there to a transaction': {
    key: ApiKey.addPartitionsToTxn,
    version: 3,
    request: () => ({
      v3AndBelowTransactionalId: 'tx',
      v3AndBelowProducerId: 1n,
      v3AndBelowProducerEpoch: 0,
      v3AndBelowTopics: [{ name: 'one', partitions }],
    }),
  },
  'add partitions for a broker': {
    key: ApiKey.addPartitionsToTxn,
    version: 4,
    request: () => ({
      transactions: [
        {
          transactionalId: 'tx',
          ...transaction,
          verifyOnly: true,
          topics: [{ name: 'one', partitions }],
        },
      ],
    }),
  },
  'add offsets to a transaction': {
    key: ApiKey.addOffsetsToTxn,
    version: 3,
    request: () => ({ transactionalId: 'tx', ...transaction, groupId: 'a' }),
  },
  'end a transaction': {
    key: ApiKey.endTxn,
    version: 3,
    request: () => ({ transactionalId: 'tx', ...transaction, committed: true }),
  },
  'write transaction markers': {
    key: ApiKey.writeTxnMarkers,
    version: 1,
    request: () => ({
      markers: [
        {
          ...transaction,
          transactionResult: true,
          topics: [{ name: 'missing', partitionIndexes: partitions }],
          coordinatorEpoch: 0,
        },
      ],
    }),
  },
  'commit offsets in a transaction': {
    key: ApiKey.txnOffsetCommit,
    version: 3,
    request: () => ({
      transactionalId: 'tx',
      groupId: 'a',
      ...transaction,
      generationId: -1,
      memberId: '',
      groupInstanceId: null,
      topics: [{ name: 'missing', partitions: [{ partitionIndex: 0, ...offset }] }],
    }),
  },
  'describe ACLs': {
    key: ApiKey.describeAcls,
    version: 2,
    request: () => ({
      resourceTypeFilter: ResourceType.topic,
      resourceNameFilter: 'one',
      patternTypeFilter: literal,
      principalFilter: 'User:one-topic',
      hostFilter: null,
      operation: AclOperation.read,
      permissionType: 1,
    }),
  },
  'create ACLs': {
    key: ApiKey.createAcls,
    version: 2,
    request: () => ({
      creations: ['topic', 'cluster'].map((type) => ({
        resourceType: ResourceType[type as 'topic' | 'cluster'],
        resourceName: 'nothing',
        resourcePatternType: literal,
        principal: 'User:none',
        host: '*',
        operation: AclOperation.read,
        permissionType: 3,
      })),
    }),
  },
  'delete ACLs': {
    key: ApiKey.deleteAcls,
    version: 2,
    request: () => ({
      filters: [
        {
          resourceTypeFilter: ResourceType.topic,
          resourceNameFilter: 'nothing-at-all',
          patternTypeFilter: literal,
          principalFilter: null,
          hostFilter: null,
          operation: 1,
          permissionType: 1,
        },
      ],
    }),
  },
  'describe configs': {
    key: ApiKey.describeConfigs,
    version: 3,
    request: () => ({
      resources: [
        ...topicNames.map((resourceName) => ({ resourceType: 2, resourceName })),
        { resourceType: 4, resourceName: '1' },
      ].map((resource) => ({ ...resource, configurationKeys: ['message.max.bytes'] })),
      includeSynonyms: false,
      includeDocumentation: false,
    }),
  },
  'alter configs': {
    key: ApiKey.alterConfigs,
    version: 1,
    request: () => ({
      resources: [
        ...topicNames.map((resourceName) => ({ resourceType: 2, resourceName })),
        { resourceType: 4, resourceName: '1' },
      ].map((resource) => ({ ...resource, configs: [] })),
      validateOnly: true,
    }),
  },
  'alter configs by and by': {
    key: ApiKey.incrementalAlterConfigs,
    version: 1,
    request: () => ({
      resources: [
        ...topicNames.map((resourceName) => ({ resourceType: 2, resourceName })),
        { resourceType: 4, resourceName: '1' },
      ].map((resource) => ({ ...resource, configs: [] })),
      validateOnly: true,
    }),
  },
  'describe log directories': {
    key: ApiKey.describeLogDirs,
    version: 3,
    request: () => ({ topics: [] }),
  },
  'create partitions': {
    key: ApiKey.createPartitions,
    version: 3,
    request: () => ({
      topics: topicNames.map((name) => ({ name, count: 3, assignments: null })),
      timeoutMs,
      validateOnly: true,
    }),
  },
  'delete groups': {
    key: ApiKey.deleteGroups,
    version: 2,
    request: () => ({ groupsNames: ['none-1'] }),
  },
  'delete offsets': {
    key: ApiKey.offsetDelete,
    version: 0,
    request: () => ({
      groupId: 'none-1',
      topics: topicNames.map((name) => ({ name, partitions: [{ partitionIndex: 0 }] })),
    }),
  },
  'describe quotas': {
    key: ApiKey.describeClientQuotas,
    version: 1,
    request: () => ({ components: [], strict: false }),
  },
  'describe SCRAM credentials': {
    key: ApiKey.describeUserScramCredentials,
    version: 0,
    request: () => ({ users: [{ name: 'x' }, { name: 'x' }, { name: 'y' }] }),
  },
  'alter SCRAM credentials': {
    key: ApiKey.alterUserScramCredentials,
    version: 0,
    request: () => ({
      deletions: [
        { name: 'x', mechanism: 1 },
        { name: '', mechanism: 1 },
        { name: 'y', mechanism: 7 },
        { name: 'z', mechanism: 2 },
        { name: 'z', mechanism: 2 },
      ],
      upsertions: [
        { name: 'few', mechanism: 1, iterations: 4_095, salt: noBytes, saltedPassword: noBytes },
        { name: 'many', mechanism: 1, iterations: 16_385, salt: noBytes, saltedPassword: noBytes },
      ],
    }),
  },
  'describe the cluster': {
    key: ApiKey.describeCluster,
    version: 0,
    request: () => ({ includeClusterAuthorizedOperations: true }),
  },
  'describe producers': {
    key: ApiKey.describeProducers,
    version: 0,
    request: () => ({
      topics: topicNames.map((name) => ({ name, partitionIndexes: partitions })),
    }),
  },
  'describe transactions': {
    key: ApiKey.describeTransactions,
    version: 0,
    request: () => ({ transactionalIds: ['none'] }),
  },
  'list transactions': {
    key: ApiKey.listTransactions,
    version: 0,
    request: () => ({ stateFilters: ['Ongoing'], producerIdFilters: [] }),
  },
}
