// InitProducerId v0–5: 2 flexible · 3 epoch bumps (KIP-360) · 4 PRODUCER_FENCED · 5 TRANSACTION_ABORTABLE.
// Left out: two-phase commit of version 6 (KIP-939).
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeInitProducerIdRequest,
  encodeInitProducerIdResponse,
  type InitProducerIdRequest,
  type InitProducerIdResponseInput,
} from '@khlong/kafka-protocol/messages/init-producer-id'
import { KafkaError } from '../errors.ts'
import { wireError } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import { mayBeIdempotent, mayTransact } from './access.ts'
import { fencedFor, isTransactionCoordinatorReady } from './coordinator.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

export const initProducerId: Handler = defineHandler({
  key: ApiKey.initProducerId,
  maxVersion: 5,
  decode: decodeInitProducerIdRequest,
  encode: encodeInitProducerIdResponse,
  async handle(request, context) {
    try {
      const { transactionalId } = request
      if (transactionalId !== null)
        return await initTransactional({ ...request, transactionalId }, context)
      if (!mayBeIdempotent(context))
        return { errorCode: ErrorCode.clusterAuthorizationFailed, producerEpoch: -1 }
      return { producerId: await context.broker.producerIds.next(), producerEpoch: 0 }
    } catch (error) {
      const isAway = error instanceof KafkaError && error.code === 'KAFKA_METADATA_AWAY'
      const errorCode = isAway ? ErrorCode.coordinatorNotAvailable : wireError(error)
      return { errorCode, producerEpoch: -1 }
    }
  },
})

async function initTransactional(
  request: InitProducerIdRequest & { readonly transactionalId: string },
  context: RequestContext,
): Promise<InitProducerIdResponseInput> {
  const { transactionalId, transactionTimeoutMs, producerId, producerEpoch } = request
  const refused = (errorCode: number): InitProducerIdResponseInput => ({
    errorCode,
    producerEpoch: -1,
  })
  const isNamed = producerId >= 0n
  if (transactionalId === '' || isNamed !== producerEpoch >= 0)
    return refused(ErrorCode.invalidRequest)
  if (!mayTransact(context, AclOperation.write, transactionalId))
    return refused(ErrorCode.transactionalIdAuthorizationFailed)
  if (!(await isTransactionCoordinatorReady(context)))
    return refused(ErrorCode.coordinatorNotAvailable)
  const result = await context.broker.transactions.init({
    transactionalId,
    timeoutMs: transactionTimeoutMs,
    expected: isNamed ? { producerId, producerEpoch } : undefined,
  })
  return { ...result, errorCode: fencedFor(result.errorCode, context.version < 4) }
}
