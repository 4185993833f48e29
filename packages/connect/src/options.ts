import { checkSettings, type SettingsSource } from '@khlong/core'
import { type AccessSettings, accessSettings } from '@khlong/core/access'
import { type ClientSecurityOptions, clientSecurityShape } from '@khlong/kafka-client'
import { z } from 'zod'
import { type ClientDefaults, splitClientDefaults } from './config/client-defaults.ts'
import { withoutEffect, workerClientKeys } from './config/java-worker.ts'

const milliseconds = z.coerce.number().int().min(0)
const converter = 'org.apache.kafka.connect.json.JsonConverter'
const flag = z.union([z.boolean(), z.stringbool()])

const text = z.coerce.string().optional()
const texts = (names: readonly string[]): Record<string, typeof text> =>
  Object.fromEntries(names.map((name) => [name, text]))
const refused = (reason: string): z.ZodOptional<z.ZodNever> => z.never({ error: reason }).optional()

const schema = z.strictObject({
  /** Where REST listens: PORT or HOST:PORT. */
  listen: z.union([z.number(), z.string()]).optional(),
  /** A folder that remembers which connector files were applied. */
  data: z.string().default('./data/connect'),
  'bootstrap.servers': z.string().default('127.0.0.1:9092'),
  'group.id': z.string().min(1).default('connect-cluster'),
  'session.timeout.ms': milliseconds.default(10_000),
  'heartbeat.interval.ms': milliseconds.default(3_000),
  'rebalance.timeout.ms': milliseconds.default(60_000),
  'scheduled.rebalance.max.delay.ms': milliseconds.default(300_000),
  'config.storage.topic': z.string().min(1).default('connect-configs'),
  'offset.storage.topic': z.string().min(1).default('connect-offsets'),
  'status.storage.topic': z.string().min(1).default('connect-status'),
  'config.storage.replication.factor': z.coerce.number().int().default(-1),
  'offset.storage.replication.factor': z.coerce.number().int().default(-1),
  'status.storage.replication.factor': z.coerce.number().int().default(-1),
  /** Whether sources write by transactions (KIP-618); `preparing` is for workers that are rolled one by one. */
  'exactly.once.source.support': z
    .string()
    .transform((value) => value.toLowerCase())
    .pipe(z.enum(['disabled', 'preparing', 'enabled']))
    .default('disabled'),
  /** As in `connect-standalone.properties`: a worker without a group, with its offsets in this file. */
  'offset.storage.file.filename': z.string().min(1).optional(),
  'offset.storage.partitions': z.coerce.number().int().min(1).default(5),
  'status.storage.partitions': z.coerce.number().int().min(1).default(1),
  'key.converter': z.string().default(converter),
  'key.converter.schemas.enable': flag.default(true),
  'value.converter': z.string().default(converter),
  'value.converter.schemas.enable': flag.default(true),
  'header.converter': z.string().default('org.apache.kafka.connect.storage.SimpleHeaderConverter'),
  'offset.flush.interval.ms': milliseconds.default(60_000),
  'task.shutdown.graceful.timeout.ms': milliseconds.default(5_000),
  'rest.advertised.host.name': z.string().optional(),
  'rest.advertised.port': z.coerce.number().int().optional(),
  'config.providers': z.string().default('env'),
  'config.providers.env.class': z
    .literal('org.apache.kafka.common.config.provider.EnvVarConfigProvider')
    .optional(),
  'config.providers.file.class': z
    .literal('org.apache.kafka.common.config.provider.FileConfigProvider')
    .optional(),
  'config.providers.file.param.allowed.paths': z.string().optional(),
  'config.providers.directory.class': z
    .literal('org.apache.kafka.common.config.provider.DirectoryConfigProvider')
    .optional(),
  'config.providers.directory.param.allowed.paths': z.string().optional(),
  /** Which variables `env` may show. Java shows all; ours begin with KHLONG_ unless told otherwise. */
  'config.providers.env.param.allowlist.pattern': z.string().optional(),
  /** How to log in to Kafka, and whom to trust. */
  ...clientSecurityShape,
  ...texts(withoutEffect),
  ...texts(workerClientKeys),
  /** One address for REST; an address that is left out is every address of the machine, as in Java. */
  listeners: z
    .string()
    .transform((listeners, context) => {
      const [, host, port] = /^http:\/\/([^/,]*):(\d+)\/?$/i.exec(listeners) ?? []
      if (port === undefined)
        context.addIssue(
          `expected one http://HOST:PORT, found ${listeners}; HTTPS is not supported yet`,
        )
      return `${host || '0.0.0.0'}:${port}`
    })
    .optional(),
  'topic.creation.enable': z
    .union([z.boolean(), z.stringbool()])
    .refine(
      Boolean,
      'false is not supported yet: topics of sources are always made by their worker',
    )
    .optional(),
  'connector.client.config.override.policy': z
    .enum(
      ['All', 'org.apache.kafka.connect.connector.policy.AllConnectorClientConfigOverridePolicy'],
      {
        error: 'not supported yet but for All, which is the default',
      },
    )
    .optional(),
  'rest.extension.classes': refused('not supported yet'),
  'admin.listeners': refused('not supported yet'),
  'rest.host.name': refused('Kafka 3.0 has it no more; write listeners=http://HOST:PORT'),
  'rest.port': refused('Kafka 3.0 has it no more; write listeners=http://HOST:PORT'),
  /** A folder of connector files that are applied at start, or the files themselves. */
  connectors: z.union([z.string(), z.array(z.string())]).optional(),
  /** A folder of connectors of the user's own, one TypeScript file each. */
  plugins: z.string().min(1).optional(),
  /** The variables that `env` shows; default: those of the process. */
  env: z.record(z.string(), z.string()).optional(),
  /** Host names that configurations use → the address that is meant: HOST or HOST:PORT. */
  hosts: z.record(z.string(), z.string()).default({}),
  ...accessSettings,
})

const checkedSchema = schema.refine(
  (options) =>
    options['exactly.once.source.support'] === 'disabled' ||
    options['offset.storage.file.filename'] === undefined,
  {
    path: ['exactly.once.source.support'],
    error: 'needs workers with a group; a worker with offset.storage.file.filename has none',
  },
)

/** Options with their defaults filled in. */
export interface ResolvedConnectOptions
  extends AccessSettings,
    ClientSecurityOptions,
    ClientDefaults {
  readonly listen: number | string
  readonly data: string
  readonly 'bootstrap.servers': string
  readonly 'group.id': string
  readonly 'session.timeout.ms': number
  readonly 'heartbeat.interval.ms': number
  readonly 'rebalance.timeout.ms': number
  /** How long connectors and tasks of a worker that is gone wait for it before others take them. */
  readonly 'scheduled.rebalance.max.delay.ms': number
  readonly 'config.storage.topic': string
  readonly 'offset.storage.topic': string
  readonly 'status.storage.topic': string
  readonly 'config.storage.replication.factor': number
  readonly 'offset.storage.replication.factor': number
  readonly 'status.storage.replication.factor': number
  readonly 'exactly.once.source.support': 'disabled' | 'preparing' | 'enabled'
  readonly 'offset.storage.file.filename'?: string | undefined
  readonly 'offset.storage.partitions': number
  readonly 'status.storage.partitions': number
  readonly 'key.converter': string
  readonly 'key.converter.schemas.enable': boolean
  readonly 'value.converter': string
  readonly 'value.converter.schemas.enable': boolean
  readonly 'header.converter': string
  readonly 'offset.flush.interval.ms': number
  readonly 'task.shutdown.graceful.timeout.ms': number
  readonly 'rest.advertised.host.name'?: string | undefined
  readonly 'rest.advertised.port'?: number | undefined
  readonly 'config.providers': string
  readonly 'config.providers.env.class'?: string | undefined
  readonly 'config.providers.file.class'?: string | undefined
  readonly 'config.providers.file.param.allowed.paths'?: string | undefined
  readonly 'config.providers.directory.class'?: string | undefined
  readonly 'config.providers.directory.param.allowed.paths'?: string | undefined
  readonly 'config.providers.env.param.allowlist.pattern'?: string | undefined
  readonly connectors?: string | readonly string[] | undefined
  readonly plugins?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly hosts: Readonly<Record<string, string>>
}

/** What a caller may give. Keys are those of `connect-distributed.properties`, and ours. */
export type ConnectOptions = Partial<ResolvedConnectOptions>

/**
 * Checks a worker's settings. Those of its connectors' clients (`producer.…`, `consumer.…`) are looked
 * at as the clients do it, so that a wrong one is said here and not by a task.
 *
 * @throws SettingsError `SETTINGS_INVALID` with file, line and key.
 */
export function resolveConnectOptions(
  settings: unknown,
  source?: SettingsSource,
): ResolvedConnectOptions {
  const { own, defaults } = splitClientDefaults(settings, source)
  const checked = checkSettings(checkedSchema, own, source)
  const { listeners, ...options } = checked
  return Object.freeze({ ...options, listen: options.listen ?? listeners ?? 8083, ...defaults })
}
