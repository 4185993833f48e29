import type { Clock, Logger, Random } from '@khlong/core'
import type { ConfigMap } from './config/fields.ts'
import type { ConfigSpec } from './config/spec.ts'
import type { SinkRecord, SourceRecord } from './data/record.ts'
import type { ConnectObject } from './data/schema.ts'

/** What a task is given by the worker. */
export interface TaskContext {
  readonly connector: string
  readonly task: number
  readonly logger: Logger
  readonly clock: Clock
  readonly random: Random
  /** The address to use for a host that a configuration names (`mosquitto`, `mongo`…). */
  resolveHost(host: string): string
}

export interface SinkTaskContext extends TaskContext {
  /**
   * Sends a record that the target refused the way of errors: to the dead letter topic, or into the
   * log, where `errors.tolerance` is `all`.
   *
   * @throws the error itself where nothing is tolerated.
   */
  reportErrant(record: SinkRecord, error: Error): void
}

export interface SourceTaskContext extends TaskContext {
  /** The offset that was last written for a partition of the source; undefined on the first run. */
  readOffset(partition: ConnectObject): ConnectObject | undefined
  /** To be called when `isReady` changed. */
  onReadyChange(): void
  /** Writes an offset that belongs to no record; resolved when it is durable. */
  writeOffset(partition: ConnectObject, offset: ConnectObject): Promise<void>
  /** Where the source says when transactions end: with `transaction.boundary=connector`. */
  readonly transactions?: SourceTransactions | undefined
}

/**
 * The ends of transactions, as the source wishes them. Without a record they are for the batch that
 * `poll` gives next; with one of its records, for what was read up to it.
 */
export interface SourceTransactions {
  commit(record?: SourceRecord): void
  /** The records are taken back. They are not read again: their offsets count. */
  abort(record?: SourceRecord): void
}

/** Takes records out of Kafka. */
export interface SinkTask {
  /** One line of what keeps it from working, while it tries again by itself. */
  readonly note?: string | undefined
  /** Where it listens, `host:port` by listener name; none for most. */
  readonly addresses?: Readonly<Record<string, string>>
  /** @throws what fails the task; nothing is fetched before it is resolved. */
  start(): Promise<void>
  /**
   * Takes a batch. Records are borrowed until the promise is settled.
   *
   * @throws a `retriable` ConnectError to get the same batch again after a while; any other error
   *   fails the task.
   */
  put(records: readonly SinkRecord[]): Promise<void>
  /** Resolved when everything that was put is durable; offsets are committed after it. */
  flush?(): Promise<void>
  stop(): Promise<void>
}

/** Brings records into Kafka. */
export interface SourceTask {
  readonly note?: string | undefined
  /** Whether it gets what its source sends: subscribed, opened. */
  readonly isReady: boolean
  start(): Promise<void>
  /** The next records, or none when `signal` is aborted or it likes to be asked again. */
  poll(signal: AbortSignal): Promise<readonly SourceRecord[]>
  /** The oldest `count` records that were polled and not yet committed are durable in Kafka. */
  commit(count: number): void
  stop(): Promise<void>
}

/** Options that begin alike, such as `topic.override.*`. */
export interface OptionPrefix {
  readonly prefix: string
  /** Why they are accepted and have no effect here. */
  readonly ignored?: string
  /** What they ask for that is refused. */
  readonly unsupported?: string
}

interface ConnectorPluginBase {
  /** Java's class name. */
  readonly className: string
  /** Class names of other connectors whose options it takes, too. */
  readonly aliases?: readonly string[]
  readonly version: string
  /** Options beside those that every connector has. */
  readonly spec: ConfigSpec
  /** Families of options that are known by how they begin. */
  readonly prefixes?: readonly OptionPrefix[]
  /** What is wrong about options together. Options themselves are checked by the spec. */
  check?(config: ConfigMap): readonly { option: string; error: string }[]
  /** How many tasks are of use; `tasks.max` is the limit. Default: one. */
  taskCount?(config: ConfigMap, tasksMax: number): number
  /** Where it reads or writes beside Kafka, for the flow page: `mqtt:iot-frames`. */
  describe(config: ConfigMap): readonly string[]
}

export interface SinkPlugin extends ConnectorPluginBase {
  readonly kind: 'sink'
  /** Whether tasks read the headers of records; without transforms they are not converted else. */
  readonly usesHeaders?: boolean
  createTask(config: ConfigMap, context: SinkTaskContext): SinkTask
}

export interface SourcePlugin extends ConnectorPluginBase {
  readonly kind: 'source'
  createTask(config: ConfigMap, context: SourceTaskContext): SourceTask
  /** The Kafka topics that it writes. */
  topics(config: ConfigMap): readonly string[]
  /** Whether its offsets tell all that is needed to go on without loss and doubles. Default: it is not known. */
  isExactlyOnce?(config: ConfigMap): boolean
  /** Whether its tasks use `transactions` of their context. Default: no. */
  definesTransactions?(config: ConfigMap): boolean
}

/** A kind of connector. */
export type ConnectorPlugin = SinkPlugin | SourcePlugin

/** A source, with the types of its parts filled in: `export default defineSource({…})`. */
export function defineSource(source: Omit<SourcePlugin, 'kind'>): SourcePlugin {
  return { kind: 'source', ...source }
}

/** A sink, with the types of its parts filled in: `export default defineSink({…})`. */
export function defineSink(sink: Omit<SinkPlugin, 'kind'>): SinkPlugin {
  return { kind: 'sink', ...sink }
}
