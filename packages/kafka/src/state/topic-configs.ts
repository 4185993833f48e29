import { KafkaError } from '../errors.ts'
import type { LogConfig } from '../log/log-config.ts'
import { type CompressionSetting, compressionOf, compressionTypes } from '../log/recompress.ts'
import type { ResolvedKafkaOptions } from '../options.ts'

/** Values of a topic's own settings by name, as text, the way they lie in ZooKeeper. */
export type TopicOverrides = Readonly<Record<string, string>>

/** How DescribeConfigs numbers the types of settings. */
export const ConfigType = {
  boolean: 1,
  string: 2,
  int: 3,
  long: 5,
  double: 6,
  list: 7,
  password: 9,
} as const

export interface TopicConfig {
  readonly type: (typeof ConfigType)[keyof typeof ConfigType]
  /** The broker setting that gives the default, where there is one. */
  readonly brokerKey?: string
  readonly fallback: (options: ResolvedKafkaOptions) => string
  /** Says what is wrong with a value, or nothing. */
  readonly problem?: (value: string) => string | undefined
}

const longMax = '9223372036854775807'
/** In the words of Kafka's own checks. */
const limits =
  (min: number, max = Number.MAX_VALUE) =>
  (value: string) => {
    if (Number(value) < min) return `Value must be at least ${min}`
    return Number(value) > max ? `Value must be no more than ${max}` : undefined
  }
const oneOf =
  (...values: readonly string[]) =>
  (value: string): string | undefined =>
    values.includes(value) ? undefined : `String must be one of: ${values.join(', ')}`
const only = (value: string) => (given: string) =>
  given === value ? undefined : `only ${value} is supported yet`
const noTieredStorage = (value: string): string | undefined =>
  value === 'false' ? undefined : 'tiered storage is not supported yet'
const replicas = (value: string): string | undefined =>
  value === '' || value === '*' || /^\d+:\d+(,\s*\d+:\d+)*$/.test(value)
    ? undefined
    : "must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."

/** A setting's value as text, the way Kafka shows it. */
export function settingText(value: unknown): string {
  if (Array.isArray(value)) return value.join(',')
  return typeof value === 'number' && value >= Number.MAX_SAFE_INTEGER ? longMax : String(value)
}

/** The settings of a topic that Kafka 4 has, with its defaults and checks. */
const topicConfigs: Readonly<Record<string, TopicConfig>> = {
  'cleanup.policy': {
    type: ConfigType.list,
    brokerKey: 'log.cleanup.policy',
    fallback: (o) => o['log.cleanup.policy'],
    // None at all is allowed, and keeps everything.
    problem: (value) =>
      value
        .split(',')
        .filter((part) => part.trim() !== '')
        .map((part) => oneOf('compact', 'delete')(part.trim()))
        .find((problem) => problem !== undefined),
  },
  'compression.gzip.level': {
    type: ConfigType.int,
    brokerKey: 'compression.gzip.level',
    fallback: (o) => String(o['compression.gzip.level']),
    problem: (value) =>
      value === '-1' || limits(1, 9)(value) === undefined
        ? undefined
        : 'Value must be between 1 and 9 or equal to -1',
  },
  'compression.lz4.level': {
    type: ConfigType.int,
    fallback: () => '9',
    problem: only('9'),
  },
  'compression.type': {
    type: ConfigType.string,
    brokerKey: 'compression.type',
    fallback: (o) => o['compression.type'],
    problem: oneOf(...compressionTypes),
  },
  'compression.zstd.level': {
    type: ConfigType.int,
    brokerKey: 'compression.zstd.level',
    fallback: (o) => String(o['compression.zstd.level']),
    problem: limits(-131_072, 22),
  },
  'delete.retention.ms': {
    type: ConfigType.long,
    brokerKey: 'log.cleaner.delete.retention.ms',
    fallback: (o) => settingText(o['log.cleaner.delete.retention.ms']),
    problem: limits(0),
  },
  'file.delete.delay.ms': {
    type: ConfigType.long,
    fallback: () => '60000',
    problem: limits(0),
  },
  'flush.messages': {
    type: ConfigType.long,
    brokerKey: 'log.flush.interval.messages',
    fallback: (o) => settingText(o['log.flush.interval.messages']),
    problem: limits(1),
  },
  'flush.ms': {
    type: ConfigType.long,
    brokerKey: 'log.flush.interval.ms',
    fallback: (o) => settingText(o['log.flush.interval.ms'] ?? Number.MAX_SAFE_INTEGER),
    problem: limits(0),
  },
  'follower.replication.throttled.replicas': {
    type: ConfigType.list,
    fallback: () => '',
    problem: replicas,
  },
  'index.interval.bytes': {
    type: ConfigType.int,
    brokerKey: 'log.index.interval.bytes',
    fallback: (o) => String(o['log.index.interval.bytes']),
    problem: limits(0),
  },
  'leader.replication.throttled.replicas': {
    type: ConfigType.list,
    fallback: () => '',
    problem: replicas,
  },
  'local.retention.bytes': { type: ConfigType.long, fallback: () => '-2', problem: limits(-2) },
  'local.retention.ms': { type: ConfigType.long, fallback: () => '-2', problem: limits(-2) },
  'max.compaction.lag.ms': {
    type: ConfigType.long,
    brokerKey: 'log.cleaner.max.compaction.lag.ms',
    fallback: (o) => settingText(o['log.cleaner.max.compaction.lag.ms']),
    problem: limits(1),
  },
  'max.message.bytes': {
    type: ConfigType.int,
    brokerKey: 'message.max.bytes',
    fallback: (o) => String(o['message.max.bytes']),
    problem: limits(0),
  },
  'message.timestamp.after.max.ms': {
    type: ConfigType.long,
    brokerKey: 'log.message.timestamp.after.max.ms',
    fallback: (o) => settingText(o['log.message.timestamp.after.max.ms']),
    problem: limits(0),
  },
  'message.timestamp.before.max.ms': {
    type: ConfigType.long,
    brokerKey: 'log.message.timestamp.before.max.ms',
    fallback: (o) => settingText(o['log.message.timestamp.before.max.ms']),
    problem: limits(0),
  },
  'message.timestamp.type': {
    type: ConfigType.string,
    brokerKey: 'log.message.timestamp.type',
    fallback: (o) => o['log.message.timestamp.type'],
    problem: oneOf('CreateTime', 'LogAppendTime'),
  },
  'min.cleanable.dirty.ratio': {
    type: ConfigType.double,
    brokerKey: 'log.cleaner.min.cleanable.ratio',
    fallback: (o) => String(o['log.cleaner.min.cleanable.ratio']),
    problem: limits(0, 1),
  },
  'min.compaction.lag.ms': {
    type: ConfigType.long,
    brokerKey: 'log.cleaner.min.compaction.lag.ms',
    fallback: (o) => settingText(o['log.cleaner.min.compaction.lag.ms']),
    problem: limits(0),
  },
  'min.insync.replicas': {
    type: ConfigType.int,
    brokerKey: 'min.insync.replicas',
    fallback: (o) => String(o['min.insync.replicas']),
    problem: limits(1),
  },
  preallocate: { type: ConfigType.boolean, fallback: () => 'false', problem: only('false') },
  'remote.log.copy.disable': { type: ConfigType.boolean, fallback: () => 'false' },
  'remote.log.delete.on.disable': { type: ConfigType.boolean, fallback: () => 'false' },
  'remote.storage.enable': {
    type: ConfigType.boolean,
    fallback: () => 'false',
    problem: noTieredStorage,
  },
  'retention.bytes': {
    type: ConfigType.long,
    brokerKey: 'log.retention.bytes',
    fallback: (o) => String(o['log.retention.bytes']),
  },
  'retention.ms': {
    type: ConfigType.long,
    brokerKey: 'log.retention.ms',
    fallback: (o) => String(brokerRetentionMs(o)),
    problem: limits(-1),
  },
  'segment.bytes': {
    type: ConfigType.int,
    brokerKey: 'log.segment.bytes',
    fallback: (o) => String(o['log.segment.bytes']),
    problem: limits(14),
  },
  'segment.index.bytes': {
    type: ConfigType.int,
    brokerKey: 'log.index.size.max.bytes',
    fallback: (o) => String(o['log.index.size.max.bytes']),
    problem: limits(4),
  },
  'segment.jitter.ms': { type: ConfigType.long, fallback: () => '0', problem: limits(0) },
  'segment.ms': {
    type: ConfigType.long,
    brokerKey: 'log.roll.ms',
    fallback: (o) => String(o['log.roll.ms'] ?? o['log.roll.hours'] * 3_600_000),
    problem: limits(1),
  },
  'unclean.leader.election.enable': { type: ConfigType.boolean, fallback: () => 'false' },
}

/** The numbers by type: which texts are some, between which limits, and what Kafka calls them. */
const numbers: Readonly<Record<number, readonly [RegExp, min: bigint, max: bigint, string]>> = {
  [ConfigType.int]: [/^-?\d+$/, -(2n ** 31n), 2n ** 31n - 1n, 'INT'],
  [ConfigType.long]: [/^-?\d+$/, -(2n ** 63n), 2n ** 63n - 1n, 'LONG'],
}

/** What is wrong with the text of a number. */
function numberProblem({ type }: TopicConfig, value: string): string | undefined {
  if (type === ConfigType.double)
    return value.trim() !== '' && Number.isFinite(Number(value))
      ? undefined
      : 'Not a number of type DOUBLE'
  const number = numbers[type]
  if (!number) return undefined
  const [pattern, min, max, name] = number
  const isOne = pattern.test(value) && BigInt(value) >= min && BigInt(value) <= max
  return isOne ? undefined : `Not a number of type ${name}`
}

/** Names of all topic settings, sorted. */
export function topicConfigNames(): readonly string[] {
  return Object.keys(topicConfigs)
}

/** The description of a topic setting; undefined where there is none of that name. */
export function topicConfig(name: string): TopicConfig | undefined {
  return Object.hasOwn(topicConfigs, name) ? topicConfigs[name] : undefined
}

/**
 * Checks a topic's own settings, but for those that were so `before`: another broker's may stand among them.
 *
 * @throws KafkaError `KAFKA_CONFIG_INVALID` that names the setting.
 */
export function checkTopicOverrides(overrides: TopicOverrides, before: TopicOverrides = {}): void {
  for (const [name, value] of Object.entries(overrides)) {
    if (before[name] === value) continue
    const config = topicConfig(name)
    if (!config) throw invalid(`Unknown topic config name: ${name}`)
    const problem = valueProblem(config, value)
    if (problem) throw invalid(`Invalid value ${value} for configuration ${name}: ${problem}`)
  }
  const lag = (which: 'min' | 'max'): number =>
    Number(overrides[`${which}.compaction.lag.ms`] ?? (which === 'min' ? 0 : Infinity))
  if (lag('min') > lag('max'))
    throw invalid(
      `conflict topic config setting min.compaction.lag.ms (${lag('min')}) > max.compaction.lag.ms (${lag('max')})`,
    )
}

/** Says what is wrong with a setting's value, or nothing. */
export function valueProblem(config: TopicConfig, value: string): string | undefined {
  // Kafka reads no blanks around a value, and a truth in any case.
  const trimmed = value.trim()
  if (config.type !== ConfigType.boolean)
    return numberProblem(config, trimmed) ?? config.problem?.(trimmed)
  const truth = trimmed.toLowerCase()
  return truth === 'true' || truth === 'false'
    ? config.problem?.(truth)
    : 'Expected value to be either true or false'
}

/** What a topic's log obeys: its own settings over the broker's. */
export function resolveLogConfig(
  options: ResolvedKafkaOptions,
  overrides: TopicOverrides,
): LogConfig {
  const text = (name: string): string =>
    (overrides[name] ?? topicConfigs[name]!.fallback(options)).trim()
  const number = (name: string): number => Math.min(Number(text(name)), Number.MAX_SAFE_INTEGER)
  const compression = text('compression.type') as CompressionSetting
  const policies = text('cleanup.policy')
    .split(',')
    .map((policy) => policy.trim())
  return {
    segmentBytes: number('segment.bytes'),
    segmentMs: number('segment.ms'),
    indexIntervalBytes: number('index.interval.bytes'),
    indexBytesMax: number('segment.index.bytes'),
    retentionMs: number('retention.ms'),
    retentionBytes: number('retention.bytes'),
    isCompacted: policies.includes('compact'),
    isDeleted: policies.includes('delete'),
    deleteRetentionMs: number('delete.retention.ms'),
    minCompactionLagMs: number('min.compaction.lag.ms'),
    maxCompactionLagMs: number('max.compaction.lag.ms'),
    minCleanableDirtyRatio: number('min.cleanable.dirty.ratio'),
    compression: compressionOf(compression),
    compressionLevel: levelOf(compression, number),
    minInSyncReplicas: number('min.insync.replicas'),
    flushMessages: number('flush.messages'),
    flushMs: number('flush.ms'),
    maxMessageBytes: number('max.message.bytes'),
    isLogAppendTime: text('message.timestamp.type') === 'LogAppendTime',
    timestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: number('message.timestamp.after.max.ms'),
  }
}

function levelOf(
  compression: CompressionSetting,
  number: (name: string) => number,
): number | undefined {
  return compression === 'gzip' || compression === 'zstd'
    ? number(`compression.${compression}.level`)
    : undefined
}

function brokerRetentionMs(options: ResolvedKafkaOptions): number {
  const minutes = options['log.retention.minutes']
  const ms =
    options['log.retention.ms'] ??
    (minutes === undefined
      ? options['log.retention.hours'] * 3_600_000
      : minutes < 0
        ? -1
        : minutes * 60_000)
  return Math.max(-1, ms)
}

function invalid(message: string): KafkaError {
  return new KafkaError('KAFKA_CONFIG_INVALID', message)
}
