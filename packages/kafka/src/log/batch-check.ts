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

/** What records of a partition must keep to. */
export interface RecordBounds {
  /** Its name, for messages. */
  readonly partition: string
  readonly config: LogConfig
  readonly nowMs: number
}

/**
 * Checks what a producer sent for one partition, without decoding records where nothing asks for it
 * (a compacted topic does: each record needs a key).
 *
 * @throws KafkaError with the reason; RecordsError where the bytes are no sound batch.
 */
export function checkProduced(
  records: Buffer,
  origin: 'client' | 'broker',
  bounds: RecordBounds,
): BatchHeader {
  const header = readBatchHeader(records)
  if (origin === 'client') checkSize(header, bounds.config)
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
  checkRecords(records, header, bounds)
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

/** @throws KafkaError `KAFKA_BATCH_TOO_LARGE` */
export function checkFitsSegment({ byteCount }: BatchHeader, bounds: RecordBounds): void {
  const { segmentBytes } = bounds.config
  if (byteCount > segmentBytes)
    throw new KafkaError(
      'KAFKA_BATCH_TOO_LARGE',
      `batch of ${byteCount} bytes for ${bounds.partition}, segment.bytes is ${segmentBytes}`,
    )
}

/** Looks at each record where the topic asks for keys, or a time may be out of bounds. */
function checkRecords(records: Buffer, header: BatchHeader, bounds: RecordBounds): void {
  const { config, partition, nowMs } = bounds
  const earliestMs = nowMs - config.timestampBeforeMaxMs
  const latestMs = nowMs + config.timestampAfterMaxMs
  const areTimesJudged = !config.isLogAppendTime && header.maxTimestamp !== noTimestamp
  // The header has the latest time, and not the earliest; with Kafka's default no time is too early.
  const mayTimesBeWrong = areTimesJudged && (header.maxTimestamp > latestMs || earliestMs > 0)
  if (!config.isCompacted && !mayTimesBeWrong) return
  let areTimesWrong = false
  const refused = refusedOf(records, header, ({ key, timestamp }, batchIndex) => {
    // Kafka says of a record only the first that is wrong with it.
    if (config.isCompacted && key === null)
      return `Compacted topic cannot accept message without key in topic partition ${partition}`
    if (!areTimesJudged || timestamp === noTimestamp) return undefined
    if (timestamp >= earliestMs && timestamp <= latestMs) return undefined
    areTimesWrong = true
    return `Timestamp ${timestamp} of message with offset ${batchIndex} is out of range. The timestamp should be within [${earliestMs}, ${latestMs}]`
  })
  if (refused.length === 0) return
  const told = 'One or more records have been rejected due to'
  if (areTimesWrong)
    throw new RefusedRecordsError('KAFKA_TIMESTAMP_INVALID', `${told} invalid timestamp`, refused)
  const first = refused
    .slice(0, 3)
    .map(({ batchIndex, reason }) => `RecordError(batchIndex=${batchIndex}, message='${reason}')`)
  throw new RefusedRecordsError(
    'KAFKA_RECORD_INVALID',
    `${told} ${refused.length} record errors in total, and only showing the first three errors at most: [${first.join(', ')}]`,
    refused,
  )
}

function refusedOf(
  records: Buffer,
  header: BatchHeader,
  whyRefused: (record: KafkaRecord, batchIndex: number) => string | undefined,
): RefusedRecord[] {
  const refused: RefusedRecord[] = []
  let batchIndex = 0
  for (const record of decodeRecordsOf(records, header)) {
    const reason = whyRefused(record, batchIndex)
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
