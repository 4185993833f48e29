// DescribeTopicPartitions v0: topics in order of their names, up to a limit of partitions, with a cursor.
import { ApiKey, ErrorCode, zeroUuid } from '@khlong/kafka-protocol'
import {
  type DescribeTopicPartitionsResponseCursorInput,
  type DescribeTopicPartitionsResponseTopicInput,
  decodeDescribeTopicPartitionsRequest,
  encodeDescribeTopicPartitionsResponse,
} from '@khlong/kafka-protocol/messages/describe-topic-partitions'
import { AclOperation } from '../state/acls.ts'
import { topicNameProblem } from '../state/topic.ts'
import { mayTopic } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'
import { describeTopic, topicOperations } from './topic-metadata.ts'

const partitionsMax = 2_000

export const describeTopicPartitions: Handler = defineHandler({
  key: ApiKey.describeTopicPartitions,
  decode: decodeDescribeTopicPartitionsRequest,
  encode: encodeDescribeTopicPartitionsResponse,
  handle(request, context) {
    const { broker } = context
    const { cursor } = request
    const isEverything = request.topics.length === 0
    const names = isEverything
      ? [...broker.topics.keys()]
      : request.topics.map((topic) => topic.name)
    let rest = Math.min(partitionsMax, Math.max(1, request.responsePartitionLimit))
    let nextCursor: DescribeTopicPartitionsResponseCursorInput | null = null
    const topics: DescribeTopicPartitionsResponseTopicInput[] = []
    for (const name of [...new Set(names)].sort()) {
      if (cursor && name < cursor.topicName) continue
      const isAllowed = mayTopic(context, AclOperation.describe, name)
      if (!isAllowed && isEverything) continue
      if (rest === 0) {
        nextCursor = { topicName: name, partitionIndex: 0 }
        break
      }
      const topic = broker.topics.get(name)
      if (!isAllowed || !topic) {
        const errorCode = !isAllowed
          ? ErrorCode.topicAuthorizationFailed
          : topicNameProblem(name) === undefined
            ? ErrorCode.unknownTopicOrPartition
            : ErrorCode.invalidTopicException
        topics.push({
          name,
          errorCode,
          topicId: zeroUuid,
          partitions: [],
          ...(isAllowed ? topicOperations(name, context) : {}),
        })
        continue
      }
      const first = cursor?.topicName === name ? Math.max(0, cursor.partitionIndex) : 0
      const described = describeTopic(topic, context, true)
      const partitions = described.partitions.slice(first, first + rest).map((partition) => ({
        ...partition,
        offlineReplicas: partition.offlineReplicas ?? [],
        eligibleLeaderReplicas: [],
        lastKnownElr: [],
      }))
      topics.push({ ...described, partitions })
      rest -= partitions.length
      if (first + partitions.length < described.partitions.length) {
        nextCursor = { topicName: name, partitionIndex: first + partitions.length }
        break
      }
    }
    return { topics, nextCursor }
  },
})
