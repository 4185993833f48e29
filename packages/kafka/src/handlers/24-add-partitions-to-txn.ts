// AddPartitionsToTxn v0–5: 2 PRODUCER_FENCED · 3 flexible · 4 several transactions, for brokers, and to
// verify only · 5 TRANSACTION_ABORTABLE.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  type AddPartitionsToTxnTopic,
  type AddPartitionsToTxnTopicResultInput,
  decodeAddPartitionsToTxnRequest,
  encodeAddPartitionsToTxnResponse,
} from '@khlong/kafka-protocol/messages/add-partitions-to-txn'
import { wireError } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import { isInternalTopic } from '../state/topic.ts'
import type { ProducerIdentity } from '../transactions/transaction.ts'
import { mayCluster, mayTopic, mayTransact } from './access.ts'
import { fencedFor, isTransactionCoordinatorReady } from './coordinator.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

interface Wanted {
  readonly transactionalId: string
  readonly producer: ProducerIdentity
  readonly topics: readonly AddPartitionsToTxnTopic[]
  readonly isVerifyOnly: boolean
}

export const addPartitionsToTxn: Handler = defineHandler({
  key: ApiKey.addPartitionsToTxn,
  decode: decodeAddPartitionsToTxnRequest,
  encode: encodeAddPartitionsToTxnResponse,
  async handle(request, context) {
    const isReady = await isTransactionCoordinatorReady(context)
    const answer = (wanted: Wanted): AddPartitionsToTxnTopicResultInput[] =>
      isReady
        ? addTo(wanted, context)
        : results(wanted.topics, () => ErrorCode.coordinatorNotAvailable)
    if (context.version < 4) {
      const { v3AndBelowTransactionalId, v3AndBelowProducerId, v3AndBelowProducerEpoch } = request
      return {
        resultsByTopicV3AndBelow: answer({
          transactionalId: v3AndBelowTransactionalId,
          producer: { producerId: v3AndBelowProducerId, producerEpoch: v3AndBelowProducerEpoch },
          topics: request.v3AndBelowTopics,
          isVerifyOnly: false,
        }),
      }
    }
    if (!mayCluster(context, AclOperation.clusterAction))
      return { errorCode: ErrorCode.clusterAuthorizationFailed }
    return {
      resultsByTransaction: request.transactions.map((transaction) => ({
        transactionalId: transaction.transactionalId,
        topicResults: answer({
          transactionalId: transaction.transactionalId,
          producer: transaction,
          topics: transaction.topics,
          isVerifyOnly: transaction.verifyOnly,
        }),
      })),
    }
  },
})

function addTo(wanted: Wanted, context: RequestContext): AddPartitionsToTxnTopicResultInput[] {
  const { broker } = context
  const { transactionalId, producer, topics, isVerifyOnly } = wanted
  if (transactionalId === '') return results(topics, () => ErrorCode.invalidRequest)
  if (context.version < 4 && !mayTransact(context, AclOperation.write, transactionalId))
    return results(topics, () => ErrorCode.transactionalIdAuthorizationFailed)
  const refusal = (topic: string, partition: number): number => {
    const isAllowed =
      context.version >= 4 ||
      (mayTopic(context, AclOperation.write, topic) && !isInternalTopic(topic))
    if (!isAllowed) return ErrorCode.topicAuthorizationFailed
    const known = broker.topics.get(topic)
    return known && partition >= 0 && partition < known.partitions.length
      ? ErrorCode.none
      : ErrorCode.unknownTopicOrPartition
  }
  const isRefused = topics.some(({ name, partitions }) =>
    partitions.some((partition) => refusal(name, partition) !== ErrorCode.none),
  )
  // All of them or none.
  if (isRefused)
    return results(
      topics,
      (topic, partition) => refusal(topic, partition) || ErrorCode.operationNotAttempted,
    )
  if (isVerifyOnly)
    return results(topics, (topic, partition) => {
      try {
        broker.transactions.verify(transactionalId, producer, { topic, partition })
        return ErrorCode.none
      } catch (error) {
        return wireError(error)
      }
    })
  const partitions = topics.flatMap(({ name, partitions: indexes }) =>
    indexes.map((partition) => ({ topic: name, partition })),
  )
  const errorCode = broker.transactions.add(transactionalId, producer, partitions)
  return results(topics, () => fencedFor(errorCode, context.version < 2))
}

function results(
  topics: readonly AddPartitionsToTxnTopic[],
  errorOf: (topic: string, partition: number) => number,
): AddPartitionsToTxnTopicResultInput[] {
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: errorOf(name, partitionIndex),
    })),
  }))
}
