// OffsetCommit v2–10: 6 leader epoch · 7 static members · 8 flexible · 10 topic ids. The retention time
// of versions 2–4 is not followed: `offsets.retention.minutes` decides.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeOffsetCommitRequest,
  encodeOffsetCommitResponse,
} from '@khlong/kafka-protocol/messages/offset-commit'
import type { OffsetToCommit } from '../groups/group-coordinator.ts'
import { AclOperation } from '../state/acls.ts'
import { mayGroup, mayTopic } from './access.ts'
import { isCoordinatorReady } from './coordinator.ts'
import { defineHandler, type Handler } from './handler.ts'

export const offsetCommit: Handler = defineHandler({
  key: ApiKey.offsetCommit,
  decode: decodeOffsetCommitRequest,
  encode: encodeOffsetCommitResponse,
  async handle(request, context) {
    const { broker } = context
    const isReady = await isCoordinatorReady(context)
    const groupRefusal: number = !isReady
      ? ErrorCode.coordinatorNotAvailable
      : mayGroup(context, AclOperation.read, request.groupId)
        ? ErrorCode.none
        : ErrorCode.groupAuthorizationFailed
    const offsets: OffsetToCommit[] = []
    const results: { errorCode: number }[] = []
    const topics = request.topics.map(({ name, topicId, partitions }) => {
      const topic = context.version >= 10 ? broker.topicsById.get(topicId) : broker.topics.get(name)
      const topicName = topic?.name ?? name
      return {
        name,
        topicId,
        partitions: partitions.map((partition) => {
          const { partitionIndex } = partition
          const result = { partitionIndex, errorCode: groupRefusal }
          if (groupRefusal !== ErrorCode.none) return result
          if (topicName !== '' && !mayTopic(context, AclOperation.read, topicName))
            result.errorCode = ErrorCode.topicAuthorizationFailed
          else if (!topic)
            result.errorCode =
              context.version >= 10 ? ErrorCode.unknownTopicId : ErrorCode.unknownTopicOrPartition
          else if (partitionIndex < 0 || partitionIndex >= topic.partitions.length)
            result.errorCode = ErrorCode.unknownTopicOrPartition
          else {
            results.push(result)
            offsets.push({
              topic: topic.name,
              partition: partitionIndex,
              offset: partition.committedOffset,
              leaderEpoch: partition.committedLeaderEpoch,
              metadata: partition.committedMetadata,
            })
          }
          return result
        }),
      }
    })
    const codes = await broker.groups.commit(
      request.groupId,
      {
        memberId: request.memberId,
        groupInstanceId: request.groupInstanceId,
        generation: request.generationIdOrMemberEpoch,
      },
      offsets,
    )
    for (const [index, errorCode] of codes.entries()) results[index]!.errorCode = errorCode
    return { topics }
  },
})
