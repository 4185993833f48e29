import { checkSettings, type SettingsSource } from '@khlong/core'
import { type AccessSettings, accessSettings } from '@khlong/core/access'
import { z } from 'zod'
import { parseDuration } from '../duration.ts'

const schema = z.strictObject({
  /** PORT or HOST:PORT of the HTTP API (`--web.listen-address`). */
  listen: z.union([z.number(), z.string()]).default(9093),
  /** Folder of silences, alerts and what was told (`--storage.path`). */
  data: z.string(),
  /** `alertmanager.yml`. */
  'config.file': z.string(),
  /** What links in notifications begin with; by default the address that it listens on. */
  'web.external-url': z.url().optional(),
  /** How long ended silences are kept. */
  'data.retention': z
    .string()
    .refine((text) => parseDuration(text) !== undefined, {
      error: 'expected a duration such as 120h',
    })
    .default('120h'),
  /** Alerts beyond this are refused: ours, for memory must end somewhere. */
  'alerts.max': z.number().int().positive().default(10_000),
  /** Variables that `${NAME}` in the configuration stands for; by default the process's own. */
  env: z.record(z.string(), z.string().optional()).optional(),
  ...accessSettings,
})

/** Settings of {@link AlertmanagerServer}, by the names of Alertmanager's own flags. */
export type AlertmanagerOptions = Partial<ResolvedAlertmanagerOptions> & {
  readonly data: string
  readonly 'config.file': string
}

/** {@link AlertmanagerOptions} with every default filled in. */
export interface ResolvedAlertmanagerOptions extends AccessSettings {
  readonly listen: number | string
  readonly data: string
  readonly 'config.file': string
  readonly 'web.external-url'?: string | undefined
  readonly 'data.retention': string
  readonly 'alerts.max': number
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** Checks settings and fills in defaults. @throws SettingsError `SETTINGS_INVALID` */
export function resolveAlertmanagerOptions(
  settings: unknown,
  source?: SettingsSource,
): ResolvedAlertmanagerOptions {
  return checkSettings(schema, settings, source)
}
