import { ErrorCode } from '@khlong/kafka-protocol'
import type { MetadataResponseTopicInput } from '@khlong/kafka-protocol/messages/metadata'
import { ResourceType } from '../state/acls.ts'
import { isInternalTopic, type Topic } from '../state/topic.ts'
import { authorizedOperations } from './access.ts'
import type { RequestContext } from './handler.ts'

/** A topic as Metadata and DescribeTopicPartitions show it. */
export function describeTopic(
  topic: Topic,
  context: RequestContext,
  withOperations: boolean,
): MetadataResponseTopicInput & { name: string; topicId: string } {
  const { brokerId } = context.broker
  return {
    errorCode: ErrorCode.none,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map((log, partitionIndex) => ({
      errorCode: log ? ErrorCode.none : ErrorCode.leaderNotAvailable,
      partitionIndex,
      leaderId: log ? brokerId : -1,
      leaderEpoch: log?.leaderEpoch ?? -1,
      replicaNodes: [brokerId],
      isrNodes: log ? [brokerId] : [],
      offlineReplicas: log ? [] : [brokerId],
    })),
    ...(withOperations ? topicOperations(topic.name, context) : {}),
  }
}

/** What a client may do with a topic, which may not be there. */
export function topicOperations(
  name: string,
  context: RequestContext,
): { topicAuthorizedOperations: number } {
  return { topicAuthorizedOperations: authorizedOperations(context, ResourceType.topic, name) }
}
