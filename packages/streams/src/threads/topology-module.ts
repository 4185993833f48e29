import { pathToFileURL } from 'node:url'
import {
  type ApplicationSettings,
  isStreamsDefinition,
  type StreamsDefinition,
} from '../app/define-streams.ts'
import type { StreamsSettings } from '../config.ts'
import { StreamsError } from '../errors.ts'

/** Where a topology comes from that several threads can build. */
export interface TopologyModule {
  readonly url: string
  readonly definition: StreamsDefinition
  /** Handed to the module's function. */
  readonly settings: ApplicationSettings
}

/** A module with the settings that were given beside its own. */
export interface TopologySource {
  readonly module: TopologyModule
  readonly given: Partial<StreamsSettings>
}

/**
 * Loads a module that exports `defineStreams(…)` by default.
 *
 * @param module its URL, or the path of its file
 * @throws StreamsError `STREAMS_APPLICATION_INVALID`
 */
export async function loadTopologyModule(
  module: URL | string,
  settings: ApplicationSettings,
): Promise<TopologyModule> {
  const url =
    module instanceof URL || module.startsWith('file:')
      ? String(module)
      : pathToFileURL(module).href
  const loaded = (await import(url)) as { default?: unknown }
  if (!isStreamsDefinition(loaded.default))
    throw new StreamsError(
      'STREAMS_APPLICATION_INVALID',
      `${url}: expected \`export default defineStreams(…)\`; modules that are no applications belong into a subfolder`,
    )
  return { url, definition: loaded.default, settings }
}

/**
 * The settings that a worker cannot read in the module itself: they are sent to it.
 *
 * @throws StreamsError `STREAMS_THREADS_NEED_MODULE` where one cannot cross threads
 */
export function settingsToSend(
  given: Partial<StreamsSettings>,
  { url, definition, settings }: TopologyModule,
): Partial<StreamsSettings> {
  const own: Readonly<Record<string, unknown>> = { ...definition.config }
  const sent: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === own[key]) continue
    needCloneable(value, key, url)
    sent[key] = value
  }
  needCloneable(settings, 'what is handed to the module', url)
  return sent as Partial<StreamsSettings>
}

function needCloneable(value: unknown, name: string, url: string): void {
  try {
    structuredClone(value)
  } catch (cause) {
    throw new StreamsError(
      'STREAMS_THREADS_NEED_MODULE',
      `${name} cannot be sent to other threads: say it in the module, ${url}`,
      { cause, fields: { setting: name, url } },
    )
  }
}
