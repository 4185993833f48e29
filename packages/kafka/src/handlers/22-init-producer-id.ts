// InitProducerId v0–5: 2 flexible · 3 epoch bumps. For idempotent producers; a transactional id is
// refused, since there are no transactions yet.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeInitProducerIdRequest,
  encodeInitProducerIdResponse,
} from '@khlong/kafka-protocol/messages/init-producer-id'
import { KafkaError } from '../errors.ts'
import { wireError } from '../server/wire-errors.ts'
import { defineHandler, type Handler } from './handler.ts'

export const initProducerId: Handler = defineHandler({
  key: ApiKey.initProducerId,
  decode: decodeInitProducerIdRequest,
  encode: encodeInitProducerIdResponse,
  async handle(request, context) {
    if (request.transactionalId !== null)
      return { errorCode: ErrorCode.transactionalIdAuthorizationFailed, producerEpoch: -1 }
    try {
      return { producerId: await context.broker.producerIds.next(), producerEpoch: 0 }
    } catch (error) {
      const isAway = error instanceof KafkaError && error.code === 'KAFKA_METADATA_AWAY'
      const errorCode = isAway ? ErrorCode.coordinatorNotAvailable : wireError(error)
      return { errorCode, producerEpoch: -1 }
    }
  },
})
