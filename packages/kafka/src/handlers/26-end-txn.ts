// EndTxn v0–4: 2 PRODUCER_FENCED · 3 flexible · 4 TRANSACTION_ABORTABLE. The answer comes when the markers
// are in all partitions and flushed. Left out: version 5, which belongs to the second transaction protocol
// (KIP-890) and gives the next epoch.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import { decodeEndTxnRequest, encodeEndTxnResponse } from '@khlong/kafka-protocol/messages/end-txn'
import { AclOperation } from '../state/acls.ts'
import { mayTransact } from './access.ts'
import { fencedFor, isTransactionCoordinatorReady } from './coordinator.ts'
import { defineHandler, type Handler } from './handler.ts'

export const endTxn: Handler = defineHandler({
  key: ApiKey.endTxn,
  maxVersion: 4,
  decode: decodeEndTxnRequest,
  encode: encodeEndTxnResponse,
  async handle(request, context) {
    const { transactionalId, committed } = request
    if (transactionalId === '') return { errorCode: ErrorCode.invalidRequest }
    if (!mayTransact(context, AclOperation.write, transactionalId))
      return { errorCode: ErrorCode.transactionalIdAuthorizationFailed }
    if (!(await isTransactionCoordinatorReady(context)))
      return { errorCode: ErrorCode.coordinatorNotAvailable }
    const errorCode = await context.broker.transactions.end(transactionalId, request, committed)
    return { errorCode: fencedFor(errorCode, context.version < 2) }
  },
})
