import type { SettingsSource } from '@khlong/core'
import { resolveConsumerOptions, resolveProducerOptions } from '@khlong/kafka-client'
import { optionsUnder } from '../converters/index.ts'

/** `producer.…` and `consumer.…`: what the clients of all connectors get, unless a connector overrides it. */
export interface ClientDefaults {
  readonly [setting: `producer.${string}` | `consumer.${string}`]: string
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
  const own: Record<string, unknown> = {}
  const defaults: Record<string, string> = {}
  for (const [name, value] of Object.entries(settings))
    if (/^(producer|consumer)\../.test(name)) defaults[name] = String(value)
    else own[name] = value
  const written = source && {
    name: source.name,
    line: (path: readonly PropertyKey[]) => source.line?.([path.map(String).join('.')]),
  }
  // What each client must be given is not theirs to say.
  const needed = { 'bootstrap.servers': 'any:9092' }
  resolveProducerOptions({ ...needed, ...optionsUnder(defaults, 'producer.') }, written, [
    'producer',
  ])
  resolveConsumerOptions(
    { ...needed, 'group.id': 'any', ...optionsUnder(defaults, 'consumer.') },
    written,
    ['consumer'],
  )
  return { own, defaults }
}
