import { checkSettings, type SettingsSource } from '@khlong/core'
import { type AccessSettings, accessSettings } from '@khlong/core/access'
import { z } from 'zod'
import { parseDuration } from './duration.ts'

const duration = z.string().refine((text) => parseDuration(text) !== undefined, {
  error: 'expected a duration such as 15d or 2h',
})

const schema = z.strictObject({
  /** PORT or HOST:PORT of the HTTP API. */
  listen: z.union([z.number(), z.string()]).default(9090),
  /** Folder of the samples (`--storage.tsdb.path`). */
  data: z.string(),
  /** `prometheus.yml`; without one nothing is scraped. */
  'config.file': z.string().optional(),
  /** Where paths of `file_sd_configs` that begin with `discovery/` are found. */
  'discovery.dir': z.string().optional(),
  /** Addresses by the host names that the configuration uses. */
  hosts: z.record(z.string(), z.string()).default({}),
  'storage.tsdb.retention.time': duration.default('15d'),
  /** Bytes of blocks; 0 means no limit. A small disk is the usual one here. */
  'storage.tsdb.retention.size': z
    .number()
    .int()
    .nonnegative()
    .default(2 ** 30),
  'storage.tsdb.min-block-duration': duration.default('2h'),
  'query.lookback-delta': duration.default('5m'),
  'query.timeout': duration.default('2m'),
  'query.max-samples': z.number().int().positive().default(10_000_000),
  /** Whether `POST /-/reload` reads the configuration again. */
  'web.enable-lifecycle': z.boolean().default(true),
  /** `alertmanager.yml`; with one an Alertmanager runs beside, which `prometheus.yml` calls `alertmanager`. */
  'alertmanager.config.file': z.string().optional(),
  /** PORT or HOST:PORT of that Alertmanager's API. */
  'alertmanager.listen': z.union([z.number(), z.string()]).default(9093),
  /** An Alertmanager elsewhere instead, as the host `alertmanager` of the configuration. */
  'alertmanager.url': z.url().optional(),
  /** Alerts that wait to be sent (`--alertmanager.notification-queue-capacity`). */
  'alertmanager.notification-queue-capacity': z.number().int().positive().default(10_000),
  /** How soon a firing alert is said again (`--rules.alert.resend-delay`). */
  'rules.alert.resend-delay': duration.default('1m'),
  /** What links in alerts begin with; by default the address that it listens on. */
  'web.external-url': z.url().optional(),
  ...accessSettings,
})

/** Settings of {@link PrometheusServer}, by the names of Prometheus's own flags; all but `data` have defaults. */
export type PrometheusOptions = Partial<ResolvedPrometheusOptions> & { readonly data: string }

/** {@link PrometheusOptions} with every default filled in. */
export interface ResolvedPrometheusOptions extends AccessSettings {
  readonly listen: number | string
  readonly data: string
  readonly 'config.file'?: string | undefined
  readonly 'discovery.dir'?: string | undefined
  readonly hosts: Readonly<Record<string, string>>
  readonly 'storage.tsdb.retention.time': string
  readonly 'storage.tsdb.retention.size': number
  readonly 'storage.tsdb.min-block-duration': string
  readonly 'query.lookback-delta': string
  readonly 'query.timeout': string
  readonly 'query.max-samples': number
  readonly 'web.enable-lifecycle': boolean
  readonly 'alertmanager.config.file'?: string | undefined
  readonly 'alertmanager.listen': number | string
  readonly 'alertmanager.url'?: string | undefined
  readonly 'alertmanager.notification-queue-capacity': number
  readonly 'rules.alert.resend-delay': string
  readonly 'web.external-url'?: string | undefined
}

/** Checks settings and fills in defaults. @throws SettingsError `SETTINGS_INVALID` */
export function resolvePrometheusOptions(
  settings: unknown,
  source?: SettingsSource,
): ResolvedPrometheusOptions {
  return checkSettings(schema, settings, source)
}
