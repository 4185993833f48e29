// Metadata v0–13: 1 all topics by null · 4 no auto-creation on request · 8 authorized operations ·
// 9 flexible · 10 topic ids · 13 top-level error.
import { ApiKey, ErrorCode, zeroUuid } from '@khlong/kafka-protocol'
import {
  decodeMetadataRequest,
  encodeMetadataResponse,
  type MetadataRequestTopic,
  type MetadataResponseTopicInput,
} from '@khlong/kafka-protocol/messages/metadata'
import { KafkaError } from '../errors.ts'
import { wireError } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import { topicNameProblem } from '../state/topic.ts'
import { clusterOperations, mayCluster, mayTopic } from './access.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'
import { describeTopic, topicOperations } from './topic-metadata.ts'

export const metadata: Handler = defineHandler({
  key: ApiKey.metadata,
  decode: decodeMetadataRequest,
  encode: encodeMetadataResponse,
  async handle(request, context) {
    const { broker } = context
    const withOperations = request.includeTopicAuthorizedOperations
    const isEverything =
      request.topics === null || (context.version === 0 && request.topics.length === 0)
    const mayCreate = context.version < 4 || request.allowAutoTopicCreation
    const topics: MetadataResponseTopicInput[] = []
    if (isEverything) {
      for (const topic of broker.topics.values())
        if (mayTopic(context, AclOperation.describe, topic.name))
          topics.push(describeTopic(topic, context, withOperations))
    } else
      for (const wanted of request.topics ?? [])
        topics.push(await find(wanted, context, mayCreate, withOperations))
    return {
      brokers: [{ nodeId: broker.brokerId, ...context.address }],
      clusterId: broker.metadata.clusterId,
      controllerId: broker.brokerId,
      topics,
      ...(request.includeClusterAuthorizedOperations
        ? {
            clusterAuthorizedOperations: clusterOperations(context),
          }
        : {}),
    }
  },
})

async function find(
  wanted: MetadataRequestTopic,
  context: RequestContext,
  mayCreate: boolean,
  withOperations: boolean,
): Promise<MetadataResponseTopicInput> {
  const { broker } = context
  // Java's client sends an empty name beside an id.
  if (wanted.name === null || wanted.topicId !== zeroUuid) {
    const topic = broker.topicsById.get(wanted.topicId)
    return topic && mayTopic(context, AclOperation.describe, topic.name)
      ? describeTopic(topic, context, withOperations)
      : refused(null, ErrorCode.unknownTopicId, wanted.topicId)
  }
  const { name } = wanted
  if (!mayTopic(context, AclOperation.describe, name))
    return refused(name, ErrorCode.topicAuthorizationFailed)
  const unknown = (errorCode: number): MetadataResponseTopicInput => ({
    ...refused(name, errorCode),
    ...(withOperations ? topicOperations(name, context) : {}),
  })
  if (topicNameProblem(name)) return unknown(ErrorCode.invalidTopicException)
  if (!broker.topics.has(name)) {
    if (!mayCreate || !broker.options['auto.create.topics.enable'])
      return unknown(ErrorCode.unknownTopicOrPartition)
    const isAllowed =
      mayCluster(context, AclOperation.create) || mayTopic(context, AclOperation.create, name)
    if (!isAllowed) return refused(name, ErrorCode.topicAuthorizationFailed)
    try {
      await broker.createTopic(name, broker.options['num.partitions'], {})
    } catch (error) {
      const wasFirst = error instanceof KafkaError && error.code === 'KAFKA_TOPIC_EXISTS'
      // What other clients retry: the topic is on its way, or cannot be made just now.
      if (!wasFirst)
        return unknown(
          error instanceof KafkaError && error.code === 'KAFKA_METADATA_AWAY'
            ? ErrorCode.leaderNotAvailable
            : wireError(error),
        )
    }
  }
  const topic = broker.topics.get(name)
  return topic
    ? describeTopic(topic, context, withOperations)
    : unknown(ErrorCode.leaderNotAvailable)
}

function refused(
  name: string | null,
  errorCode: number,
  topicId?: string,
): MetadataResponseTopicInput {
  return { errorCode, name, partitions: [], ...(topicId === undefined ? {} : { topicId }) }
}
