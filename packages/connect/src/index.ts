/** How options are described: `configField.string('…')`. */

export { findWorkers } from './cluster/find-workers.ts'
export type { ConfigMap } from './config/fields.ts'
export * as configField from './config/fields.ts'
export { ConfigSpec } from './config/spec.ts'
export type { Header, KafkaRecord, SinkRecord, SourceRecord } from './data/record.ts'
export type { ConnectObject, ConnectValue, Schema } from './data/schema.ts'
export { ConnectError, type ConnectErrorCode } from './errors.ts'
export { connectFormats } from './formats.ts'
export {
  type ConnectOptions,
  type ResolvedConnectOptions,
  resolveConnectOptions,
} from './options.ts'
export {
  type ConnectorPlugin,
  defineSink,
  defineSource,
  type SinkPlugin,
  type SinkTask,
  type SinkTaskContext,
  type SourcePlugin,
  type SourceTask,
  type SourceTaskContext,
  type SourceTransactions,
} from './plugin.ts'
export { type ConnectContext, ConnectWorker } from './worker.ts'
