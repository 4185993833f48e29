export { type RecordCursor, recordCursor } from '@khlong/kafka-protocol/records'
export {
  Admin,
  type AdminContext,
  type ClusterDescription,
  type ConfigChange,
  type ConfigEntry,
  type ConfigResource,
  type ConfigSource,
  type NewTopic,
  type TopicDescription,
} from './admin.ts'
export type { GroupDescription, GroupListing, GroupMemberDescription } from './admin-groups.ts'
export {
  type Assignor,
  cooperativeStickyAssignor,
  rangeAssignor,
  roundRobinAssignor,
  type SubscribedMember,
} from './assignors.ts'
export type { BatchOutcome, KeptRecords, Receipt } from './batch-receipts.ts'
export { Consumer, type ConsumerContext } from './consumer.ts'
export {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type MemberAssignment,
  type Subscription,
} from './consumer-protocol.ts'
export { KafkaClientError, type KafkaClientErrorCode } from './errors.ts'
export type { RawBatch } from './fetched-chunk.ts'
export {
  type FetchAssignment,
  Fetcher,
  type FetcherContext,
} from './fetcher.ts'
export {
  type Generation,
  type GroupHandlers,
  GroupMember,
  type GroupMemberContext,
  type GroupProtocol,
  type JoinedMember,
  type LeaveOptions,
} from './group-member.ts'
export type { CommittedOffset } from './group-offsets.ts'
export { KafkaClient } from './kafka-client.ts'
export { MarkerWriter } from './marker-writer.ts'
export type {
  BrokerMetadata,
  MetadataCache,
  PartitionMetadata,
  TopicMetadata,
} from './metadata.ts'
export { newWriterIdentity, OffsetWriter, type WriterIdentity } from './offset-writer.ts'
export type { ListedOffset, OffsetSpec } from './offsets.ts'
export type {
  ConsumerOptions,
  FetcherOptions,
  GroupMemberOptions,
  KafkaClientContext,
  KafkaClientOptions,
  ProducerOptions,
} from './options.ts'
export { clientOptionsOf, resolveConsumerOptions, resolveProducerOptions } from './options.ts'
export type { PartitionReader } from './partition-reader.ts'
export { keyPartition, murmur2 } from './partitioner.ts'
export type { PartitionBatches, PartitionRecords } from './polled.ts'
export { Producer, type ProducerContext } from './producer.ts'
export type { Acknowledge } from './receipts.ts'
export {
  ConsumerRecord,
  type HeaderBlock,
  type HeadersInput,
  type Partitioner,
  type ProducerRecord,
  type RecordBytes,
  type RecordHeader,
  type RecordMetadata,
  type TopicPartition,
} from './record.ts'
export {
  batchOffsets,
  emptyRecords,
  type RepackedBatch,
  type RepackOptions,
  repackBatches,
} from './repack.ts'
export {
  type ClientSecurityOptions,
  clientFileKeys,
  clientSecurityKeys,
  clientSecurityOf,
  clientSecurityShape,
} from './security-settings.ts'
export type { RebalanceListener } from './subscription-member.ts'
export type { GroupMetadata, OffsetToCommit } from './transactions.ts'
