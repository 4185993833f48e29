import { globSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { parseDuration } from './duration.ts'
import { parseQuery } from './promql/parser.ts'
import { templateProblem } from './rules/template.ts'
import { readYaml } from './yaml-file.ts'

/** A duration in the file, milliseconds in memory. */
export const duration: z.ZodType<number, string | 0> = z
  .union([z.string(), z.literal(0)])
  .transform((text, context) => {
    const milliseconds = parseDuration(String(text))
    if (milliseconds !== undefined) return milliseconds
    context.addIssue({ code: 'custom', message: `not a valid duration: ${JSON.stringify(text)}` })
    return z.NEVER
  })

const labelSet = z.record(z.string(), z.coerce.string())

const regex = z.coerce.string().refine(isPattern, { error: 'not a valid regular expression' })

function isPattern(text: string): boolean {
  try {
    new RegExp(text.replaceAll('(?P<', '(?<'))
    return true
  } catch {
    return false
  }
}

const relabelConfig = z.strictObject({
  source_labels: z.array(z.string()).default([]),
  separator: z.string().default(';'),
  regex: regex.default('(.*)'),
  modulus: z.number().int().positive().optional(),
  target_label: z.string().optional(),
  replacement: z.coerce.string().default('$1'),
  action: z
    .preprocess(
      (text) => (typeof text === 'string' ? text.toLowerCase() : text),
      z.enum([
        'replace',
        'keep',
        'drop',
        'keepequal',
        'dropequal',
        'hashmod',
        'labelmap',
        'labeldrop',
        'labelkeep',
        'lowercase',
        'uppercase',
      ]),
    )
    .default('replace'),
})

const basicAuth = z.strictObject({
  username: z.string().default(''),
  password: z.string().default(''),
})

const scrapeConfig = z.strictObject({
  job_name: z.string().min(1),
  scrape_interval: duration.optional(),
  scrape_timeout: duration.optional(),
  metrics_path: z.string().default('/metrics'),
  scheme: z.enum(['http', 'https']).default('http'),
  params: z.record(z.string(), z.array(z.string())).default({}),
  honor_labels: z.boolean().default(false),
  honor_timestamps: z.boolean().default(true),
  basic_auth: basicAuth.optional(),
  authorization: z
    .strictObject({ type: z.string().default('Bearer'), credentials: z.string() })
    .optional(),
  static_configs: z
    .array(z.strictObject({ targets: z.array(z.string()), labels: labelSet.default({}) }))
    .default([]),
  file_sd_configs: z
    .array(z.strictObject({ files: z.array(z.string()), refresh_interval: duration.optional() }))
    .default([]),
  http_sd_configs: z
    .array(z.strictObject({ url: z.url(), refresh_interval: duration.optional() }))
    .default([]),
  relabel_configs: z.array(relabelConfig).default([]),
  metric_relabel_configs: z.array(relabelConfig).default([]),
  sample_limit: z.number().int().nonnegative().default(0),
  body_size_limit: z
    .number()
    .int()
    .nonnegative()
    .default(64 << 20),
})

const alertmanagerConfig = z.strictObject({
  scheme: z.enum(['http', 'https']).default('http'),
  path_prefix: z.string().default('/'),
  timeout: duration.default(10_000),
  api_version: z.literal('v2', { error: 'only v2 is supported' }).default('v2'),
  basic_auth: basicAuth.optional(),
  authorization: z
    .strictObject({ type: z.string().default('Bearer'), credentials: z.string() })
    .optional(),
  static_configs: scrapeConfig.shape.static_configs,
  file_sd_configs: scrapeConfig.shape.file_sd_configs,
  http_sd_configs: scrapeConfig.shape.http_sd_configs,
  relabel_configs: z.array(relabelConfig).default([]),
  alert_relabel_configs: z.array(relabelConfig).default([]),
})

const alertingConfig = z.strictObject({
  alert_relabel_configs: z.array(relabelConfig).default([]),
  alertmanagers: z.array(alertmanagerConfig).default([]),
})

const configSchema = z.strictObject({
  global: z
    .strictObject({
      scrape_interval: duration.default(60_000),
      scrape_timeout: duration.default(10_000),
      evaluation_interval: duration.default(60_000),
      external_labels: labelSet.default({}),
    })
    .prefault({}),
  rule_files: z.array(z.string()).default([]),
  scrape_configs: z.array(scrapeConfig).default([]),
  alerting: alertingConfig.prefault({}),
})

const expression = z.coerce.string().superRefine((text, context) => {
  try {
    parseQuery(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
  }
})

const rule = z
  .strictObject({
    record: z.string().optional(),
    alert: z.string().optional(),
    expr: expression,
    for: duration.default(0),
    keep_firing_for: duration.default(0),
    labels: labelSet.default({}),
    annotations: labelSet.default({}),
  })
  .refine(({ record, alert }) => (record === undefined) !== (alert === undefined), {
    error: 'a rule has either record or alert',
  })
  .superRefine(({ labels, annotations }, context) => {
    for (const [key, texts] of Object.entries({ labels, annotations }))
      for (const [name, text] of Object.entries(texts)) {
        const message = templateProblem(text)
        if (message !== undefined) context.addIssue({ code: 'custom', path: [key, name], message })
      }
  })

const rulesSchema = z.strictObject({
  groups: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        interval: duration.optional(),
        limit: z.number().int().nonnegative().default(0),
        query_offset: duration.default(0),
        labels: labelSet.default({}),
        rules: z.array(rule).default([]),
      }),
    )
    .nullish(),
})

/** A rule of `relabel_configs` or `metric_relabel_configs`. */
export interface RelabelConfig {
  readonly source_labels: readonly string[]
  readonly separator: string
  readonly regex: string
  readonly modulus?: number | undefined
  readonly target_label?: string | undefined
  readonly replacement: string
  readonly action:
    | 'replace'
    | 'keep'
    | 'drop'
    | 'keepequal'
    | 'dropequal'
    | 'hashmod'
    | 'labelmap'
    | 'labeldrop'
    | 'labelkeep'
    | 'lowercase'
    | 'uppercase'
}

/** A job of `scrape_configs`; durations in milliseconds. */
export interface ScrapeConfig {
  readonly job_name: string
  readonly scrape_interval?: number | undefined
  readonly scrape_timeout?: number | undefined
  readonly metrics_path: string
  readonly scheme: 'http' | 'https'
  readonly params: Readonly<Record<string, readonly string[]>>
  readonly honor_labels: boolean
  readonly honor_timestamps: boolean
  readonly basic_auth?: { readonly username: string; readonly password: string } | undefined
  readonly authorization?: { readonly type: string; readonly credentials: string } | undefined
  readonly static_configs: readonly {
    readonly targets: string[]
    readonly labels: Record<string, string>
  }[]
  readonly file_sd_configs: readonly { readonly files: readonly string[] }[]
  readonly http_sd_configs: readonly { readonly url: string }[]
  readonly relabel_configs: readonly RelabelConfig[]
  readonly metric_relabel_configs: readonly RelabelConfig[]
  readonly sample_limit: number
  readonly body_size_limit: number
}

/** A recording or alerting rule; durations in milliseconds. */
export interface RuleConfig {
  readonly record?: string | undefined
  readonly alert?: string | undefined
  readonly expr: string
  readonly for: number
  readonly keep_firing_for: number
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** `global`; durations in milliseconds. */
export interface GlobalConfig {
  readonly scrape_interval: number
  readonly scrape_timeout: number
  readonly evaluation_interval: number
  readonly external_labels: Readonly<Record<string, string>>
}

/** One entry of `alerting.alertmanagers`; durations in milliseconds. */
export interface AlertmanagerTargetConfig
  extends Pick<
    ScrapeConfig,
    'scheme' | 'basic_auth' | 'authorization' | 'relabel_configs' | DiscoveryKeys
  > {
  readonly path_prefix: string
  readonly timeout: number
  readonly alert_relabel_configs: readonly RelabelConfig[]
}

/** The keys by which targets are found. */
export type DiscoveryKeys = 'static_configs' | 'file_sd_configs' | 'http_sd_configs'

/** `alerting` of the configuration file. */
export interface AlertingConfig {
  readonly alert_relabel_configs: readonly RelabelConfig[]
  readonly alertmanagers: readonly AlertmanagerTargetConfig[]
}

/** A group of rules with the file that it comes from. */
export interface RuleGroupConfig {
  readonly file: string
  readonly name: string
  readonly intervalMs: number | undefined
  readonly limit: number
  readonly queryOffsetMs: number
  readonly labels: Readonly<Record<string, string>>
  readonly rules: readonly RuleConfig[]
}

/** `prometheus.yml` with its rule files, read. */
export interface PrometheusConfig {
  readonly global: GlobalConfig
  readonly scrapes: readonly ScrapeConfig[]
  readonly ruleGroups: readonly RuleGroupConfig[]
  readonly alerting: AlertingConfig
  /** The file as it stands, for `/api/v1/status/config`. */
  readonly yaml: string
  /** Relative paths in the file start here. */
  readonly folder: string
}

/** Sections of Prometheus's file that are known and not here yet. */
const missingSections = new Set([
  'remote_write',
  'remote_read',
  'storage',
  'tracing',
  'otlp',
  'runtime',
  'scrape_config_files',
])

/**
 * Reads `prometheus.yml` and its rule files.
 *
 * @throws SettingsError with file, line and key
 */
export async function readConfig(file: string): Promise<PrometheusConfig> {
  const { value, text } = await readYaml(file, configSchema, (key) =>
    missingSections.has(key) ? 'not supported yet' : undefined,
  )
  const folder = path.dirname(path.resolve(file))
  const ruleGroups: RuleGroupConfig[] = []
  for (const pattern of value.rule_files)
    for (const ruleFile of globSync(path.resolve(folder, pattern)).toSorted()) {
      const { value: rules } = await readYaml(ruleFile, rulesSchema, () => undefined)
      for (const { interval, query_offset, ...group } of rules.groups ?? [])
        ruleGroups.push({
          ...group,
          file: ruleFile,
          intervalMs: interval,
          queryOffsetMs: query_offset,
        })
    }
  return {
    global: value.global,
    scrapes: value.scrape_configs,
    ruleGroups,
    alerting: value.alerting,
    yaml: text,
    folder,
  }
}
