import { nearestKey, SettingsError, type SettingsSource } from '@khlong/core'
import {
  type ClientSecurityOptions,
  clientSecurityKeys,
  clientSecurityOf,
  KafkaClient,
  type KafkaClientOptions,
} from '@khlong/kafka-client'
import { bytesOf } from '../config/disk-settings.ts'

/** What a caller may give: `bootstrap.servers` and security are those of the centre. */
export interface ForwardSettings extends ClientSecurityOptions {
  readonly 'bootstrap.servers': string
  readonly topics: string | readonly string[]
  readonly buffer?: string | number
  readonly 'compression.type'?: string
  /** The Kafka that is forwarded from: its address, or the settings of its clients. */
  readonly source: string | KafkaClientOptions
}

/** Checked settings. */
export interface ForwardOptions {
  readonly centre: KafkaClientOptions
  readonly source: KafkaClientOptions
  readonly topics: readonly string[]
  /** Bytes that each topic may take here; undefined where its own settings decide. */
  readonly bufferBytes: number | undefined
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
}

const own = ['bootstrap.servers', 'topics', 'buffer', 'compression.type', 'source']
/** A standalone part is given where to keep data; this one keeps none. */
const passedOver = ['data']
const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
/** Topics are named as Kafka lets them be. */
const topicName = /^[A-Za-z0-9._-]{1,249}$/

/** @throws SettingsError `SETTINGS_INVALID` with the key */
export function resolveForwardOptions(
  settings: unknown,
  { name }: SettingsSource = { name: 'options' },
): ForwardOptions {
  const given = (settings ?? {}) as Partial<Record<string, unknown>>
  const fail = (key: string, what: string): never => {
    throw new SettingsError(`${name}: ${key}: ${what}`, { file: name, key })
  }
  const known = [...own, ...clientSecurityKeys]
  for (const key of Object.keys(given)) {
    if (known.includes(key) || passedOver.includes(key)) continue
    const nearest = nearestKey(key, known)
    fail(key, nearest ? `unknown setting; did you mean ${nearest}?` : 'unknown setting')
  }
  const servers = given['bootstrap.servers']
  if (typeof servers !== 'string' || servers === '')
    fail('bootstrap.servers', 'the section forward needs the Kafka at the centre, HOST:PORT')
  const topics =
    typeof given.topics === 'string' ? given.topics.split(',') : (given.topics as unknown)
  if (!Array.isArray(topics) || topics.length === 0)
    return fail('topics', 'the section forward needs the topics to forward, such as [iot-frames]')
  const names = topics.map((topic) => String(topic).trim())
  const bad = names.find((topic) => !topicName.test(topic))
  if (bad !== undefined) fail('topics', `${JSON.stringify(bad)} is no name of a topic`)
  const bufferBytes = given.buffer === undefined ? undefined : bytesOf(given.buffer)
  if (given.buffer !== undefined && bufferBytes === undefined)
    fail('buffer', 'expected a size such as 2GB')
  const compression = compressions.find((one) => one === (given['compression.type'] ?? 'zstd'))
  if (compression === undefined)
    return fail('compression.type', `expected one of ${compressions.join(', ')}`)
  const source =
    typeof given.source === 'string' ? { 'bootstrap.servers': given.source } : given.source
  if (source === undefined || source === null)
    fail('source', 'expected the Kafka to forward from, HOST:PORT')
  const centre = {
    ...clientSecurityOf(given as ClientSecurityOptions),
    'bootstrap.servers': String(servers),
  }
  // Only to have its settings checked: a client connects when it is asked something.
  void new KafkaClient(centre).close()
  return {
    centre,
    source: source as KafkaClientOptions,
    topics: names,
    bufferBytes,
    compression,
  }
}
