import { Reader, Writer } from '@khlong/core/bytes'
import {
  decodeTransactionLogKey,
  decodeTransactionLogValue,
  encodeTransactionLogKey,
  encodeTransactionLogValue,
} from '@khlong/kafka-protocol/messages/transaction-log-record'
import { KafkaError } from '../errors.ts'
import { TransactionStatus, type TransactionStatusName } from './transaction-status.ts'

// Records of __transaction_state, in Kafka's own formats: an int16 version, then the message. The key is
// the transactional id; a null value is a tombstone. Values are written in version 0, which every Kafka
// reads, and read up to version 1.

const keyVersion = 0
const valueVersion = 0
const valueVersionMax = 1

/** What is kept of a transactional id. */
export interface KeptTransaction {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly timeoutMs: number
  readonly status: TransactionStatusName
  /** Partitions by topic. */
  readonly partitions: ReadonlyMap<string, ReadonlySet<number>>
  readonly updateTimestampMs: number
  /** -1 outside of a transaction. */
  readonly startTimestampMs: number
}

const writer = new Writer(512)

export function transactionKey(transactionalId: string): Buffer {
  writer.reset().int16(keyVersion)
  encodeTransactionLogKey(writer, { transactionalId }, keyVersion)
  return writer.copy()
}

export function transactionValue(kept: KeptTransaction): Buffer {
  writer.reset().int16(valueVersion)
  encodeTransactionLogValue(
    writer,
    {
      producerId: kept.producerId,
      producerEpoch: kept.producerEpoch,
      transactionTimeoutMs: kept.timeoutMs,
      transactionStatus: TransactionStatus[kept.status],
      transactionPartitions:
        kept.status === 'Empty'
          ? null
          : [...kept.partitions].map(([topic, ids]) => ({ topic, partitionIds: [...ids] })),
      transactionLastUpdateTimestampMs: kept.updateTimestampMs,
      transactionStartTimestampMs: kept.startTimestampMs,
    },
    valueVersion,
  )
  return writer.copy()
}

/** Reads a record; undefined for keys of kinds that are not known. */
export function readTransactionRecord(
  key: Buffer,
  value: Buffer | null,
): { readonly transactionalId: string; readonly kept: KeptTransaction | undefined } | undefined {
  const reader = new Reader(key)
  if (reader.int16() !== keyVersion) return undefined
  const { transactionalId } = decodeTransactionLogKey(reader, keyVersion)
  reader.finish()
  return { transactionalId, kept: value ? readValue(value) : undefined }
}

function readValue(value: Buffer): KeptTransaction {
  const reader = new Reader(value)
  const version = reader.int16()
  if (version > valueVersionMax)
    throw new KafkaError(
      'KAFKA_FORMAT_UNSUPPORTED',
      `a record of __transaction_state has version ${version}, this Khlong reads up to ${valueVersionMax}`,
    )
  const decoded = decodeTransactionLogValue(reader, version)
  reader.finish()
  const names = Object.keys(TransactionStatus) as TransactionStatusName[]
  const status = names.find((name) => TransactionStatus[name] === decoded.transactionStatus)
  return {
    producerId: decoded.producerId,
    producerEpoch: decoded.producerEpoch,
    timeoutMs: decoded.transactionTimeoutMs,
    status: status ?? 'Empty',
    partitions: new Map(
      decoded.transactionPartitions?.map(({ topic, partitionIds }) => [
        topic,
        new Set(partitionIds),
      ]),
    ),
    updateTimestampMs: decoded.transactionLastUpdateTimestampMs,
    startTimestampMs: decoded.transactionStartTimestampMs,
  }
}
