import { CodedError, type CodedErrorOptions } from '@khlong/core'

/** What goes wrong in the broker; the wire's error codes for them stand in one table in `server/wire-errors.ts`. */
export type KafkaErrorCode =
  | 'KAFKA_LOG_DAMAGED'
  | 'KAFKA_LOG_CLOSED'
  | 'KAFKA_STORAGE_FAILED'
  | 'KAFKA_FORMAT_UNSUPPORTED'
  | 'KAFKA_CHECKPOINT_DAMAGED'
  | 'KAFKA_OFFSET_OUT_OF_RANGE'
  | 'KAFKA_OUT_OF_ORDER_SEQUENCE'
  | 'KAFKA_PRODUCER_EPOCH_STALE'
  | 'KAFKA_TRANSACTION_STATE_INVALID'
  | 'KAFKA_TRANSACTIONAL_ID_MISSING'
  | 'KAFKA_PRODUCER_UNMAPPED'
  | 'KAFKA_COORDINATOR_STALE'
  | 'KAFKA_MESSAGE_TOO_LARGE'
  | 'KAFKA_BATCH_TOO_LARGE'
  | 'KAFKA_RECORD_INVALID'
  | 'KAFKA_TIMESTAMP_INVALID'
  | 'KAFKA_CONFIG_INVALID'
  | 'KAFKA_TOPIC_EXISTS'
  | 'KAFKA_TOPIC_UNKNOWN'
  | 'KAFKA_TOPIC_INVALID'
  | 'KAFKA_PARTITIONS_INVALID'
  | 'KAFKA_REPLICATION_INVALID'
  | 'KAFKA_ASSIGNMENT_INVALID'
  | 'KAFKA_METADATA_AWAY'
  | 'KAFKA_METADATA_DAMAGED'
  | 'KAFKA_BROKER_ID_TAKEN'
  | 'KAFKA_CLUSTER_ID_DIFFERS'
  | 'KAFKA_LISTEN_UNSAFE'
  | 'KAFKA_REQUEST_REFUSED'
  | 'KAFKA_REQUEST_INVALID'
  | 'KAFKA_CERTIFICATE_INVALID'
  | 'KAFKA_CLIENT_REFUSED'
  | 'KAFKA_HOLD_ENDED'
  | 'KAFKA_ANSWER_STALLED'
  | 'KAFKA_REQUEST_STALLED'

/** An error of the broker. Callers test `code`. */
export class KafkaError extends CodedError {
  declare readonly code: KafkaErrorCode

  constructor(code: KafkaErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options)
  }
}

export interface RefusedRecord {
  /** Its place in the batch. */
  readonly batchIndex: number
  readonly reason: string
}

/** A batch is refused for some of its records (KIP-467). */
export class RefusedRecordsError extends KafkaError {
  readonly records: readonly RefusedRecord[]

  constructor(code: KafkaErrorCode, message: string, records: readonly RefusedRecord[]) {
    super(code, message)
    this.records = records
  }
}
