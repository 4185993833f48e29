import { SettingsError } from '@khlong/core'
import type { PartName } from '../config/part-names.ts'
import { type Pipeline, partSettings } from '../config/pipeline.ts'

/** The listeners that `lan: true` opens, and no others. */
const opened: Partial<Record<PartName, readonly string[]>> = {
  mqtt: ['listen', 'websocket'],
  grafana: ['listen'],
}

/** The host of a listener for which none was written. */
export function defaultHost(pipeline: Pipeline, part: PartName, listener: string): string {
  return pipeline.lan && opened[part]?.includes(listener) ? '0.0.0.0' : '127.0.0.1'
}

/**
 * Refuses what would let strangers in.
 *
 * @throws SettingsError with file, line and key
 */
export function checkLan(pipeline: Pipeline): void {
  if (!pipeline.lan) return
  for (const part of ['mqtt', 'grafana'] as const) {
    const settings = partSettings(pipeline, part)
    if (settings && settings.allow_anonymous === true)
      throw new SettingsError(
        `${pipeline.settings.where([part, 'allow_anonymous'])}: ${part}.allow_anonymous: true lets everyone on the network in; leave it out with lan: true`,
        { key: `${part}.allow_anonymous` },
      )
  }
}
