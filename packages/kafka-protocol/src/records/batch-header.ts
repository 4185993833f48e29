import { crc32c } from '@khlong/core/bytes'
import type { CompressionType } from './compression.ts'
import { RecordsError } from './errors.ts'

// RecordBatch, magic 2 (KIP-98):
//
//    0 baseOffset int64            27 baseTimestamp int64       57 recordCount int32
//    8 batchLength int32           35 maxTimestamp int64        61 records, compressed as one
//   12 partitionLeaderEpoch int32  43 producerId int64
//   16 magic int8                  51 producerEpoch int16
//   17 crc uint32                  53 baseSequence int32
//   21 attributes int16            attributes: 0-2 compression, 3 LogAppendTime,
//   23 lastOffsetDelta int32                   4 transactional, 5 control, 6 delete horizon
//
// The checksum covers everything from `attributes` on, so that base offset and leader epoch can be
// stamped without doing it again.

/** Bytes of a batch before its records. */
export const batchHeaderBytes = 61
/** Bytes of a batch that `batchLength` does not count. */
export const batchPrefixBytes = 12
export const noProducerId = -1n
export const noSequence = -1
export const noTimestamp = -1

const smallestBatchLength = batchHeaderBytes - batchPrefixBytes
const lengthAt = 8
const epochAt = 12
const magicAt = 16
const crcAt = 17
const attributesAt = 21
const maxTimestampAt = 35
const logAppendTimeBit = 0x08
const transactionalBit = 0x10
const controlBit = 0x20
const deleteHorizonBit = 0x40

/** The fixed part of a record batch as plain values. */
export interface BatchHeader {
  /** Where the batch begins in the bytes it was read from. */
  readonly position: number
  /** Bytes of the whole batch, header and prefix included. */
  readonly byteCount: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly partitionLeaderEpoch: number
  readonly attributes: number
  readonly compression: CompressionType
  readonly lastOffsetDelta: number
  /** Of the first record; with a delete horizon, the horizon. */
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
  readonly isLogAppendTime: boolean
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly hasDeleteHorizon: boolean
}

/**
 * Reads the header of the batch that begins at `position`; the batch's end may lie beyond `bytes`.
 *
 * @throws RecordsError `RECORDS_TRUNCATED`, `RECORDS_MAGIC_UNSUPPORTED`, `RECORDS_CORRUPT`
 */
export function readBatchHeader(bytes: Buffer, position = 0): BatchHeader {
  const remaining = bytes.byteLength - position
  if (remaining < magicAt + 1) throw truncated(remaining, position)
  const magic = bytes.readInt8(position + magicAt)
  if (magic !== 2)
    throw new RecordsError(
      'RECORDS_MAGIC_UNSUPPORTED',
      `expected magic 2, found ${magic}`,
      position,
    )
  if (remaining < batchHeaderBytes) throw truncated(remaining, position)
  const batchLength = bytes.readInt32BE(position + lengthAt)
  if (batchLength < smallestBatchLength)
    throw corrupt(`batch length ${batchLength} is below ${smallestBatchLength}`, position)
  const attributes = bytes.readInt16BE(position + attributesAt)
  const compression = attributes & 0x07
  if (compression > 4) throw corrupt(`unknown compression ${compression}`, position)
  const baseOffset = readInt64(bytes, position)
  const lastOffsetDelta = bytes.readInt32BE(position + 23)
  return {
    position,
    byteCount: batchLength + batchPrefixBytes,
    baseOffset,
    lastOffset: baseOffset + lastOffsetDelta,
    partitionLeaderEpoch: bytes.readInt32BE(position + epochAt),
    attributes,
    compression: compression as CompressionType,
    lastOffsetDelta,
    baseTimestamp: readInt64(bytes, position + 27),
    maxTimestamp: readInt64(bytes, position + maxTimestampAt),
    producerId: bytes.readBigInt64BE(position + 43),
    producerEpoch: bytes.readInt16BE(position + 51),
    baseSequence: bytes.readInt32BE(position + 53),
    recordCount: bytes.readInt32BE(position + 57),
    isLogAppendTime: (attributes & logAppendTimeBit) !== 0,
    isTransactional: (attributes & transactionalBit) !== 0,
    isControl: (attributes & controlBit) !== 0,
    hasDeleteHorizon: (attributes & deleteHorizonBit) !== 0,
  }
}

/**
 * Walks the batches that lie whole in `bytes`, in order. A batch that is cut at the end (brokers cut
 * fetch responses so) ends the walk without an error; records are not looked at.
 *
 * @throws RecordsError as {@link readBatchHeader}
 */
export function* batchHeaders(bytes: Buffer, start = 0): Generator<BatchHeader, void, undefined> {
  let position = start
  while (bytes.byteLength - position >= batchHeaderBytes) {
    const header = readBatchHeader(bytes, position)
    if (position + header.byteCount > bytes.byteLength) return
    yield header
    position += header.byteCount
  }
}

/**
 * Checks that the batch lies whole in `bytes`, that its checksum holds, and that its counts agree.
 *
 * @throws RecordsError `RECORDS_TRUNCATED`, `RECORDS_CRC_MISMATCH`, `RECORDS_CORRUPT`
 */
export function checkBatch(bytes: Buffer, header: BatchHeader): void {
  const { position, byteCount, recordCount, lastOffsetDelta } = header
  if (position + byteCount > bytes.byteLength)
    throw truncated(bytes.byteLength - position, position)
  const expected = bytes.readUInt32BE(position + crcAt)
  const found = crc32c(bytes.subarray(position + attributesAt, position + byteCount))
  if (expected !== found)
    throw new RecordsError(
      'RECORDS_CRC_MISMATCH',
      `expected checksum ${expected}, found ${found}`,
      position,
    )
  if (recordCount < 0 || lastOffsetDelta < 0 || recordCount > lastOffsetDelta + 1)
    throw corrupt(`${recordCount} records with last offset delta ${lastOffsetDelta}`, position)
}

export interface BatchStamp {
  readonly baseOffset: number
  readonly leaderEpoch: number
  /** Given where the log decides the time; the checksum is then done again. */
  readonly logAppendTimeMs?: number
}

/** Writes what the log decides about a batch into its bytes, in place. */
export function stampBatch(bytes: Buffer, header: BatchHeader, stamp: BatchStamp): void {
  const { position, byteCount } = header
  writeInt64(bytes, stamp.baseOffset, position)
  bytes.writeInt32BE(stamp.leaderEpoch, position + epochAt)
  if (stamp.logAppendTimeMs === undefined) return
  bytes.writeInt16BE(header.attributes | logAppendTimeBit, position + attributesAt)
  writeInt64(bytes, stamp.logAppendTimeMs, position + maxTimestampAt)
  sealBatch(bytes.subarray(position, position + byteCount))
}

/** Who sends a batch that another producer has made, and as what in their order. */
export interface BatchSender {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
}

/**
 * Makes a stored batch one that a producer sends, in place: its records stay as they are, it belongs to
 * no transaction. `batch` is exactly one whole data batch.
 */
export function readdressBatch(batch: Buffer, sender: BatchSender): void {
  writeInt64(batch, 0, 0)
  batch.writeInt32BE(-1, epochAt)
  batch.writeInt16BE(batch.readInt16BE(attributesAt) & ~transactionalBit, attributesAt)
  batch.writeBigInt64BE(sender.producerId, 43)
  batch.writeInt16BE(sender.producerEpoch, 51)
  batch.writeInt32BE(sender.baseSequence, 53)
  sealBatch(batch)
}

/** Writes a batch's checksum into its bytes; `batch` is exactly one whole batch. */
export function sealBatch(batch: Buffer): void {
  batch.writeUInt32BE(crc32c(batch.subarray(attributesAt)), crcAt)
}

/** Values of a header that a batch is made with. */
export interface BatchHeaderFields {
  readonly baseOffset: number
  readonly partitionLeaderEpoch: number
  readonly attributes: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

/** Writes the header of a whole batch whose records are in place, and seals it. */
export function writeBatchHeader(batch: Buffer, fields: BatchHeaderFields): void {
  writeInt64(batch, fields.baseOffset, 0)
  batch.writeInt32BE(batch.byteLength - batchPrefixBytes, lengthAt)
  batch.writeInt32BE(fields.partitionLeaderEpoch, epochAt)
  batch.writeInt8(2, magicAt)
  batch.writeInt16BE(fields.attributes, attributesAt)
  batch.writeInt32BE(fields.lastOffsetDelta, 23)
  writeInt64(batch, fields.baseTimestamp, 27)
  writeInt64(batch, fields.maxTimestamp, maxTimestampAt)
  batch.writeBigInt64BE(fields.producerId, 43)
  batch.writeInt16BE(fields.producerEpoch, 51)
  batch.writeInt32BE(fields.baseSequence, 53)
  batch.writeInt32BE(fields.recordCount, 57)
  sealBatch(batch)
}

/** Attribute bits of a batch. */
export function batchAttributes(options: {
  compression: CompressionType
  isTransactional?: boolean
  isControl?: boolean
  isLogAppendTime?: boolean
}): number {
  return (
    options.compression |
    (options.isLogAppendTime ? logAppendTimeBit : 0) |
    (options.isTransactional ? transactionalBit : 0) |
    (options.isControl ? controlBit : 0)
  )
}

function readInt64(bytes: Buffer, position: number): number {
  const value = bytes.readInt32BE(position) * 0x1_0000_0000 + bytes.readUInt32BE(position + 4)
  if (Number.isSafeInteger(value)) return value
  throw corrupt('an offset or a time is beyond 2^53', position)
}

function writeInt64(bytes: Buffer, value: number, position: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  bytes.writeInt32BE(high, position)
  bytes.writeUInt32BE(value - high * 0x1_0000_0000, position + 4)
}

function truncated(remaining: number, position: number): RecordsError {
  return new RecordsError(
    'RECORDS_TRUNCATED',
    `the batch is cut after ${remaining} bytes`,
    position,
  )
}

function corrupt(message: string, position: number): RecordsError {
  return new RecordsError('RECORDS_CORRUPT', message, position)
}
