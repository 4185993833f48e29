// DescribeTransactions v0.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeDescribeTransactionsRequest,
  encodeDescribeTransactionsResponse,
  type TransactionStateInput,
} from '@khlong/kafka-protocol/messages/describe-transactions'
import { AclOperation } from '../state/acls.ts'
import { mayTopic, mayTransact } from './access.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

export const describeTransactions: Handler = defineHandler({
  key: ApiKey.describeTransactions,
  decode: decodeDescribeTransactionsRequest,
  encode: encodeDescribeTransactionsResponse,
  handle(request, context) {
    return { transactionStates: request.transactionalIds.map((id) => describe(context, id)) }
  },
})

function describe(context: RequestContext, transactionalId: string): TransactionStateInput {
  const refused = (errorCode: number): TransactionStateInput => ({
    errorCode,
    transactionalId,
    transactionState: '',
    transactionTimeoutMs: 0,
    transactionStartTimeMs: -1,
    producerId: -1n,
    producerEpoch: -1,
    topics: [],
  })
  if (!mayTransact(context, AclOperation.describe, transactionalId))
    return refused(ErrorCode.transactionalIdAuthorizationFailed)
  const transaction = context.broker.transactions.get(transactionalId)
  if (!transaction) return refused(ErrorCode.transactionalIdNotFound)
  return {
    transactionalId,
    transactionState: transaction.status,
    transactionTimeoutMs: transaction.timeoutMs,
    transactionStartTimeMs: transaction.startTimestampMs,
    producerId: transaction.producerId,
    producerEpoch: transaction.producerEpoch,
    topics: [...transaction.partitions]
      .filter(([topic]) => mayTopic(context, AclOperation.describe, topic))
      .map(([topic, partitions]) => ({ topic, partitions: [...partitions] })),
  }
}
