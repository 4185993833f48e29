import {
  type BatchHeader,
  Compression,
  checkBatch,
  decodeRecordsOf,
  type KafkaRecord,
  noTimestamp,
  readBatchHeader,
} from '@khlong/kafka-protocol/records'
import { KafkaError, type RefusedRecord, RefusedRecordsError } from '../errors.ts'
import type { LogConfig } from './log-config.ts'

/** Of a refused batch so many records are told with their reasons. */
const toldRecordsMax = 1_000

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
  if (header.compression === Compression.none) checkLengths(records, header)
  if (!config.isLogAppendTime && header.maxTimestamp !== noTimestamp)
    checkTimes(records, header, config, nowMs)
  if (config.isCompacted) checkKeys(records, header)
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

function checkTimes(records: Buffer, header: BatchHeader, config: LogConfig, nowMs: number): void {
  const earliestMs = nowMs - config.timestampBeforeMaxMs
  const latestMs = nowMs + config.timestampAfterMaxMs
  if (header.maxTimestamp <= latestMs && header.baseTimestamp >= earliestMs) return
  const refused = refusedOf(records, header, ({ timestamp }) =>
    timestamp < earliestMs || timestamp > latestMs
      ? `time ${timestamp} is not from ${earliestMs} to ${latestMs}`
      : undefined,
  )
  const time = header.maxTimestamp > latestMs ? header.maxTimestamp : header.baseTimestamp
  const message = `record time ${time} is too far from ${nowMs}`
  throw new RefusedRecordsError('KAFKA_TIMESTAMP_INVALID', message, refused)
}

function checkKeys(records: Buffer, header: BatchHeader): void {
  const refused = refusedOf(records, header, ({ key }) =>
    key === null ? 'a compacted topic needs a key' : undefined,
  )
  if (refused.length === 0) return
  const message = 'a compacted topic needs a key in every record'
  throw new RefusedRecordsError('KAFKA_RECORD_INVALID', message, refused)
}

function refusedOf(
  records: Buffer,
  header: BatchHeader,
  whyRefused: (record: KafkaRecord) => string | undefined,
): RefusedRecord[] {
  const refused: RefusedRecord[] = []
  let batchIndex = 0
  for (const record of decodeRecordsOf(records, header)) {
    const reason = whyRefused(record)
    if (reason !== undefined && refused.length < toldRecordsMax)
      refused.push({ batchIndex, reason })
    batchIndex++
  }
  return refused
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
