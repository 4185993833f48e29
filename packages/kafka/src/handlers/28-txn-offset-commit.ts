// TxnOffsetCommit v0–4: 2 leader epoch · 3 flexible, member and generation (KIP-447) · 4
// TRANSACTION_ABORTABLE. Left out: version 5, which belongs to the second transaction protocol (KIP-890).
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeTxnOffsetCommitRequest,
  encodeTxnOffsetCommitResponse,
  type TxnOffsetCommitRequest,
} from '@khlong/kafka-protocol/messages/txn-offset-commit'
import type { OffsetToCommit } from '../groups/group-coordinator.ts'
import { wireError } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import { offsetsTopic } from '../state/topic.ts'
import { mayGroup, mayTopic, mayTransact } from './access.ts'
import { isCoordinatorReady } from './coordinator.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

export const txnOffsetCommit: Handler = defineHandler({
  key: ApiKey.txnOffsetCommit,
  maxVersion: 4,
  decode: decodeTxnOffsetCommitRequest,
  encode: encodeTxnOffsetCommitResponse,
  async handle(request, context) {
    const { broker } = context
    const denial = denialOf(request, context)
    const refusal = denial || (await refusalOf(request, context))
    const offsets: OffsetToCommit[] = []
    const results: { errorCode: number }[] = []
    const topics = request.topics.map(({ name, partitions }) => {
      const topic = broker.topics.get(name)
      const isAllowed = mayTopic(context, AclOperation.read, name)
      return {
        name,
        partitions: partitions.map((partition) => {
          const { partitionIndex } = partition
          const result = { partitionIndex, errorCode: refusal }
          if (denial !== ErrorCode.none) return result
          if (!isAllowed) result.errorCode = ErrorCode.topicAuthorizationFailed
          else if (!topic || partitionIndex < 0 || partitionIndex >= topic.partitions.length)
            result.errorCode = ErrorCode.unknownTopicOrPartition
          else if (refusal === ErrorCode.none) {
            results.push(result)
            offsets.push({
              topic: name,
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
    const { groupId, memberId, groupInstanceId, generationId, producerId, producerEpoch } = request
    const codes = await broker.groups.commit(
      groupId,
      { memberId, groupInstanceId, generation: generationId },
      offsets,
      { producerId, producerEpoch },
    )
    for (const [index, errorCode] of codes.entries()) results[index]!.errorCode = errorCode
    return { topics }
  },
})

function denialOf(
  { transactionalId, groupId }: TxnOffsetCommitRequest,
  context: RequestContext,
): number {
  if (!mayTransact(context, AclOperation.write, transactionalId))
    return ErrorCode.transactionalIdAuthorizationFailed
  return mayGroup(context, AclOperation.read, groupId)
    ? ErrorCode.none
    : ErrorCode.groupAuthorizationFailed
}

async function refusalOf(
  request: TxnOffsetCommitRequest,
  context: RequestContext,
): Promise<number> {
  const { broker } = context
  const { transactionalId, groupId } = request
  if (!(await isCoordinatorReady(context))) return ErrorCode.coordinatorNotAvailable
  try {
    const partition = broker.groups.partitionOf(groupId)
    broker.transactions.verify(transactionalId, request, { topic: offsetsTopic, partition })
    return ErrorCode.none
  } catch (error) {
    return wireError(error)
  }
}
