// OffsetFetch v1–10: 2 all topics by null · 5 leader epoch · 6 flexible · 7 stable offsets · 8 several
// groups · 9 member epoch · 10 topic ids. Who asks for stable offsets is told where a transaction that
// has not ended will change one.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeOffsetFetchRequest,
  encodeOffsetFetchResponse,
  type OffsetFetchResponseGroupInput,
} from '@khlong/kafka-protocol/messages/offset-fetch'
import { AclOperation } from '../state/acls.ts'
import { mayGroup, mayTopic } from './access.ts'
import { isCoordinatorReady } from './coordinator.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

interface WantedTopic {
  readonly name: string
  readonly topicId?: string
  readonly partitionIndexes: readonly number[]
}

export const offsetFetch: Handler = defineHandler({
  key: ApiKey.offsetFetch,
  decode: decodeOffsetFetchRequest,
  encode: encodeOffsetFetchResponse,
  async handle(request, context) {
    const isReady = await isCoordinatorReady(context)
    if (context.version >= 8)
      return {
        groups: request.groups.map(({ groupId, topics }) =>
          fetchGroup(context, isReady, request.requireStable, groupId, topics),
        ),
      }
    const { topics, errorCode } = fetchGroup(
      context,
      isReady,
      request.requireStable,
      request.groupId,
      request.topics,
    )
    return {
      topics: topics.map(({ name = '', partitions }) => ({ name, partitions })),
      ...(errorCode === undefined ? {} : { errorCode }),
    }
  },
})

function fetchGroup(
  context: RequestContext,
  isReady: boolean,
  isStableWanted: boolean,
  groupId: string,
  wanted: readonly WantedTopic[] | null,
): OffsetFetchResponseGroupInput {
  const { broker } = context
  if (!isReady) return { groupId, topics: [], errorCode: ErrorCode.coordinatorNotAvailable }
  if (!mayGroup(context, AclOperation.describe, groupId))
    return { groupId, topics: [], errorCode: ErrorCode.groupAuthorizationFailed }
  const offsets = broker.groups.offsets(groupId)
  const topics: readonly WantedTopic[] =
    wanted ??
    [...offsets].map(([name, partitions]) => ({ name, partitionIndexes: [...partitions.keys()] }))
  return {
    groupId,
    topics: topics.flatMap((topic) => {
      const byId = context.version >= 10 && wanted !== null
      const found = byId ? broker.topicsById.get(topic.topicId ?? '') : undefined
      const name = found?.name ?? topic.name
      const isAllowed = name === '' || mayTopic(context, AclOperation.describe, name)
      if (!isAllowed && wanted === null) return []
      const refusal =
        byId && !found
          ? ErrorCode.unknownTopicId
          : isAllowed
            ? ErrorCode.none
            : ErrorCode.topicAuthorizationFailed
      const topicId = topic.topicId ?? broker.topics.get(name)?.topicId
      return [
        {
          name,
          ...(topicId === undefined ? {} : { topicId }),
          partitions: topic.partitionIndexes.map((partitionIndex) => {
            const place = { topic: name, partition: partitionIndex }
            if (
              refusal === ErrorCode.none &&
              isStableWanted &&
              broker.groups.isUnstable(groupId, place)
            )
              return {
                partitionIndex,
                committedOffset: -1,
                committedLeaderEpoch: -1,
                metadata: '',
                errorCode: ErrorCode.unstableOffsetCommit,
              }
            const committed =
              refusal === ErrorCode.none ? offsets.get(name)?.get(partitionIndex) : undefined
            return {
              partitionIndex,
              committedOffset: committed?.offset ?? -1,
              committedLeaderEpoch: committed?.leaderEpoch ?? -1,
              metadata: committed?.metadata ?? '',
              errorCode: refusal,
            }
          }),
        },
      ]
    }),
  }
}
