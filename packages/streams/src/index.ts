export {
  type ApplicationSettings,
  defineStreams,
  type StreamsDefinition,
  type TopologyDefinition,
} from './app/define-streams.ts'
export {
  KafkaStreams,
  type KafkaStreamsContext,
  type ModuleContext,
  type StateListener,
  type StopOptions,
} from './app/kafka-streams.ts'
export type { KafkaStreamsState } from './app/kafka-streams-state.ts'
export type {
  QueryableKeyValueStore,
  QueryableSessionStore,
  QueryableStores,
  QueryableWindowStore,
} from './app/queryable-stores.ts'
export { StreamsApps } from './app/streams-apps.ts'
export type {
  StreamsUncaughtExceptionHandler,
  StreamThreadExceptionResponse,
} from './app/thread-failures.ts'
export {
  type ResolvedStreamsAppsOptions,
  type ResolvedStreamsSettings,
  resolveStreamsAppsOptions,
  resolveStreamsSettings,
  type StreamsAppsOptions,
  type StreamsSettings,
} from './config.ts'
export {
  CogroupedKStream,
  SessionWindowedCogroupedKStream,
  TimeWindowedCogroupedKStream,
} from './dsl/cogrouped-kstream.ts'
export { GlobalKTable } from './dsl/global-ktable.ts'
export { KGroupedStream } from './dsl/kgrouped-stream.ts'
export { KGroupedTable } from './dsl/kgrouped-table.ts'
export { type KeyValue, KStream } from './dsl/kstream.ts'
export { KTable } from './dsl/ktable.ts'
export {
  type BufferBounds,
  type Consumed,
  type Grouped,
  type Joined,
  type Materialized,
  type Named,
  type Produced,
  type Repartitioned,
  type StreamJoined,
  Suppressed,
  type Suppression,
  type WithStores,
} from './dsl/options.ts'
export { Printed, type PrintOptions } from './dsl/printed.ts'
export type {
  DefaultKeySerde,
  DefaultSerdes,
  DefaultValueSerde,
  NoDefaultSerdes,
  SerdeFact,
  SerdesAre,
  SerdesState,
} from './dsl/serdes-state.ts'
export { StreamsBuilder, type StreamsBuilderOptions } from './dsl/streams-builder.ts'
export { SessionWindowedKStream, TimeWindowedKStream } from './dsl/windowed-kstream.ts'
export { StreamsError, type StreamsErrorCode } from './errors.ts'
export type { StreamsMetric } from './metrics/streams-metric.ts'
export type {
  ForwardedRecord,
  Processor,
  ProcessorContext,
  RecordMetadata,
  StreamRecord,
  ValuesProcessor,
  ValuesProcessorContext,
} from './processors/processor-api.ts'
export type { RecordContext, RecordHeader, RecordHeaders } from './record.ts'
export type {
  DeadLetter,
  ErrorContext,
  ErrorResponse,
  ErrorStage,
  ExceptionHandler,
  HandlerAnswer,
} from './runtime/error-handlers.ts'
export { serdes } from './serdes/index.ts'
export type { JsonCheck, StandardSchema } from './serdes/json.ts'
export type { Serde } from './serdes/serde.ts'
export {
  type KeyValueStore,
  type KeyValueStoreOptions,
  keyValueStore,
  type ReadOnlyKeyValueStore,
} from './state/key-value-store.ts'
export {
  type ReadOnlySessionStore,
  type SessionStore,
  type SessionStoreOptions,
  sessionStore,
} from './state/session-store.ts'
export type { StoreSpec } from './state/state-store.ts'
export {
  type ReadOnlyWindowStore,
  type WindowStore,
  type WindowStoreOptions,
  windowStore,
} from './state/window-store.ts'
export {
  type TestInput,
  type TestInputTopic,
  type TestInputTopicOptions,
  type TestOutputTopic,
  type TestRecord,
  TopologyTestDriver,
} from './testing/topology-test-driver.ts'
export type { QueryableStoreType } from './threads/store-query.ts'
export type { StreamThreadState, TaskMetadata, ThreadMetadata } from './threads/thread-handle.ts'
export type { Cancellable, PunctuationType } from './topology/processor-node.ts'
export {
  type OffsetReset,
  type SinkSpec,
  type SourceSpec,
  type StreamPartitioner,
  type TimestampExtractor,
  type TopicNameExtractor,
  Topology,
} from './topology/topology.ts'
export {
  EmitStrategy,
  hours,
  JoinWindows,
  minutes,
  SessionWindows,
  SlidingWindows,
  seconds,
  TimeWindows,
  type Window,
  Windowed,
} from './windows.ts'
