import { CodedError } from '@khlong/core'
import { ErrorCode } from '@khlong/kafka-protocol'

/** Every error of ours, and of record batches, as the protocol's clients know it. */
const codes: Readonly<Record<string, number>> = {
  KAFKA_LOG_DAMAGED: ErrorCode.kafkaStorageError,
  KAFKA_LOG_CLOSED: ErrorCode.notLeaderOrFollower,
  KAFKA_STORAGE_FAILED: ErrorCode.kafkaStorageError,
  KAFKA_FORMAT_UNSUPPORTED: ErrorCode.kafkaStorageError,
  KAFKA_CHECKPOINT_DAMAGED: ErrorCode.kafkaStorageError,
  KAFKA_OFFSET_OUT_OF_RANGE: ErrorCode.offsetOutOfRange,
  KAFKA_OUT_OF_ORDER_SEQUENCE: ErrorCode.outOfOrderSequenceNumber,
  KAFKA_PRODUCER_EPOCH_STALE: ErrorCode.invalidProducerEpoch,
  KAFKA_TRANSACTION_STATE_INVALID: ErrorCode.invalidTxnState,
  KAFKA_TRANSACTIONAL_ID_MISSING: ErrorCode.transactionalIdAuthorizationFailed,
  KAFKA_PRODUCER_UNMAPPED: ErrorCode.invalidProducerIdMapping,
  KAFKA_COORDINATOR_STALE: ErrorCode.transactionCoordinatorFenced,
  KAFKA_MESSAGE_TOO_LARGE: ErrorCode.messageTooLarge,
  KAFKA_BATCH_TOO_LARGE: ErrorCode.recordListTooLarge,
  KAFKA_RECORD_INVALID: ErrorCode.invalidRecord,
  KAFKA_TIMESTAMP_INVALID: ErrorCode.invalidTimestamp,
  KAFKA_CONFIG_INVALID: ErrorCode.invalidConfig,
  KAFKA_REQUEST_INVALID: ErrorCode.invalidRequest,
  KAFKA_TOPIC_EXISTS: ErrorCode.topicAlreadyExists,
  KAFKA_TOPIC_UNKNOWN: ErrorCode.unknownTopicOrPartition,
  KAFKA_TOPIC_INVALID: ErrorCode.invalidTopicException,
  KAFKA_PARTITIONS_INVALID: ErrorCode.invalidPartitions,
  KAFKA_REPLICATION_INVALID: ErrorCode.invalidReplicationFactor,
  KAFKA_ASSIGNMENT_INVALID: ErrorCode.invalidReplicaAssignment,
  // Retriable in every client, and what a broker answers when its controller is away.
  KAFKA_METADATA_AWAY: ErrorCode.notController,
  RECORDS_TRUNCATED: ErrorCode.corruptMessage,
  RECORDS_MAGIC_UNSUPPORTED: ErrorCode.unsupportedForMessageFormat,
  RECORDS_CRC_MISMATCH: ErrorCode.corruptMessage,
  RECORDS_CORRUPT: ErrorCode.corruptMessage,
  RECORDS_TOO_LARGE: ErrorCode.messageTooLarge,
}

/** The protocol's code for what was thrown; UNKNOWN_SERVER_ERROR where it has none. */
export function wireError(error: unknown): number {
  const code = error instanceof CodedError ? codes[error.code] : undefined
  // A call of the system that failed is the disk's.
  const isOfDisk = error instanceof Error && 'syscall' in error
  if (isOfDisk) return ErrorCode.kafkaStorageError
  return code ?? ErrorCode.unknownServerError
}

/** What a client is told beside the code. */
export function wireMessage(error: unknown): string | null {
  return error instanceof CodedError ? error.message : null
}
