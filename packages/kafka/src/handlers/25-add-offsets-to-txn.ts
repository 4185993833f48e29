// AddOffsetsToTxn v0–4: 2 PRODUCER_FENCED · 3 flexible · 4 TRANSACTION_ABORTABLE.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeAddOffsetsToTxnRequest,
  encodeAddOffsetsToTxnResponse,
} from '@khlong/kafka-protocol/messages/add-offsets-to-txn'
import { AclOperation } from '../state/acls.ts'
import { offsetsTopic } from '../state/topic.ts'
import { mayGroup, mayTransact } from './access.ts'
import { fencedFor, isCoordinatorReady, isTransactionCoordinatorReady } from './coordinator.ts'
import { defineHandler, type Handler } from './handler.ts'

export const addOffsetsToTxn: Handler = defineHandler({
  key: ApiKey.addOffsetsToTxn,
  decode: decodeAddOffsetsToTxnRequest,
  encode: encodeAddOffsetsToTxnResponse,
  async handle(request, context) {
    const { transactionalId, groupId } = request
    const { broker, version } = context
    if (transactionalId === '') return { errorCode: ErrorCode.invalidRequest }
    if (!mayTransact(context, AclOperation.write, transactionalId))
      return { errorCode: ErrorCode.transactionalIdAuthorizationFailed }
    if (!mayGroup(context, AclOperation.read, groupId))
      return { errorCode: ErrorCode.groupAuthorizationFailed }
    const isReady =
      (await isTransactionCoordinatorReady(context)) && (await isCoordinatorReady(context))
    if (!isReady) return { errorCode: ErrorCode.coordinatorNotAvailable }
    const partition = broker.groups.partitionOf(groupId)
    const errorCode = broker.transactions.add(transactionalId, request, [
      { topic: offsetsTopic, partition },
    ])
    return { errorCode: fencedFor(errorCode, version < 2) }
  },
})
