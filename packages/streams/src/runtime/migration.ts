import { KafkaClientError } from '@khlong/kafka-client'
import { StreamsError } from '../errors.ts'

/** Errors of a commit that say that the group has gone into another round without this member. */
const groupMovedOn: ReadonlySet<string> = new Set([
  'KAFKA_ILLEGAL_GENERATION',
  'KAFKA_UNKNOWN_MEMBER_ID',
  'KAFKA_REBALANCE_IN_PROGRESS',
])

/** Errors after which a transaction is lost, and with it what was processed since the last commit. */
const transactionLost: ReadonlySet<string> = new Set([
  'KAFKA_PRODUCER_FENCED',
  'KAFKA_INVALID_PRODUCER_EPOCH',
  'KAFKA_INVALID_PRODUCER_ID_MAPPING',
  'KAFKA_UNKNOWN_PRODUCER_ID',
  'KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER',
  'KAFKA_INVALID_TXN_STATE',
  'KAFKA_TRANSACTION_ABORTABLE',
  'KAFKA_STALE_MEMBER_EPOCH',
])

/** Whether the group goes on without this member, or in another round. */
export const hasGroupMovedOn = (error: unknown): boolean =>
  error instanceof KafkaClientError && groupMovedOn.has(error.code)

/**
 * What an error means for an application with transactions: `STREAMS_TASK_MIGRATED` where it goes on
 * from the last commit as a new member, otherwise the error itself.
 */
export function asMigration(error: unknown): unknown {
  if (!(error instanceof KafkaClientError)) return error
  if (!error.retriable && !hasGroupMovedOn(error) && !transactionLost.has(error.code)) return error
  return taskMigrated(error)
}

/** The tasks belong to others, or to the last commit: what came after it is taken back. */
export function taskMigrated(cause?: unknown): StreamsError {
  return new StreamsError(
    'STREAMS_TASK_MIGRATED',
    'the transaction was lost; the application goes on from its last commit as a new member',
    cause === undefined ? { retriable: true } : { cause, retriable: true },
  )
}
