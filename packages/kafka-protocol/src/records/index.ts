export {
  BatchBuilder,
  type BatchBuilderOptions,
  type RecordBytes,
  type RecordHeaderInput,
} from './batch-builder.ts'
export {
  type BatchHeader,
  type BatchHeaderFields,
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
  type ControlRecord,
  type DecodeRecordsOptions,
  decodeControlRecord,
  decodeRecords,
  decodeRecordsOf,
  type KafkaRecord,
  type RecordHeader,
} from './record-reader.ts'
