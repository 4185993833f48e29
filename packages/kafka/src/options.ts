import { checkSettings, SettingsError, type SettingsSource } from '@khlong/core'
import { z } from 'zod'
import { type CompressionSetting, compressionTypes } from './log/recompress.ts'
import { planListeners } from './security/listeners.ts'
import {
  type BrokerSecurityOptions,
  brokerSecurityShape,
  listenerKeyPrefix,
} from './security/security-options.ts'

const count = z.number().int().min(0)
const positive = z.number().int().min(1)
/** -1 stands for no limit. */
const limit = z.number().int().min(-1)
const queuedRequestBytesMax = 104_857_600
const forEverMs = Number.MAX_SAFE_INTEGER

/**
 * The settings of a broker: `listen` and `data` as in every part, the rest as in Kafka's
 * `server.properties`, with Kafka's defaults where nothing else is said.
 */
const schema = z.strictObject({
  ...brokerSecurityShape,
  /** `PORT` or `HOST:PORT`. */
  listen: z.union([z.number().int(), z.string()]).default(9092),
  /** The log directory. */
  data: z.string().default('data/kafka'),
  /** When acknowledgements wait for the flush; an extension of ours. */
  'ack.flush': z.enum(['all', 'leader', 'none']).default('all'),
  /** Listens beyond loopback without authentication only where this is set. */
  allow_anonymous: z.boolean().default(false),
  'broker.id': count.default(1),
  /** A loopback address of its own for the platform's clients, who log in as `internal` and may do everything. */
  'internal.listen': z.union([z.number().int(), z.string()]).optional(),
  internal: z.strictObject({ username: z.string().min(1), password: z.string().min(1) }).optional(),
  'zookeeper.connect': z.string().optional(),
  'zookeeper.session.timeout.ms': positive.default(18_000),
  'zookeeper.connection.timeout.ms': positive.default(18_000),
  'num.partitions': positive.default(1),
  'default.replication.factor': z.literal(1).default(1),
  'auto.create.topics.enable': z.boolean().default(true),
  'delete.topic.enable': z.boolean().default(true),
  'message.max.bytes': count.default(1_048_588),
  'socket.request.max.bytes': positive.default(104_857_600),
  /**
   * Of all connections, until they are answered; -1 stands for no limit. Kafka's default is -1; ours is 100 MiB, or
   * `socket.request.max.bytes` where that is more.
   */
  'queued.max.request.bytes': limit.optional(),
  'fetch.max.bytes': z.number().int().min(1024).default(57_671_680),
  /** Of all connections, while their clients have not taken them; an extension of ours. */
  'queued.max.response.bytes': z.number().int().min(1_048_576).default(268_435_456),
  'max.incremental.fetch.session.cache.slots': count.default(1_000),
  'connections.max.idle.ms': limit.default(600_000),
  'max.connections': positive.default(0x7fff_ffff),
  'log.retention.ms': limit.optional(),
  'log.retention.minutes': limit.optional(),
  'log.retention.hours': limit.default(168),
  'log.retention.bytes': limit.default(-1),
  'log.retention.check.interval.ms': positive.default(300_000),
  'log.segment.bytes': z.number().int().min(14).default(1_073_741_824),
  'log.roll.ms': positive.optional(),
  'log.roll.hours': positive.default(168),
  'log.index.interval.bytes': count.default(4_096),
  'log.index.size.max.bytes': z.number().int().min(4).default(10_485_760),
  'log.cleanup.policy': z.string().default('delete'),
  'log.cleaner.enable': z.boolean().default(true),
  'log.cleaner.backoff.ms': positive.default(15_000),
  'log.cleaner.delete.retention.ms': count.default(86_400_000),
  'log.cleaner.min.compaction.lag.ms': count.default(0),
  'log.cleaner.max.compaction.lag.ms': positive.default(forEverMs),
  'log.cleaner.min.cleanable.ratio': z.number().min(0).max(1).default(0.5),
  'log.message.timestamp.type': z.enum(['CreateTime', 'LogAppendTime']).default('CreateTime'),
  'log.message.timestamp.before.max.ms': count.default(forEverMs),
  'log.message.timestamp.after.max.ms': count.default(3_600_000),
  'log.flush.interval.messages': positive.default(forEverMs),
  'log.flush.interval.ms': count.optional(),
  /** Kafka's default is never, with which `flush.ms` says nothing. */
  'log.flush.scheduler.interval.ms': positive.default(1_000),
  'log.flush.offset.checkpoint.interval.ms': positive.default(60_000),
  'compression.type': z.enum(compressionTypes).default('producer'),
  'compression.gzip.level': z.number().int().min(-1).max(9).default(-1),
  'compression.zstd.level': z.number().int().min(-131_072).max(22).default(3),
  'min.insync.replicas': z.literal(1).default(1),
  'producer.id.expiration.ms': positive.default(86_400_000),
  /** Kafka's default is 50: folders that one broker has no use for. */
  'transaction.state.log.num.partitions': positive.default(1),
  'transaction.state.log.replication.factor': positive.default(1),
  'transaction.state.log.min.isr': positive.default(1),
  /** Kafka's default is 100 MiB, which is read on every start. */
  'transaction.state.log.segment.bytes': positive.default(10_485_760),
  'transaction.max.timeout.ms': positive.default(900_000),
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': positive.default(10_000),
  'transaction.remove.expired.transaction.cleanup.interval.ms': positive.default(3_600_000),
  'transactional.id.expiration.ms': positive.default(604_800_000),
  'group.initial.rebalance.delay.ms': count.default(3_000),
  'group.min.session.timeout.ms': positive.default(6_000),
  'group.max.session.timeout.ms': positive.default(1_800_000),
  'group.max.size': positive.default(0x7fff_ffff),
  /** Kafka's default is 50: folders that one broker has no use for. */
  'offsets.topic.num.partitions': positive.default(1),
  'offsets.topic.replication.factor': z.number().int().min(1).default(1),
  'offsets.topic.segment.bytes': positive.default(104_857_600),
  'offsets.retention.minutes': positive.default(10_080),
  'offsets.retention.check.interval.ms': positive.default(600_000),
  'offset.metadata.max.bytes': count.default(4_096),
})

/** The names of all settings of a broker, but for those of one listener. */
export const kafkaSettingNames: readonly string[] = Object.keys(schema.shape)

/** Checked options with every default filled in. */
export interface ResolvedKafkaOptions extends BrokerSecurityOptions {
  /** `PORT` or `HOST:PORT`. */
  readonly listen: number | string
  /** The log directory. */
  readonly data: string
  /** When acknowledgements wait for the flush; an extension of ours. */
  readonly 'ack.flush': 'all' | 'leader' | 'none'
  /** Listens beyond loopback without authentication only where this is set. */
  readonly allow_anonymous: boolean
  readonly 'broker.id': number
  /** A loopback address of its own for the platform's clients, who log in as `internal` and may do everything. */
  readonly 'internal.listen'?: number | string | undefined
  readonly internal?: { readonly username: string; readonly password: string } | undefined
  readonly 'zookeeper.connect'?: string | undefined
  readonly 'zookeeper.session.timeout.ms': number
  readonly 'zookeeper.connection.timeout.ms': number
  readonly 'num.partitions': number
  readonly 'default.replication.factor': number
  readonly 'auto.create.topics.enable': boolean
  readonly 'delete.topic.enable': boolean
  readonly 'message.max.bytes': number
  readonly 'socket.request.max.bytes': number
  /** Of all connections, until they are answered; not above 0 stands for no limit, which is Kafka's default. */
  readonly 'queued.max.request.bytes': number
  readonly 'fetch.max.bytes': number
  /** Of all connections, while their clients have not taken them; an extension of ours. */
  readonly 'queued.max.response.bytes': number
  readonly 'max.incremental.fetch.session.cache.slots': number
  readonly 'connections.max.idle.ms': number
  readonly 'max.connections': number
  readonly 'log.retention.ms'?: number | undefined
  readonly 'log.retention.minutes'?: number | undefined
  readonly 'log.retention.hours': number
  readonly 'log.retention.bytes': number
  readonly 'log.retention.check.interval.ms': number
  readonly 'log.segment.bytes': number
  readonly 'log.roll.ms'?: number | undefined
  readonly 'log.roll.hours': number
  readonly 'log.index.interval.bytes': number
  readonly 'log.index.size.max.bytes': number
  readonly 'log.cleanup.policy': string
  readonly 'log.cleaner.enable': boolean
  readonly 'log.cleaner.backoff.ms': number
  readonly 'log.cleaner.delete.retention.ms': number
  readonly 'log.cleaner.min.compaction.lag.ms': number
  readonly 'log.cleaner.max.compaction.lag.ms': number
  readonly 'log.cleaner.min.cleanable.ratio': number
  readonly 'log.message.timestamp.type': 'CreateTime' | 'LogAppendTime'
  readonly 'log.message.timestamp.before.max.ms': number
  readonly 'log.message.timestamp.after.max.ms': number
  readonly 'log.flush.interval.messages': number
  readonly 'log.flush.interval.ms'?: number | undefined
  /** Kafka's default is never, with which `flush.ms` says nothing. */
  readonly 'log.flush.scheduler.interval.ms': number
  readonly 'log.flush.offset.checkpoint.interval.ms': number
  readonly 'compression.type': CompressionSetting
  readonly 'compression.gzip.level': number
  readonly 'compression.zstd.level': number
  readonly 'min.insync.replicas': number
  readonly 'producer.id.expiration.ms': number
  /** Kafka's default is 50: folders that one broker has no use for. */
  readonly 'transaction.state.log.num.partitions': number
  readonly 'transaction.state.log.replication.factor': number
  readonly 'transaction.state.log.min.isr': number
  /** Kafka's default is 100 MiB, which is read on every start. */
  readonly 'transaction.state.log.segment.bytes': number
  readonly 'transaction.max.timeout.ms': number
  readonly 'transaction.abort.timed.out.transaction.cleanup.interval.ms': number
  readonly 'transaction.remove.expired.transaction.cleanup.interval.ms': number
  readonly 'transactional.id.expiration.ms': number
  readonly 'group.initial.rebalance.delay.ms': number
  readonly 'group.min.session.timeout.ms': number
  readonly 'group.max.session.timeout.ms': number
  readonly 'group.max.size': number
  /** Kafka's default is 50: folders that one broker has no use for. */
  readonly 'offsets.topic.num.partitions': number
  readonly 'offsets.topic.replication.factor': number
  readonly 'offsets.topic.segment.bytes': number
  readonly 'offsets.retention.minutes': number
  readonly 'offsets.retention.check.interval.ms': number
  readonly 'offset.metadata.max.bytes': number
}

/** What a caller may give; every key is optional. */
export type KafkaOptions = Partial<ResolvedKafkaOptions>

/** Keys of `server.properties` that Khlong knows of, and does not do. */
const unsupported: readonly (readonly [RegExp, string])[] = [
  [/^log\.dirs?$/, 'give `data`: there is one log directory'],
  [/^(process\.roles|node\.id|controller\.)/, 'metadata lives in ZooKeeper (`zookeeper.connect`)'],
  [
    /^sasl\.jaas\.config$/,
    'write listener.name.LISTENER.MECHANISM.sasl.jaas.config, as in listener.name.sasl_ssl.plain.sasl.jaas.config',
  ],
  [/^(ssl|sasl|security|authorizer|principal|delegation|password)\./, 'not supported yet'],
  [/^transaction\./, 'not supported yet'],
  [/^compression\.lz4\.level$/, 'not supported yet'],
  [/^(quota|client\.quota|alter\.config|replica|remote\.log|inter\.broker)/, 'not supported yet'],
  [
    /^(num\.(io|network|recovery)|background\.threads|queued\.max\.requests|socket\.)/,
    'not supported yet',
  ],
]

/**
 * Checks a broker's settings and fills in the defaults.
 *
 * @throws SettingsError `SETTINGS_INVALID`
 */
export function resolveKafkaOptions(
  settings: unknown,
  source: SettingsSource = { name: 'options' },
): ResolvedKafkaOptions {
  const given = (settings ?? {}) as Readonly<Record<string, unknown>>
  for (const key of Object.keys(given)) {
    if (key in schema.shape) continue
    const reason = unsupported.find(([pattern]) => pattern.test(key))?.[1]
    if (reason === undefined) continue
    throw refusal(key, reason, source)
  }
  // Their names have the listeners' in them, so no schema has them.
  const isOfListener = (key: string): boolean => key.startsWith(listenerKeyPrefix)
  const entries = Object.entries(given)
  const checked = checkSettings(
    schema,
    Object.fromEntries(entries.filter(([key]) => !isOfListener(key))),
    source,
  )
  const options: ResolvedKafkaOptions = Object.freeze({
    ...Object.fromEntries(entries.filter(([key]) => isOfListener(key))),
    ...checked,
    'queued.max.request.bytes': requestBytesMax(checked, source),
  })
  if (given['allow.everyone.if.no.acl.found'] === false && checked['authorizer.class.name'] === '')
    throw refusal(
      'allow.everyone.if.no.acl.found',
      'says nothing without authorizer.class.name, with which nothing is allowed without an ACL',
      source,
    )
  planListeners(options, source)
  return options
}

/** What a broker may hold of requests; a frame of the largest size always has room in it. */
function requestBytesMax(checked: z.output<typeof schema>, source: SettingsSource): number {
  const { 'queued.max.request.bytes': given, 'socket.request.max.bytes': oneBytesMax } = checked
  if (given === undefined) return Math.max(queuedRequestBytesMax, oneBytesMax)
  if (given <= 0 || given >= oneBytesMax) return given
  const reason = `${given} must be larger or equal to socket.request.max.bytes (${oneBytesMax})`
  throw refusal('queued.max.request.bytes', reason, source)
}

function refusal(key: string, reason: string, source: SettingsSource): SettingsError {
  const line = source.line?.([key])
  const where = line === undefined ? source.name : `${source.name}:${line}`
  return new SettingsError(`${where}: ${key}: ${reason}`, {
    file: source.name,
    key,
    ...(line === undefined ? {} : { line }),
  })
}
