import { checkSettings, type SettingsSource } from '@khlong/core'
import {
  clientOptionsOf,
  type KafkaClientOptions,
  resolveConsumerOptions,
  resolveProducerOptions,
} from '@khlong/kafka-client'
import { z } from 'zod'

// Java's prefixes: settings of the clients below, and of the topics that an application makes for itself.

const prefixes = ['main.consumer.', 'consumer.', 'producer.', 'topic.'] as const
type Prefix = (typeof prefixes)[number]

/**
 * Settings for a client or a topic of the application, by Java's prefixes: `producer.max.request.size`,
 * `main.consumer.max.poll.interval.ms` (before `consumer.…`), `topic.min.insync.replicas`.
 */
export interface PrefixedSettings {
  readonly [key: `${Prefix}${string}`]: string | number | boolean | undefined
}

/** What an application relies on being as it is. */
const fixed: Readonly<Record<Exclude<Prefix, 'topic.'>, readonly string[]>> = {
  'main.consumer.': consumerKeys(),
  'consumer.': consumerKeys(),
  'producer.': [
    'acks',
    'bootstrap.servers',
    'client.id',
    'enable.idempotence',
    'max.in.flight.requests.per.connection',
    'transactional.id',
  ],
}

function consumerKeys(): string[] {
  return [
    'allow.auto.create.topics',
    'bootstrap.servers',
    'client.id',
    'enable.auto.commit',
    'group.id',
    'group.instance.id',
    'isolation.level',
    'partition.assignment.strategy',
  ]
}

const prefixOf = (key: string): Prefix | undefined =>
  prefixes.find((prefix) => key.startsWith(prefix))

/** Those settings that have this prefix, without it. */
function under(settings: object, prefix: Prefix): Record<string, unknown> {
  const entries = Object.entries(settings).filter(
    ([key, value]) => prefixOf(key) === prefix && value !== undefined,
  )
  return Object.fromEntries(entries.map(([key, value]) => [key.slice(prefix.length), value]))
}

/**
 * Sets what has a prefix apart from what has none, and checks it.
 *
 * @throws SettingsError `SETTINGS_INVALID` naming the key with its prefix
 */
export function splitSettings(
  settings: unknown,
  source?: SettingsSource,
): { readonly own: unknown; readonly prefixed: PrefixedSettings } {
  if (typeof settings !== 'object' || settings === null) return { own: settings, prefixed: {} }
  const entries = Object.entries(settings)
  const prefixed = Object.fromEntries(entries.filter(([key]) => prefixOf(key) !== undefined))
  const own = Object.fromEntries(entries.filter(([key]) => prefixOf(key) === undefined))
  for (const prefix of ['main.consumer.', 'consumer.', 'producer.'] as const) {
    const given = under(prefixed, prefix)
    for (const key of fixed[prefix])
      if (key in given)
        checkSettings(
          z.strictObject({ [`${prefix}${key}`]: z.never({ error: 'is set by the library' }) }),
          { [`${prefix}${key}`]: given[key] },
          source,
        )
    const resolve = prefix === 'producer.' ? resolveProducerOptions : resolveConsumerOptions
    resolve({ 'bootstrap.servers': 'checked:1', ...given }, source, [prefix.slice(0, -1)])
  }
  return { own, prefixed }
}

/** What is set for the consumer of a stream thread. */
export const consumerSettings = (settings: PrefixedSettings): Record<string, unknown> => ({
  ...under(settings, 'consumer.'),
  ...under(settings, 'main.consumer.'),
})

/** The part of it that is a matter of the connections that it shares. */
export const consumerClientSettings = (settings: PrefixedSettings): Partial<KafkaClientOptions> =>
  clientOptionsOf(consumerSettings(settings) as never)

export const producerSettings = (settings: PrefixedSettings): Record<string, unknown> =>
  under(settings, 'producer.')

/** Settings of repartition topics and changelogs. */
export const topicSettings = (settings: PrefixedSettings): Record<string, string> =>
  Object.fromEntries(
    Object.entries(under(settings, 'topic.')).map(([key, value]) => [key, String(value)]),
  )
