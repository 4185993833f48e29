import {
  type BatchHeader,
  Compression,
  checkBatch,
  decodeRecordsOf,
  noTimestamp,
  readBatchHeader,
} from '@khlong/kafka-protocol/records'
import { KafkaError } from '../errors.ts'
import type { LogConfig } from './log-config.ts'

/**
 * Checks what a producer sent for one partition, without decoding records where nothing asks for it
 * (a compacted topic does: each record needs a key).
 *
 * @throws KafkaError with the reason; RecordsError where the bytes are no sound batch.
 */
export function checkProduced(
  records: Buffer,
  config: LogConfig,
  origin: 'client' | 'broker',
  nowMs: number,
): BatchHeader {
  const header = readBatchHeader(records)
  if (origin === 'client') checkSize(header, config)
  checkBatch(records, header)
  if (origin === 'broker') return header
  // Since version 3 of the request there is one batch for a partition.
  if (header.byteCount !== records.byteLength) throw invalid('expected exactly one batch')
  if (header.isControl) throw invalid('clients cannot write control batches')
  if (header.recordCount < 1 || header.recordCount !== header.lastOffsetDelta + 1)
    throw invalid(`${header.recordCount} records, last offset delta ${header.lastOffsetDelta}`)
  if (header.producerId >= 0n && (header.baseSequence < 0 || header.producerEpoch < 0))
    throw invalid(`producer ${header.producerId} without epoch or sequence`)
  if (!config.isLogAppendTime && header.maxTimestamp !== noTimestamp) {
    const { timestampAfterMaxMs, timestampBeforeMaxMs } = config
    const isLate = header.maxTimestamp - nowMs > timestampAfterMaxMs
    const isEarly = nowMs - header.baseTimestamp > timestampBeforeMaxMs
    if (isLate || isEarly)
      throw new KafkaError(
        'KAFKA_TIMESTAMP_INVALID',
        `record time ${isLate ? header.maxTimestamp : header.baseTimestamp} is too far from ${nowMs}`,
      )
  }
  if (header.compression === Compression.none) checkLengths(records, header)
  if (config.isCompacted)
    for (const record of decodeRecordsOf(records, header))
      if (record.key === null) throw invalid('a compacted topic needs a key in every record')
  return header
}

/** @throws KafkaError `KAFKA_MESSAGE_TOO_LARGE` */
export function checkSize({ byteCount }: BatchHeader, { maxMessageBytes }: LogConfig): void {
  if (byteCount > maxMessageBytes)
    throw new KafkaError(
      'KAFKA_MESSAGE_TOO_LARGE',
      `batch of ${byteCount} bytes, max.message.bytes is ${maxMessageBytes}`,
    )
}

/** Steps over the records by their lengths: the count in the header must be the truth. */
function checkLengths(records: Buffer, header: BatchHeader): void {
  let position = header.position + 61
  let count = 0
  while (position < records.byteLength) {
    let length = 0
    let shift = 0
    let byte = 0
    do {
      byte = records[position++] ?? 0
      length |= (byte & 0x7f) << shift
      shift += 7
    } while (byte >= 0x80 && shift < 35)
    position += (length >>> 1) ^ -(length & 1)
    count++
    if (length <= 0 || count > header.recordCount) break
  }
  if (count !== header.recordCount || position !== records.byteLength)
    throw invalid(`the batch says ${header.recordCount} records, and holds others`)
}

function invalid(message: string): KafkaError {
  return new KafkaError('KAFKA_RECORD_INVALID', message)
}
