export { BatchBuilder, type BatchBuilderOptions, type BatchMemory } from './batch-builder.ts'
export {
  type BatchHeader,
  type BatchHeaderFields,
  type BatchSender,
  type BatchStamp,
  batchAttributes,
  batchHeaderBytes,
  batchHeaders,
  batchPrefixBytes,
  checkBatch,
  noProducerId,
  noSequence,
  noTimestamp,
  readBatchHeader,
  readdressBatch,
  sealBatch,
  stampBatch,
  writeBatchHeader,
} from './batch-header.ts'
export {
  Compression,
  type CompressionName,
  type CompressionType,
  compressionName,
} from './compression.ts'
export { RecordsError, type RecordsErrorCode } from './errors.ts'
export {
  HeaderBlock,
  type HeadersInput,
  noHeaders,
  type RecordBytes,
  type RecordHeader,
  type RecordHeaderInput,
} from './headers.ts'
export {
  type ControlRecord,
  type DecodeRecordsOptions,
  decodeControlRecord,
  decodeRecords,
  decodeRecordsOf,
  type KafkaRecord,
  type RecordCursor,
  recordCursor,
} from './record-reader.ts'
