import { ErrorCode, type Uuid } from '@khlong/kafka-protocol'
import type { MetadataResponse } from '@khlong/kafka-protocol/messages/metadata'
import { type BrokerAddress, replaceHost } from './address.ts'

/** One partition as the last metadata showed it. */
export interface PartitionMetadata {
  readonly partition: number
  /** -1 while there is none. */
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly replicaIds: readonly number[]
  readonly inSyncIds: readonly number[]
}

/** One topic as the last metadata showed it. */
export interface TopicMetadata {
  readonly name: string
  readonly topicId: Uuid
  readonly isInternal: boolean
  readonly partitions: readonly PartitionMetadata[]
  readonly updatedMs: number
}

export interface BrokerMetadata extends BrokerAddress {
  readonly nodeId: number
  readonly rack: string | null
}

/** What is known of the cluster. Values in, values out: who fetches it, and when, is not its matter. */
export class MetadataCache {
  readonly #hosts: Readonly<Record<string, string>>
  readonly #brokers = new Map<number, BrokerMetadata>()
  readonly #topics = new Map<string, TopicMetadata>()
  readonly #errors = new Map<string, number>()
  clusterId: string | null = null
  controllerId = -1

  constructor(hosts: Readonly<Record<string, string>>) {
    this.#hosts = hosts
  }

  get brokers(): readonly BrokerMetadata[] {
    return [...this.#brokers.values()]
  }
  broker(nodeId: number): BrokerMetadata | undefined {
    return this.#brokers.get(nodeId)
  }
  topic(name: string): TopicMetadata | undefined {
    return this.#topics.get(name)
  }
  get topics(): readonly TopicMetadata[] {
    return [...this.#topics.values()]
  }
  /** The error that the last answer had for a topic; 0 for none. */
  errorOf(name: string): number {
    return this.#errors.get(name) ?? 0
  }

  /** Takes over an answer. `isComplete` says that it lists every topic there is. */
  update(response: MetadataResponse, nowMs: number, isComplete: boolean): void {
    this.clusterId = response.clusterId
    this.controllerId = response.controllerId
    if (response.brokers.length > 0) this.#brokers.clear()
    for (const { nodeId, host, port, rack } of response.brokers)
      this.#brokers.set(nodeId, { nodeId, rack, ...replaceHost({ host, port }, this.#hosts) })
    if (isComplete) this.#topics.clear()
    for (const topic of response.topics) {
      const { name, errorCode } = topic
      if (name === null) continue
      if (errorCode !== 0) this.#errors.set(name, errorCode)
      else this.#errors.delete(name)
      if (errorCode === ErrorCode.unknownTopicOrPartition) this.#topics.delete(name)
      if (errorCode !== 0) continue
      const known = this.#topics.get(name)
      this.#topics.set(name, {
        name,
        topicId: topic.topicId,
        isInternal: topic.isInternal,
        updatedMs: nowMs,
        partitions: topic.partitions
          .map((partition) => ({
            partition: partition.partitionIndex,
            leaderId: partition.leaderId,
            leaderEpoch: partition.leaderEpoch,
            replicaIds: partition.replicaNodes,
            inSyncIds: partition.isrNodes,
          }))
          .map((partition) => newest(partition, known, topic.topicId))
          .sort((a, b) => a.partition - b.partition),
      })
    }
  }
}

/** A broker that lags may answer with an older leader than the one that is known (KIP-320). */
function newest(
  found: PartitionMetadata,
  known: TopicMetadata | undefined,
  topicId: Uuid,
): PartitionMetadata {
  const before = known?.topicId === topicId ? known.partitions[found.partition] : undefined
  return before?.partition === found.partition && before.leaderEpoch > found.leaderEpoch
    ? before
    : found
}
