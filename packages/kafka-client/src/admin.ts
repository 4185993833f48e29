import type { Uuid } from '@khlong/kafka-protocol'
import {
  createPartitionsApi,
  createTopicsApi,
  deleteRecordsApi,
  deleteTopicsApi,
  describeClusterApi,
  describeConfigsApi,
  incrementalAlterConfigsApi,
} from './admin-apis.ts'
import {
  deleteGroupOffsets,
  deleteGroups,
  describeGroups,
  type GroupDescription,
  type GroupListing,
  listGroups,
  removeMembers,
} from './admin-groups.ts'
import type { Api } from './api.ts'
import { metadataApi } from './core-apis.ts'
import { brokerError, final, type KafkaClientError } from './errors.ts'
import { type CommittedOffset, commitOffsets, fetchCommittedOffsets } from './group-offsets.ts'
import { KafkaClient } from './kafka-client.ts'
import type { PartitionMetadata } from './metadata.ts'
import { type ListedOffset, listOffsets, type OffsetSpec } from './offsets.ts'
import {
  clientOptionsOf,
  type KafkaClientContext,
  type KafkaClientOptions,
  resolveClientOptions,
} from './options.ts'
import { ProducerIdentity } from './producer-identity.ts'
import type { TopicPartition } from './record.ts'
import { byTopic, type OffsetToCommit } from './transactions.ts'

/** What an admin is given beside its options. */
export interface AdminContext extends KafkaClientContext {
  /** A client to share; it is not closed with the admin. */
  readonly client?: KafkaClient
}

export interface NewTopic {
  readonly name: string
  /** Default: the broker's `num.partitions`. */
  readonly partitions?: number
  /** Default: the broker's `default.replication.factor`. */
  readonly replicationFactor?: number
  readonly configs?: Readonly<Record<string, string>>
}

export interface TopicDescription {
  readonly name: string
  readonly topicId: Uuid
  readonly isInternal: boolean
  readonly partitions: readonly PartitionMetadata[]
}

export interface ClusterDescription {
  readonly clusterId: string | null
  readonly controllerId: number
  readonly brokers: readonly {
    readonly nodeId: number
    readonly host: string
    readonly port: number
    readonly rack: string | null
  }[]
}

/** What a config belongs to. */
export interface ConfigResource {
  readonly type: 'topic' | 'broker'
  /** A topic, a broker's id, or nothing for what all brokers share. */
  readonly name: string
}

export interface ConfigEntry {
  readonly name: string
  /** Null where it is secret or not set. */
  readonly value: string | null
  readonly source: ConfigSource
  readonly isReadOnly: boolean
  readonly isSensitive: boolean
}
export type ConfigSource =
  | 'unknown'
  | 'dynamic-topic'
  | 'dynamic-broker'
  | 'dynamic-default-broker'
  | 'static-broker'
  | 'default'
  | 'other'

/** A change of a config; `append` and `subtract` are for lists. */
export interface ConfigChange {
  readonly name: string
  readonly operation: 'set' | 'delete' | 'append' | 'subtract'
  readonly value?: string | undefined
}

// Who is given the id next sets a time of its own.
const fencingTimeoutMs = 60_000
const resourceTypes = { topic: 2, broker: 4 } as const
const configSources: readonly ConfigSource[] = [
  'unknown',
  'dynamic-topic',
  'dynamic-broker',
  'dynamic-default-broker',
  'static-broker',
  'default',
]
const configOperations = { set: 0, delete: 1, append: 2, subtract: 3 } as const

/**
 * Manages topics, configs, groups and offsets. Calls about several things attempt all of them, then
 * throw the first error; `fields` says which thing it was.
 */
export class Admin implements AsyncDisposable {
  readonly client: KafkaClient
  readonly #ownsClient: boolean
  readonly #timeoutMs: number

  constructor(options: KafkaClientOptions, context: AdminContext = {}) {
    const resolved = resolveClientOptions(options)
    this.#timeoutMs = resolved['request.timeout.ms']
    this.#ownsClient = context.client === undefined
    this.client = context.client ?? new KafkaClient(clientOptionsOf(resolved), context)
  }

  async close(): Promise<void> {
    if (this.#ownsClient) await this.client.close()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // ---- Topics

  /** @throws KafkaClientError `KAFKA_TOPIC_ALREADY_EXISTS`, `KAFKA_INVALID_CONFIG`, … */
  async createTopics(
    topics: readonly NewTopic[],
    options: { validateOnly?: boolean } = {},
  ): Promise<void> {
    let left = topics
    await this.client.retrying('creating topics', async () => {
      const response = await this.client.requestController(createTopicsApi, {
        topics: left.map((topic) => ({
          name: topic.name,
          numPartitions: topic.partitions ?? -1,
          replicationFactor: topic.replicationFactor ?? -1,
          assignments: [],
          configs: Object.entries(topic.configs ?? {}).map(([name, value]) => ({ name, value })),
        })),
        timeoutMs: this.#timeoutMs,
        validateOnly: options.validateOnly ?? false,
      })
      const errors = new Map<string, KafkaClientError>()
      for (const { name, errorCode, errorMessage } of response.topics)
        if (errorCode !== 0)
          errors.set(
            name,
            brokerError(errorCode, `creating topic ${name}`, { topic: name }, errorMessage),
          )
      // What is done must not be asked for again when another one is tried again.
      left = left.filter((topic) => errors.has(topic.name))
      throwFirst(errors.values())
    })
  }

  /** @throws KafkaClientError `KAFKA_UNKNOWN_TOPIC_OR_PARTITION`, … */
  async deleteTopics(names: readonly string[]): Promise<void> {
    let left = names
    await this.client.retrying('deleting topics', async () => {
      const response = await this.client.requestController(deleteTopicsApi, {
        topicNames: left,
        timeoutMs: this.#timeoutMs,
      })
      const errors = new Map<string, KafkaClientError>()
      for (const { name, errorCode, errorMessage } of response.responses)
        if (errorCode !== 0 && name !== null)
          errors.set(
            name,
            final(brokerError(errorCode, `deleting topic ${name}`, { topic: name }, errorMessage)),
          )
      left = left.filter((name) => errors.has(name))
      throwFirst(errors.values())
    })
  }

  /** Raises the number of partitions of each topic to `count`. */
  async createPartitions(topics: readonly { name: string; count: number }[]): Promise<void> {
    await this.client.retrying('creating partitions', async () => {
      const response = await this.client.requestController(createPartitionsApi, {
        topics: topics.map(({ name, count }) => ({ name, count, assignments: null })),
        timeoutMs: this.#timeoutMs,
        validateOnly: false,
      })
      throwFirst(
        response.results
          .filter((one) => one.errorCode !== 0)
          .map(({ name, errorCode, errorMessage }) =>
            final(
              brokerError(errorCode, `partitions of topic ${name}`, { topic: name }, errorMessage),
            ),
          ),
      )
    })
  }

  /** The names of all topics; internal ones (`__consumer_offsets`…) only where they are asked for. */
  async listTopics(options: { internal?: boolean } = {}): Promise<string[]> {
    const topics = await this.describeTopics()
    return topics
      .filter((topic) => options.internal === true || !topic.isInternal)
      .map((topic) => topic.name)
  }

  /** Topics with their partitions: those of `names`, or all. None is created by asking. */
  async describeTopics(names?: readonly string[]): Promise<TopicDescription[]> {
    return this.client.retrying('describing topics', async () => {
      const response = await this.client.requestAny(metadataApi, {
        topics: names ? names.map((name) => ({ name })) : null,
        allowAutoTopicCreation: false,
      })
      throwFirst(
        response.topics
          .filter((topic) => topic.errorCode !== 0)
          .map(({ name, errorCode }) =>
            final(brokerError(errorCode, `describing topic ${name}`, { topic: name })),
          ),
      )
      return response.topics
        .map((topic) => ({
          name: topic.name ?? '',
          topicId: topic.topicId,
          isInternal: topic.isInternal,
          partitions: topic.partitions
            .map((one) => ({
              partition: one.partitionIndex,
              leaderId: one.leaderId,
              leaderEpoch: one.leaderEpoch,
              replicaIds: one.replicaNodes,
              inSyncIds: one.isrNodes,
            }))
            .sort((a, b) => a.partition - b.partition),
        }))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    })
  }

  // ---- Configs

  /** Configs of each resource, in the order given; all of them, or those that `names` lists. */
  async describeConfigs(
    resources: readonly ConfigResource[],
    names: readonly string[] | null = null,
  ): Promise<ConfigEntry[][]> {
    const results: ConfigEntry[][] = []
    for (const resource of resources)
      results.push(
        await this.client.retrying('describing configs', async () => {
          const response = await this.#requestOwner(resource, describeConfigsApi, {
            resources: [
              {
                resourceType: resourceTypes[resource.type],
                resourceName: resource.name,
                configurationKeys: names,
              },
            ],
          })
          const [found] = response.results
          if (!found) return []
          checkResource(found, resource, 'describing')
          return found.configs.map((config) => ({
            name: config.name,
            value: config.value,
            source: configSources[config.configSource] ?? 'other',
            isReadOnly: config.readOnly,
            isSensitive: config.isSensitive,
          }))
        }),
      )
    return results
  }

  /** Changes single configs of a resource and leaves its others as they are. */
  async incrementalAlterConfigs(
    resource: ConfigResource,
    changes: readonly ConfigChange[],
    options: { validateOnly?: boolean } = {},
  ): Promise<void> {
    await this.client.retrying('changing configs', async () => {
      const response = await this.#requestOwner(resource, incrementalAlterConfigsApi, {
        resources: [
          {
            resourceType: resourceTypes[resource.type],
            resourceName: resource.name,
            configs: changes.map(({ name, operation, value }) => ({
              name,
              configOperation: configOperations[operation],
              value: value ?? null,
            })),
          },
        ],
        validateOnly: options.validateOnly ?? false,
      })
      for (const one of response.responses) checkResource(one, resource, 'changing')
    })
  }

  /** A broker answers for its own configs itself. */
  #requestOwner<Request, Response>(
    resource: ConfigResource,
    api: Api<Request, Response>,
    value: Request,
  ): Promise<Response> {
    return resource.type === 'broker' && resource.name !== ''
      ? this.client.request(Number(resource.name), api, value)
      : this.client.requestAny(api, value)
  }

  // ---- Records and the cluster

  /** Offsets of partitions, in the order given: an end, or the first at or after a time. */
  listOffsets(
    partitions: readonly (TopicPartition & { readonly spec: OffsetSpec })[],
    options: { isCommitted?: boolean } = {},
  ): Promise<ListedOffset[]> {
    return listOffsets(this.client, partitions, options)
  }

  /** Deletes what lies before an offset (-1: everything), and gives the new first offsets. */
  async deleteRecords(
    partitions: readonly (TopicPartition & { readonly beforeOffset: number })[],
  ): Promise<(TopicPartition & { readonly lowWatermark: number })[]> {
    const results: (TopicPartition & { lowWatermark: number })[] = []
    for (const one of partitions)
      await this.client.retrying('deleting records', async () => {
        const { topic, partition, beforeOffset } = one
        const leaderId = await this.client.leader(topic, partition)
        const response = await this.client.request(leaderId, deleteRecordsApi, {
          topics: [
            { name: topic, partitions: [{ partitionIndex: partition, offset: beforeOffset }] },
          ],
          timeoutMs: this.#timeoutMs,
        })
        const found = response.topics[0]?.partitions[0]
        const errorCode = found?.errorCode ?? 0
        if (errorCode !== 0) {
          await this.client.refreshMetadata([topic])
          throw brokerError(errorCode, `deleting records of ${topic}-${partition}`, { ...one })
        }
        results.push({ topic, partition, lowWatermark: found?.lowWatermark ?? -1 })
      })
    return results
  }

  async describeCluster(): Promise<ClusterDescription> {
    return this.client.retrying('describing the cluster', async () => {
      await this.client.refreshMetadata([])
      const { clusterId, controllerId, brokers } = this.client.metadata
      const [first] = brokers
      if (!first) return { clusterId, controllerId, brokers }
      const connection = await this.client.connection(first.nodeId)
      if (!connection.supports(describeClusterApi)) return { clusterId, controllerId, brokers }
      const response = await connection.request(describeClusterApi, {
        includeClusterAuthorizedOperations: false,
      })
      if (response.errorCode !== 0)
        throw brokerError(response.errorCode, 'describing the cluster', {}, response.errorMessage)
      return {
        clusterId: response.clusterId,
        controllerId: response.controllerId,
        brokers: response.brokers.map(({ brokerId, host, port, rack }) => ({
          nodeId: brokerId,
          host,
          port,
          rack,
        })),
      }
    })
  }

  // ---- Groups

  /**
   * Takes these transactional ids from whoever has them: what they left open is taken back, and they
   * write no more.
   */
  async fenceProducers(transactionalIds: readonly string[]): Promise<void> {
    await Promise.all(
      transactionalIds.map((id) =>
        new ProducerIdentity(this.client, id, fencingTimeoutMs).acquire(),
      ),
    )
  }

  /** All groups, of all protocol types. */
  listGroups(): Promise<GroupListing[]> {
    return listGroups(this.client)
  }
  /** Groups with their members, in the order given; one that does not exist has the state `Dead`. */
  describeGroups(groupIds: readonly string[]): Promise<GroupDescription[]> {
    return describeGroups(this.client, groupIds)
  }
  /** @throws KafkaClientError `KAFKA_NON_EMPTY_GROUP`, `KAFKA_GROUP_ID_NOT_FOUND` */
  deleteGroups(groupIds: readonly string[]): Promise<void> {
    return deleteGroups(this.client, groupIds)
  }
  /** Takes members out of a group that it would wait for: those of a process that was killed. */
  removeMembers(groupId: string, memberIds: readonly string[]): Promise<void> {
    return removeMembers(this.client, groupId, memberIds)
  }
  /** The committed offsets of a group: of `partitions`, or all. */
  async listConsumerGroupOffsets(
    groupId: string,
    partitions?: readonly TopicPartition[],
  ): Promise<CommittedOffset[]> {
    const found = await fetchCommittedOffsets(this.client, groupId, partitions)
    return found.filter((one) => one.offset >= 0)
  }
  /** Commits offsets for a group that has no members. */
  alterConsumerGroupOffsets(groupId: string, offsets: readonly OffsetToCommit[]): Promise<void> {
    return commitOffsets(this.client, { groupId, generationId: -1, memberId: '' }, offsets)
  }
  /** Forgets committed offsets of topics that the group does not read now. */
  deleteConsumerGroupOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<void> {
    return deleteGroupOffsets(this.client, groupId, byTopic(partitions))
  }
}

function checkResource(
  found: { errorCode: number; errorMessage: string | null },
  resource: ConfigResource,
  what: string,
): void {
  if (found.errorCode !== 0)
    throw final(
      brokerError(
        found.errorCode,
        `${what} configs of ${resource.type} ${resource.name}`,
        { resource: resource.name },
        found.errorMessage,
      ),
    )
}

function throwFirst(errors: Iterable<KafkaClientError>): void {
  for (const error of errors) throw error
}
