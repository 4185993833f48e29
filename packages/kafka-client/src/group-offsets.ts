import { ErrorCode, errorInfo } from '@khlong/kafka-protocol'
import { offsetCommitApi, offsetFetchApi } from './consumer-apis.ts'
import { clientError } from './errors.ts'
import type { KafkaClient } from './kafka-client.ts'
import type { TopicPartition } from './record.ts'
import { byTopic, type GroupMetadata, type OffsetToCommit } from './transactions.ts'

/** A committed offset; `offset` is -1 where there is none. */
export interface CommittedOffset extends TopicPartition {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

/** Commits offsets of a group; for one without members give generation -1 and an empty member id. */
export async function commitOffsets(
  client: KafkaClient,
  group: GroupMetadata,
  offsets: readonly OffsetToCommit[],
  signal?: AbortSignal,
): Promise<void> {
  if (offsets.length === 0) return
  const { groupId } = group
  const topics = [...byTopic(offsets)].map(([name, partitions]) => ({
    name,
    partitions: partitions.map((one) => ({
      partitionIndex: one.partition,
      committedOffset: one.offset,
      committedLeaderEpoch: one.leaderEpoch ?? -1,
      committedMetadata: one.metadata ?? '',
    })),
  }))
  const what = `committing offsets of group ${groupId}`
  await client.retrying(
    what,
    async () => {
      const response = await client.requestCoordinator('group', groupId, offsetCommitApi, {
        groupId,
        generationIdOrMemberEpoch: group.generationId,
        memberId: group.memberId,
        ...(group.groupInstanceId == null ? {} : { groupInstanceId: group.groupInstanceId }),
        topics,
      })
      for (const topic of response.topics)
        for (const { errorCode } of topic.partitions)
          if (errorCode !== 0) throw client.coordinatorError('group', groupId, errorCode, what)
    },
    { signal },
  )
}

/**
 * The committed offsets of a group: of `partitions`, or of all that there are. With `isStable` it
 * waits for transactions that are about to commit offsets, as exactly-once processing needs.
 */
export async function fetchCommittedOffsets(
  client: KafkaClient,
  groupId: string,
  partitions: readonly TopicPartition[] | undefined,
  options: { isStable?: boolean; signal?: AbortSignal | undefined } = {},
): Promise<CommittedOffset[]> {
  const topics = partitions
    ? [...byTopic(partitions)].map(([name, list]) => ({
        name,
        partitionIndexes: list.map((one) => one.partition),
      }))
    : null
  const what = `reading committed offsets of group ${groupId}`
  return client.retrying(
    what,
    async () => {
      const nodeId = await client.coordinator('group', groupId)
      const connection = await client.connection(nodeId)
      const isBatched = connection.versionOf(offsetFetchApi) >= 8
      const requireStable = options.isStable ?? false
      if (requireStable && connection.versionOf(offsetFetchApi) < 7)
        throw clientError('KAFKA_CLIENT_UNSUPPORTED', `${what}: stable offsets need Kafka 2.5`)
      const response = await connection.request(offsetFetchApi, {
        requireStable,
        ...(isBatched ? { groups: [{ groupId, topics }] } : { groupId, topics }),
      })
      const found = isBatched ? response.groups[0] : response
      const check = (errorCode: number): void => {
        if (errorCode !== 0) throw client.coordinatorError('group', groupId, errorCode, what)
      }
      check(found?.errorCode ?? ErrorCode.coordinatorNotAvailable)
      const offsets: CommittedOffset[] = []
      for (const topic of found?.topics ?? [])
        for (const one of topic.partitions) {
          check(one.errorCode)
          offsets.push({
            topic: topic.name,
            partition: one.partitionIndex,
            offset: one.committedOffset,
            leaderEpoch: one.committedLeaderEpoch,
            metadata: one.metadata ?? '',
          })
        }
      return offsets
    },
    {
      signal: options.signal,
      onRetry: (error) => {
        if (error.errorCode === undefined || errorInfo(error.errorCode).staleMetadata)
          client.forgetCoordinator('group', groupId)
      },
    },
  )
}
