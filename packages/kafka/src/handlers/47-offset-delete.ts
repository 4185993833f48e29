// OffsetDelete v0. Offsets of a topic that the group's members are subscribed to are kept.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeOffsetDeleteRequest,
  encodeOffsetDeleteResponse,
} from '@khlong/kafka-protocol/messages/offset-delete'
import type { Group } from '../groups/group.ts'
import { subscribedTopics } from '../groups/group-protocols.ts'
import { AclOperation } from '../state/acls.ts'
import { mayGroup, mayTopic } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

export const offsetDelete: Handler = defineHandler({
  key: ApiKey.offsetDelete,
  decode: decodeOffsetDeleteRequest,
  encode: encodeOffsetDeleteResponse,
  async handle(request, context) {
    const { groups, topics: known } = context.broker
    const { groupId } = request
    if (!mayGroup(context, AclOperation.delete, groupId))
      return { errorCode: ErrorCode.groupAuthorizationFailed, topics: [] }
    const group = groups.group(groupId)
    if (!group) return { errorCode: ErrorCode.groupIdNotFound, topics: [] }
    if (!group.isEmpty && group.protocolType !== 'consumer')
      return { errorCode: ErrorCode.nonEmptyGroup, topics: [] }
    const subscribed = topicsOf(group)
    const topics: { name: string; partitions: { partitionIndex: number; errorCode: number }[] }[] =
      []
    for (const { name, partitions } of request.topics) {
      const refusal = !mayTopic(context, AclOperation.read, name)
        ? ErrorCode.topicAuthorizationFailed
        : !known.has(name)
          ? ErrorCode.unknownTopicOrPartition
          : subscribed.has(name)
            ? ErrorCode.groupSubscribedToTopic
            : ErrorCode.none
      const errorCode =
        refusal ||
        (await groups.deleteOffsets(
          groupId,
          partitions.map(({ partitionIndex }) => ({ topic: name, partition: partitionIndex })),
        ))
      topics.push({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      })
    }
    return { topics }
  },
})

function topicsOf(group: Group): Set<string> {
  const topics = new Set<string>()
  for (const { protocols } of group.members.values())
    for (const { metadata } of protocols)
      for (const topic of subscribedTopics(metadata)) topics.add(topic)
  return topics
}
