import type { SettingsSource } from '@khlong/core'
import { resolveConsumerOptions, resolveProducerOptions } from '@khlong/kafka-client'
import { optionsUnder } from '../converters/index.ts'

/** `producer.…` and `consumer.…`: what the clients of all connectors get, unless a connector overrides it. */
export interface ClientDefaults {
  readonly [setting: `producer.${string}` | `consumer.${string}`]: string
}

const clients = ['producer', 'consumer'] as const
// What each client must be given is not theirs to say.
const needed = { 'bootstrap.servers': 'any:9092' }
const checks = {
  producer: (given: object, source?: SettingsSource) =>
    resolveProducerOptions({ ...needed, ...given }, source, ['producer']),
  consumer: (given: object, source?: SettingsSource) =>
    resolveConsumerOptions({ ...needed, 'group.id': 'any', ...given }, source, ['consumer']),
}

/** Those of a worker's settings that are for the clients of connectors. */
export function clientDefaultsOf(settings: object): ClientDefaults {
  return Object.fromEntries(
    Object.entries(settings)
      .filter(([name]) => clients.some((client) => name.startsWith(`${client}.`)))
      .map(([name, value]) => [name, String(value)]),
  )
}

/**
 * Takes the settings of connectors' clients out of a worker's.
 *
 * @throws SettingsError `SETTINGS_INVALID` with file, line and key, where a client would refuse one
 */
export function splitClientDefaults(
  settings: unknown,
  source?: SettingsSource,
): { readonly own: unknown; readonly defaults: ClientDefaults } {
  if (settings === null || typeof settings !== 'object') return { own: settings, defaults: {} }
  const defaults = clientDefaultsOf(settings)
  const own = Object.fromEntries(Object.entries(settings).filter(([name]) => !(name in defaults)))
  const written = source && {
    name: source.name,
    line: (path: readonly PropertyKey[]) => source.line?.([path.map(String).join('.')]),
  }
  for (const client of clients) {
    const given = optionsUnder({ ...defaults }, `${client}.`)
    if (Object.keys(given).length > 0) checks[client](given, written)
  }
  return { own, defaults }
}
