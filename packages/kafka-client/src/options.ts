import type { ConnectionOptions } from 'node:tls'
import { checkSettings, type Logger, type SettingsSource, silentLogger } from '@khlong/core'
import type { CompressionName } from '@khlong/kafka-protocol/records'
import type { ClientSecurityOptions, SaslMechanism } from './security-settings.ts'
import {
  clientKeys,
  clientSchema,
  consumerSchema,
  fetcherKeys,
  fetcherSchema,
  groupKeys,
  groupSchema,
  producerSchema,
} from './settings-schema.ts'

/** Settings with their defaults filled in: what every client has. */
export interface ResolvedClientOptions extends ClientSecurityOptions {
  readonly 'bootstrap.servers': readonly string[]
  readonly 'client.id': string
  readonly hosts: Readonly<Record<string, string>>
  readonly 'request.timeout.ms': number
  readonly 'default.api.timeout.ms': number
  readonly 'socket.connection.setup.timeout.ms': number
  readonly 'reconnect.backoff.ms': number
  readonly 'reconnect.backoff.max.ms': number
  readonly 'retry.backoff.ms': number
  readonly 'retry.backoff.max.ms': number
  readonly 'metadata.max.age.ms': number
  readonly 'security.protocol': 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
  readonly 'sasl.mechanism': SaslMechanism
  readonly tls?: ConnectionOptions | undefined
  readonly 'receive.message.max.bytes': number
}
export interface ResolvedProducerOptions extends ResolvedClientOptions {
  /** -1 stands for `all`. */
  readonly acks: number
  readonly 'enable.idempotence'?: boolean | undefined
  readonly 'compression.type': CompressionName
  readonly 'batch.size': number
  readonly 'linger.ms': number
  readonly 'buffer.memory': number
  readonly 'max.block.ms': number
  readonly 'max.request.size': number
  readonly 'max.in.flight.requests.per.connection': number
  readonly 'delivery.timeout.ms': number
  readonly 'transactional.id'?: string | undefined
  readonly 'transaction.timeout.ms': number
}
export interface ResolvedFetcherOptions extends ResolvedClientOptions {
  readonly 'fetch.min.bytes': number
  readonly 'fetch.max.wait.ms': number
  readonly 'fetch.max.bytes': number
  readonly 'max.partition.fetch.bytes': number
  readonly 'prefetch.max.bytes': number
  readonly 'max.poll.records': number
  readonly 'isolation.level': 'read_uncommitted' | 'read_committed'
  readonly 'auto.offset.reset': 'earliest' | 'latest' | 'none'
  readonly 'check.crcs': boolean
}
interface ResolvedMembershipOptions {
  readonly 'group.instance.id'?: string | undefined
  readonly 'session.timeout.ms': number
  readonly 'heartbeat.interval.ms': number
  readonly 'max.poll.interval.ms': number
}
export interface ResolvedGroupOptions extends ResolvedClientOptions, ResolvedMembershipOptions {
  readonly 'group.id': string
}
export interface ResolvedConsumerOptions extends ResolvedFetcherOptions, ResolvedMembershipOptions {
  readonly 'group.id'?: string | undefined
  readonly 'partition.assignment.strategy': readonly string[]
  /** False leaves a topic that is missing, or was deleted, to others to make. */
  readonly 'allow.auto.create.topics': boolean
  readonly 'enable.auto.commit': boolean
  readonly 'auto.commit.interval.ms': number
}

/** Settings as a caller may write them: any may be left out but where to begin; numbers may be text. */
export type Settings<Resolved> = {
  readonly [Key in Exclude<keyof Resolved, 'bootstrap.servers' | 'acks'>]?:
    | Loose<Resolved[Key]>
    | undefined
} & { readonly 'bootstrap.servers': string | readonly string[] } & ('acks' extends keyof Resolved
    ? { readonly acks?: 'all' | number | string | undefined }
    : unknown)
type Loose<Value> = Value extends number | boolean
  ? Value | string
  : Value extends readonly string[]
    ? Value | string
    : Value

export type KafkaClientOptions = Settings<ResolvedClientOptions>
export type ProducerOptions = Settings<ResolvedProducerOptions>
export type FetcherOptions = Settings<ResolvedFetcherOptions>
export type GroupMemberOptions = Settings<ResolvedGroupOptions> & { readonly 'group.id': string }
export type ConsumerOptions = Settings<ResolvedConsumerOptions>

/** What a client is given beside its options. */
export interface KafkaClientContext {
  readonly logger?: Logger
  /**
   * Whether asking for a topic makes it where there is none and the broker makes topics on first use.
   * Default true; a producer has to have it so.
   */
  readonly createsTopics?: boolean
}
export const contextLogger = (context: KafkaClientContext): Logger => context.logger ?? silentLogger

/** @throws SettingsError `SETTINGS_INVALID`, as do the other `resolve…Options`. */
export const resolveClientOptions = (
  settings: unknown,
  source?: SettingsSource,
): ResolvedClientOptions => checkSettings(clientSchema, settings, source)
export const resolveProducerOptions = (
  settings: unknown,
  source?: SettingsSource,
  prefix?: readonly PropertyKey[],
): ResolvedProducerOptions => checkSettings(producerSchema, settings, source, prefix)
export const resolveFetcherOptions = (
  settings: unknown,
  source?: SettingsSource,
): ResolvedFetcherOptions => checkSettings(fetcherSchema, settings, source)
export const resolveGroupOptions = (
  settings: unknown,
  source?: SettingsSource,
): ResolvedGroupOptions => checkSettings(groupSchema, settings, source)
export const resolveConsumerOptions = (
  settings: unknown,
  source?: SettingsSource,
  prefix?: readonly PropertyKey[],
): ResolvedConsumerOptions => checkSettings(consumerSchema, settings, source, prefix)

/** The part of any options that the client below it takes. */
export const clientOptionsOf = (options: ResolvedClientOptions): ResolvedClientOptions =>
  pick<ResolvedClientOptions>(options, clientKeys)
export const fetcherOptionsOf = (options: ResolvedFetcherOptions): ResolvedFetcherOptions =>
  pick<ResolvedFetcherOptions>(options, fetcherKeys)
export const groupOptionsOf = (
  options: ResolvedConsumerOptions,
  groupId: string,
): ResolvedGroupOptions => ({
  ...pick<Omit<ResolvedGroupOptions, 'group.id'>>(options, groupKeys),
  'group.id': groupId,
})

function pick<Part extends object>(options: Part, keys: readonly string[]): Part {
  const entries = Object.entries(options).filter(
    ([key, value]) => value !== undefined && keys.includes(key),
  )
  return Object.fromEntries(entries) as Part
}
