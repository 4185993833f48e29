// ListTransactions v0–1: 1 duration. Left out: version 2, whose patterns are RE2's: what a client gives as
// a pattern must not be able to hold up everybody else.
import { ApiKey } from '@khlong/kafka-protocol'
import {
  decodeListTransactionsRequest,
  encodeListTransactionsResponse,
} from '@khlong/kafka-protocol/messages/list-transactions'
import { AclOperation } from '../state/acls.ts'
import { TransactionStatus } from '../transactions/transaction-status.ts'
import { mayTransact } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

export const listTransactions: Handler = defineHandler({
  key: ApiKey.listTransactions,
  maxVersion: 1,
  decode: decodeListTransactionsRequest,
  encode: encodeListTransactionsResponse,
  handle({ stateFilters, producerIdFilters, durationFilter }, context) {
    const { broker } = context
    const states = new Set(stateFilters)
    const producers = new Set(producerIdFilters)
    const beganBeforeMs =
      durationFilter < 0 ? Number.POSITIVE_INFINITY : broker.clock.nowMs() - durationFilter
    return {
      unknownStateFilters: stateFilters.filter((name) => !Object.hasOwn(TransactionStatus, name)),
      transactionStates: [...broker.transactions.transactions()]
        .filter(
          ({ transactionalId, status, producerId, startTimestampMs }) =>
            (states.size === 0 || states.has(status)) &&
            (producers.size === 0 || producers.has(producerId)) &&
            (durationFilter < 0 || status === 'Ongoing') &&
            startTimestampMs < beganBeforeMs &&
            mayTransact(context, AclOperation.describe, transactionalId),
        )
        .map(({ transactionalId, producerId, status }) => ({
          transactionalId,
          producerId,
          transactionState: status,
        })),
    }
  },
})
