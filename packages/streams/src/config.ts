import { type Clock, checkSettings, type Logger, type SettingsSource } from '@khlong/core'
import { type ClientSecurityOptions, clientSecurityShape } from '@khlong/kafka-client'
import { z } from 'zod'
import { type PrefixedSettings, splitSettings } from './client-settings.ts'
import {
  type ErrorHandlers,
  type ExceptionHandler,
  logAndContinue,
  logAndFail,
} from './runtime/error-handlers.ts'
import type { TaskCounts, TaskSettings } from './runtime/task.ts'
import type { Serde } from './serdes/serde.ts'
import { RecordCache } from './state/record-cache.ts'
import type { OffsetReset, TimestampExtractor } from './topology/topology.ts'

// The keys of Java's StreamsConfig, with its meanings and defaults.

const javaErrors = 'org.apache.kafka.streams.errors'
const javaProcessor = 'org.apache.kafka.streams.processor'

const handlerNames: Readonly<Record<string, ExceptionHandler>> = {
  'log-and-continue': logAndContinue,
  'log-and-fail': logAndFail,
  [`${javaErrors}.LogAndContinueExceptionHandler`]: logAndContinue,
  [`${javaErrors}.LogAndFailExceptionHandler`]: logAndFail,
  [`${javaErrors}.LogAndContinueProcessingExceptionHandler`]: logAndContinue,
  [`${javaErrors}.LogAndFailProcessingExceptionHandler`]: logAndFail,
  [`${javaErrors}.DefaultProductionExceptionHandler`]: logAndFail,
}

const extractorNames: Readonly<Record<string, TimestampExtractor | undefined>> = {
  [`${javaProcessor}.FailOnInvalidTimestamp`]: undefined,
  [`${javaProcessor}.LogAndSkipOnInvalidTimestamp`]: (record) => record.timestampMs,
  [`${javaProcessor}.UsePartitionTimeOnInvalidTimestamp`]: (record, _value, partitionTimeMs) =>
    record.timestampMs < 0 ? partitionTimeMs : record.timestampMs,
  [`${javaProcessor}.WallclockTimestampExtractor`]: () => Date.now(),
}

const isFunction = (value: unknown): boolean => typeof value === 'function'
const isSerde = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'serialize' in value && 'deserialize' in value

const named = <T>(names: Readonly<Record<string, T>>, what: string): z.ZodType<string> =>
  z.string().refine((name) => Object.hasOwn(names, name), {
    error: `expected a function or one of ${Object.keys(names).join(', ')} (${what})`,
  })

const handler = z
  .union([z.custom<ExceptionHandler>(isFunction), named(handlerNames, 'an exception handler')])
  .default('log-and-fail')

const serde = z.custom<Serde<unknown>>(isSerde, {
  error: 'expected a serde, such as serdes.string',
})
const count = z.coerce.number().int()
const ms = count.min(0)

/** Keys that Java has and that are refused by name until they do here what they do there. */
const notSupported = <Key extends string>(...keys: Key[]): Record<Key, z.ZodOptional<z.ZodNever>> =>
  Object.fromEntries(
    keys.map((key) => [key, z.never({ error: 'not supported yet' }).optional()]),
  ) as Record<Key, z.ZodOptional<z.ZodNever>>

const streamsShape = {
  'application.id': z
    .string()
    .regex(/^[a-zA-Z0-9._-]{1,200}$/, 'expected letters, digits, dots, dashes and underscores'),
  'bootstrap.servers': z.string().default('127.0.0.1:9092'),
  'client.id': z.string().optional(),
  ...clientSecurityShape,
  'auto.offset.reset': z.enum(['earliest', 'latest', 'none']).default('earliest'),
  'metadata.max.age.ms': ms.optional(),
  'request.timeout.ms': ms.optional(),
  'retry.backoff.ms': ms.optional(),
  'max.poll.interval.ms': ms.optional(),
  'max.request.size': count.min(0).optional(),
  'max.poll.records': count.min(1).default(1000),
  'fetch.max.bytes': count.min(1).default(4_194_304),
  'session.timeout.ms': ms.default(45_000),
  'heartbeat.interval.ms': ms.default(3_000),
  'compression.type': z.enum(['none', 'gzip', 'snappy', 'lz4', 'zstd']).default('none'),
  'linger.ms': ms.default(5),
  'commit.interval.ms': ms.optional(),
  'transaction.timeout.ms': count.min(1).default(10_000),
  'replication.factor': count.min(-1).default(-1),
  'num.stream.threads': count.min(1).max(1_000).default(1),
  'processing.guarantee': z
    .enum(['at_least_once', 'exactly_once_v2'], {
      error: 'expected at_least_once or exactly_once_v2 (which took the place of exactly_once)',
    })
    .default('at_least_once'),
  'max.task.idle.ms': count.min(-1).default(0),
  'metrics.recording.level': z
    .enum(['INFO', 'DEBUG'], { error: 'expected INFO or DEBUG' })
    .default('INFO'),
  'topology.optimization': z
    .literal(['none'], { error: 'only none is supported yet' })
    .default('none'),
  'statestore.cache.max.bytes': count.min(0).optional(),
  'cache.max.bytes.buffering': count.min(0).optional(),
  'state.cleanup.delay.ms': ms.default(600_000),
  'windowstore.changelog.additional.retention.ms': ms.default(86_400_000),
  'default.dsl.store': z.enum(['rocksDB', 'in_memory']).default('rocksDB'),
  'default.key.serde': serde.optional(),
  'default.value.serde': serde.optional(),
  'default.timestamp.extractor': z
    .union([
      z.custom<TimestampExtractor>(isFunction),
      named(extractorNames, 'a timestamp extractor'),
    ])
    .optional(),
  'deserialization.exception.handler': handler,
  'processing.exception.handler': handler,
  'production.exception.handler': handler,
  'errors.dead.letter.queue.topic.name': z.string().min(1).optional(),
  'window.close.idle.ms': ms.default(0),
  'async.records.max': count.min(1).default(100),
  'create.source.topics': count.min(0).default(0),
  'state.dir': z
    .never({
      error: 'the folder of the stores is not a setting here: give it as `data` beside them',
    })
    .optional(),
  ...notSupported(
    'acceptable.recovery.lag',
    'application.server',
    'buffered.records.per.partition',
    'default.client.supplier',
    'dsl.store.format',
    'dsl.store.suppliers.class',
    'ensure.explicit.internal.resource.naming',
    'group.protocol',
    'log.summary.interval.ms',
    'max.warmup.replicas',
    'metric.reporters',
    'num.standby.replicas',
    'poll.ms',
    'probing.rebalance.interval.ms',
    'processing.exception.handler.global.enabled',
    'processor.wrapper.class',
    'rack.aware.assignment.strategy',
    'rack.aware.assignment.tags',
    'repartition.purge.interval.ms',
    'rocksdb.config.setter',
    'state.cleanup.dir.max.age.ms',
    'task.assignor.class',
    'task.timeout.ms',
    'upgrade.from',
  ),
} as const

/**
 * Filled in behind the schema: the interval between commits, which is a matter of the guarantee, and
 * the size of the cache, which had another name before Kafka 3.4.
 */
type FilledIn = 'commit.interval.ms' | 'statestore.cache.max.bytes'
type CheckedSettings = Omit<ResolvedStreamsSettings, FilledIn> & {
  readonly [Key in FilledIn | 'cache.max.bytes.buffering']?: number | undefined
}

const streamsSchema: z.ZodType<CheckedSettings> = z
  .strictObject(streamsShape)
  .check(({ value, issues }) => {
    const isOnce = value['processing.guarantee'] === 'exactly_once_v2'
    const timeoutMs = value['transaction.timeout.ms']
    if (!isOnce || (value['commit.interval.ms'] ?? 0) < timeoutMs) return
    issues.push({
      code: 'custom',
      path: ['transaction.timeout.ms'],
      message: `${timeoutMs} ms are not longer than commit.interval.ms, ${value['commit.interval.ms']}: each transaction would be taken back before its commit`,
      input: timeoutMs,
    })
  })

/** What an application of a {@link StreamsApps} part gets where it says nothing itself. */
const appsSchema: z.ZodType<ResolvedStreamsAppsOptions> = z.strictObject({
  ...withoutDefaults(streamsShape),
  'application.id': z.never({ error: 'belongs into the module of the application' }).optional(),
  apps: z.string().min(1),
  data: z.string().min(1).default('./data/streams'),
  hosts: z.record(z.string(), z.string()).default({}),
  settings: z.record(z.string(), z.unknown()).default({}),
})

/** What is not said stays unsaid: an application's own settings come before the defaults. */
function withoutDefaults(shape: Readonly<Record<string, z.ZodType>>): Record<string, z.ZodType> {
  return Object.fromEntries(
    Object.entries(shape).map(([key, schema]) => {
      const inner = schema instanceof z.ZodDefault ? (schema.unwrap() as z.ZodType) : schema
      return [key, inner.optional()]
    }),
  )
}

/** An application's settings with defaults filled in: Java's keys, and two of ours. */
export interface ResolvedStreamsSettings extends ClientSecurityOptions, PrefixedSettings {
  readonly 'application.id': string
  readonly 'bootstrap.servers': string
  readonly 'client.id'?: string | undefined
  readonly 'auto.offset.reset': OffsetReset
  /** How old what is known of topics may be: after this it is seen that one has grown. */
  readonly 'metadata.max.age.ms'?: number | undefined
  readonly 'request.timeout.ms'?: number | undefined
  readonly 'retry.backoff.ms'?: number | undefined
  readonly 'max.poll.interval.ms'?: number | undefined
  readonly 'max.request.size'?: number | undefined
  readonly 'max.poll.records': number
  readonly 'fetch.max.bytes': number
  readonly 'session.timeout.ms': number
  readonly 'heartbeat.interval.ms': number
  readonly 'compression.type': 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly 'linger.ms': number
  /** 30,000 with at_least_once; 100 with exactly_once_v2, where readers see nothing before it. */
  readonly 'commit.interval.ms': number
  /** After this the broker takes back a transaction that nobody ended. Longer than commits are apart. */
  readonly 'transaction.timeout.ms': number
  readonly 'replication.factor': number
  /** Stream threads; more than 1 need a topology that is a module, and are worker threads. */
  readonly 'num.stream.threads': number
  readonly 'processing.guarantee': 'at_least_once' | 'exactly_once_v2'
  /**
   * How long records wait for an empty partition that may have earlier ones. As in Java, and ours
   * beyond it: between all partitions here that feed one repartition topic, too. -1 waits for nothing,
   * not even for what is at the broker.
   */
  readonly 'max.task.idle.ms': number
  /** DEBUG measures each call of a task and of its stores. */
  readonly 'metrics.recording.level': 'INFO' | 'DEBUG'
  readonly 'topology.optimization': 'none'
  /**
   * Memory for results that are held back until a commit, and for entries that need not be read from
   * disk again; of all threads together. 0 holds nothing back.
   */
  readonly 'statestore.cache.max.bytes': number
  readonly 'state.cleanup.delay.ms': number
  readonly 'windowstore.changelog.additional.retention.ms': number
  readonly 'default.dsl.store': 'rocksDB' | 'in_memory'
  readonly 'default.key.serde'?: Serde<unknown> | undefined
  readonly 'default.value.serde'?: Serde<unknown> | undefined
  readonly 'default.timestamp.extractor'?: TimestampExtractor | string | undefined
  readonly 'deserialization.exception.handler': ExceptionHandler | string
  readonly 'processing.exception.handler': ExceptionHandler | string
  readonly 'production.exception.handler': ExceptionHandler | string
  readonly 'errors.dead.letter.queue.topic.name'?: string | undefined
  /**
   * Closes windows by the wall clock when their input has been silent for this long after their end
   * and grace. 0, the default, leaves them to stream time, as Java does.
   */
  readonly 'window.close.idle.ms': number
  /** Records of a task that wait in `mapValuesAsync` before no more are read. */
  readonly 'async.records.max': number
  /**
   * Makes topics that are missing, with this many partitions: those that are read, and those that are
   * written under a fixed name. 0 refuses to start without what is read, as Java does.
   */
  readonly 'create.source.topics': number
}

type OptionalSettings = {
  readonly [Key in Exclude<keyof ResolvedStreamsSettings, 'application.id'>]?:
    | ResolvedStreamsSettings[Key]
    | undefined
} & {
  /** @deprecated The name of `statestore.cache.max.bytes` before Kafka 3.4, which comes before it. */
  readonly 'cache.max.bytes.buffering'?: number | undefined
}

// A serde of any type stands for one of unknown values: what it meets is the topology's business.
type AnySerde = Serde<never> | Serde<unknown>
interface LooseSerdes {
  readonly 'default.key.serde'?: AnySerde | undefined
  readonly 'default.value.serde'?: AnySerde | undefined
}

/** An application's settings as a caller gives them: Java's keys; all may be left out but its id. */
export type StreamsSettings = Omit<OptionalSettings, keyof LooseSerdes> &
  LooseSerdes & { readonly 'application.id': string }

/** What the applications of a folder are started with; other keys are defaults for each of them. */
export interface ResolvedStreamsAppsOptions extends OptionalSettings {
  /** A folder of modules (`*.ts`, `*.js`), each an application; or one such file. */
  readonly apps: string
  /** Where stores are kept. */
  readonly data: string
  /** Addresses by the names that brokers give themselves. */
  readonly hosts: Readonly<Record<string, string>>
  /** Handed to every application. */
  readonly settings: Readonly<Record<string, unknown>>
}

/** Options of {@link StreamsApps} as a caller gives them. */
export type StreamsAppsOptions = Omit<OptionalSettings, keyof LooseSerdes> &
  LooseSerdes & { readonly apps: string } & Partial<
    Pick<ResolvedStreamsAppsOptions, 'data' | 'hosts' | 'settings'>
  >

/**
 * Checks the options of a {@link StreamsApps} part.
 *
 * @throws SettingsError `SETTINGS_INVALID` naming the key, and the nearest known one.
 */
export function resolveStreamsAppsOptions(
  settings: unknown,
  source?: SettingsSource,
): ResolvedStreamsAppsOptions {
  const { own, prefixed } = splitSettings(settings, source)
  return Object.freeze({ ...checkSettings(appsSchema, own, source), ...prefixed })
}

/**
 * Checks an application's settings and fills in the defaults.
 *
 * @throws SettingsError `SETTINGS_INVALID` naming the key, and the nearest known one.
 */
export function resolveStreamsSettings(
  settings: unknown,
  source?: SettingsSource,
): ResolvedStreamsSettings {
  const { own, prefixed } = splitSettings(settings, source)
  const { 'cache.max.bytes.buffering': formerBytes, ...checked } = checkSettings(
    streamsSchema,
    own,
    source,
  )
  const isOnce = checked['processing.guarantee'] === 'exactly_once_v2'
  const commitMs = checked['commit.interval.ms'] ?? (isOnce ? 100 : 30_000)
  const cacheBytes = checked['statestore.cache.max.bytes'] ?? formerBytes ?? 10_485_760
  return Object.freeze({
    ...checked,
    ...prefixed,
    'commit.interval.ms': commitMs,
    'statestore.cache.max.bytes': cacheBytes,
  })
}

/** The handlers that an application's settings name. */
function errorHandlers(settings: ResolvedStreamsSettings): ErrorHandlers {
  const resolve = (value: ExceptionHandler | string): ExceptionHandler =>
    typeof value === 'function' ? value : handlerNames[value]!
  return {
    deserialization: resolve(settings['deserialization.exception.handler']),
    processing: resolve(settings['processing.exception.handler']),
    production: resolve(settings['production.exception.handler']),
    deadLetterTopic: settings['errors.dead.letter.queue.topic.name'],
  }
}

/** What a stream thread's tasks share, from the application's settings. `cacheBytes` is the thread's part. */
export function taskSettings(
  settings: ResolvedStreamsSettings,
  ports: { readonly logger: Logger; readonly clock: Clock; readonly counts: TaskCounts },
  cacheBytes: number,
): TaskSettings {
  const extractor = settings['default.timestamp.extractor']
  return {
    ...ports,
    applicationId: settings['application.id'],
    keySerde: settings['default.key.serde'],
    valueSerde: settings['default.value.serde'],
    timestampExtractor: typeof extractor === 'string' ? extractorNames[extractor] : extractor,
    errors: errorHandlers(settings),
    cache: new RecordCache(cacheBytes),
  }
}
