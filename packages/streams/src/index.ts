export {
  type ApplicationSettings,
  defineStreams,
  type StreamsDefinition,
  type TopologyDefinition,
} from './app/define-streams.ts'
export {
  KafkaStreams,
  type KafkaStreamsContext,
  type KafkaStreamsState,
} from './app/kafka-streams.ts'
export { StreamsApps } from './app/streams-apps.ts'
export {
  type ResolvedStreamsAppsOptions,
  type ResolvedStreamsSettings,
  resolveStreamsAppsOptions,
  resolveStreamsSettings,
  type StreamsAppsOptions,
  type StreamsSettings,
} from './config.ts'
export { KGroupedStream, TimeWindowedKStream } from './dsl/kgrouped-stream.ts'
export { type KeyValue, KStream } from './dsl/kstream.ts'
export { KTable } from './dsl/ktable.ts'
export {
  type BufferBounds,
  type Consumed,
  type Grouped,
  type Materialized,
  type Named,
  type Produced,
  type Repartitioned,
  Suppressed,
  type Suppression,
} from './dsl/options.ts'
export { StreamsBuilder, type StreamsBuilderOptions } from './dsl/streams-builder.ts'
export { StreamsError, type StreamsErrorCode } from './errors.ts'
export type {
  Processor,
  ProcessorContext,
  StreamRecord,
  ValuesProcessor,
  ValuesProcessorContext,
} from './processors/processor-api.ts'
export type { RecordContext, RecordHeader, RecordHeaders } from './record.ts'
export type { ErrorContext, ExceptionHandler } from './runtime/error-handlers.ts'
export { serdes } from './serdes/index.ts'
export type { JsonCheck, StandardSchema } from './serdes/json.ts'
export type { Serde } from './serdes/serde.ts'
export { keyValueStore, type ReadOnlyKeyValueStore } from './state/key-value-store.ts'
export { type ReadOnlyWindowStore, windowStore } from './state/window-store.ts'
export {
  type TestInput,
  type TestInputTopic,
  type TestOutputTopic,
  type TestRecord,
  TopologyTestDriver,
} from './testing/topology-test-driver.ts'
export { Topology } from './topology/topology.ts'
export { hours, minutes, seconds, TimeWindows, type Window, Windowed } from './windows.ts'
