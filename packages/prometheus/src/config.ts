import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { checkSettings, SettingsError } from '@khlong/core'
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { parseDuration } from './duration.ts'
import { parseQuery } from './promql/parser.ts'

/** A duration in the file, milliseconds in memory. */
const duration = z.union([z.string(), z.literal(0)]).transform((text, context) => {
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
  /** The file as it stands, for `/api/v1/status/config`. */
  readonly yaml: string
  /** Relative paths in the file start here. */
  readonly folder: string
}

/** Sections of Prometheus's file that are known and not here yet. */
const missingSections = new Set([
  'alerting',
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
  return { global: value.global, scrapes: value.scrape_configs, ruleGroups, yaml: text, folder }
}

async function readYaml<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
  missing: (key: string) => string | undefined,
): Promise<{ value: z.infer<Schema>; text: string }> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new SettingsError(`cannot read ${file}: ${(error as Error).message}`, { file })
  })
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false })
  const problem = document.errors[0]
  if (problem) {
    const { line } = lineCounter.linePos(problem.pos[0])
    throw new SettingsError(`${file}:${line}: ${problem.message}`, { file, line })
  }
  const line = (steps: readonly PropertyKey[]): number | undefined => {
    let node: unknown = document.contents
    let found: number | undefined
    for (const step of steps) {
      let position: number | undefined
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && key.value === step)
        position = isScalar(pair?.key) ? pair.key.range?.[0] : undefined
        node = pair?.value
      } else if (isSeq(node)) {
        node = node.items[Number(step)]
        position = (node as { range?: [number, number, number] } | undefined)?.range?.[0]
      }
      if (position !== undefined) found = lineCounter.linePos(position).line
    }
    return found
  }
  const written = (document.toJS() ?? {}) as Record<string, unknown>
  for (const key of Object.keys(written)) {
    const why = missing(key)
    if (why) throw new SettingsError(`${file}:${line([key])}: ${key}: ${why}`, { file, key })
  }
  return { value: checkSettings(schema, written, { name: file, line }) as z.infer<Schema>, text }
}
