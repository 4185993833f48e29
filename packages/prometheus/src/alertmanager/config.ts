import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { SettingsError } from '@khlong/core'
import { isPair, isScalar, parseDocument, stringify, visit } from 'yaml'
import { z } from 'zod'
import { duration } from '../config.ts'
import { Matcher } from '../labels.ts'
import { TemplateSet } from '../template/template.ts'
import { readYaml } from '../yaml-file.ts'
import { defaultTemplates } from './default-templates.ts'
import { notificationFunctions } from './notification-functions.ts'
import {
  type GlobalConfig,
  globalConfig,
  type ReceiverConfig,
  receiverConfig,
} from './receiver-config.ts'
import type { InhibitRule } from './state/inhibitor.ts'
import { parseMatchers } from './state/matchers.ts'
import { Route, type RouteConfig } from './state/route.ts'
import type { TimeInterval } from './state/time-interval.ts'
import { timeInterval } from './time-interval-config.ts'

/** `alertmanager.yml`, read. */
export interface AlertmanagerConfig {
  readonly global: GlobalConfig
  readonly route: Route
  readonly inhibitRules: readonly InhibitRule[]
  readonly receivers: ReadonlyMap<string, ReceiverConfig>
  readonly timeIntervals: ReadonlyMap<string, readonly TimeInterval[]>
  readonly templates: TemplateSet
  /** The file as it stands, without secrets. */
  readonly yaml: string
  /** Relative paths in the file start here. */
  readonly folder: string
}

const matcherList = z.array(z.string()).transform((texts, context) => {
  try {
    return texts.flatMap(parseMatchers)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
    return z.NEVER
  }
})
const labelValues = z.record(z.string(), z.coerce.string()).default({})

/** `matchers` and the two older ways to write them. */
function allMatchers(
  matchers: readonly Matcher[],
  match: Readonly<Record<string, string>>,
  matchRe: Readonly<Record<string, string>>,
): Matcher[] {
  const older = [
    ...Object.entries(match).map(([name, value]) => new Matcher('=', name, value)),
    // Alertmanager's group keys show these with their anchors.
    ...Object.entries(matchRe).map(([name, value]) => new Matcher('=~', name, `^(?:${value})$`)),
  ]
  // Alertmanager sorts them, and its group keys show the order.
  return [...matchers, ...older].toSorted((a, b) =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : 0,
  )
}

const routeConfig: z.ZodType<RouteConfig> = z.lazy(() =>
  z
    .strictObject({
      receiver: z.string().optional(),
      group_by: z
        .array(z.string())
        .refine((names) => new Set(names).size === names.length, { error: 'a label stands twice' })
        .refine((names) => !names.includes('...') || names.length === 1, {
          error: 'the wildcard ... stands alone',
        })
        .optional(),
      matchers: matcherList.default([]),
      match: labelValues,
      match_re: labelValues,
      continue: z.boolean().default(false),
      group_wait: duration.optional(),
      group_interval: duration
        .refine((milliseconds) => milliseconds > 0, { error: 'cannot be zero' })
        .optional(),
      repeat_interval: duration
        .refine((milliseconds) => milliseconds > 0, { error: 'cannot be zero' })
        .optional(),
      mute_time_intervals: z.array(z.string()).default([]),
      active_time_intervals: z.array(z.string()).default([]),
      routes: z.array(routeConfig).default([]),
    })
    .transform(({ match, match_re, matchers, ...route }) => ({
      ...route,
      matchers: allMatchers(matchers, match, match_re),
    })),
)

const inhibitRule = z
  .strictObject({
    source_matchers: matcherList.default([]),
    target_matchers: matcherList.default([]),
    source_match: labelValues,
    source_match_re: labelValues,
    target_match: labelValues,
    target_match_re: labelValues,
    equal: z.array(z.string()).default([]),
  })
  .transform((rule) => ({
    source_matchers: allMatchers(rule.source_matchers, rule.source_match, rule.source_match_re),
    target_matchers: allMatchers(rule.target_matchers, rule.target_match, rule.target_match_re),
    equal: rule.equal,
  }))

const namedInterval = z.strictObject({
  name: z.string().min(1),
  time_intervals: z.array(timeInterval).default([]),
})

const configSchema = z.strictObject({
  global: globalConfig.prefault({}),
  route: routeConfig,
  inhibit_rules: z.array(inhibitRule).default([]),
  receivers: z.array(receiverConfig).min(1),
  templates: z.array(z.string()).default([]),
  time_intervals: z.array(namedInterval).default([]),
  mute_time_intervals: z.array(namedInterval).default([]),
})

/**
 * Reads `alertmanager.yml` with its templates. `${NAME}` in it becomes the variable of the
 * environment, which Alertmanager itself does not do.
 *
 * @throws SettingsError with file, line and key
 */
export async function readAlertmanagerConfig(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<AlertmanagerConfig> {
  const { value, text } = await readYaml(
    file,
    configSchema,
    () => undefined,
    (written) => expandEnvironment(file, written, env),
  )
  const folder = path.dirname(path.resolve(file))
  const wrong = (key: string, what: string): SettingsError =>
    new SettingsError(`${file}: ${key}: ${what}`, { file, key })
  const receivers = byName(value.receivers, (name) => wrong('receivers', `${name} stands twice`))
  const intervals = byName([...value.time_intervals, ...value.mute_time_intervals], (name) =>
    wrong('time_intervals', `${name} stands twice`),
  )
  if (value.route.receiver === undefined) throw wrong('route.receiver', 'is missing')
  if (value.route.matchers.length > 0 || value.route.continue)
    throw wrong('route', 'the topmost route takes everything; it has neither matchers nor continue')
  if (value.route.mute_time_intervals.length + value.route.active_time_intervals.length > 0)
    throw wrong('route', 'the topmost route has no time intervals')
  checkRoute(value.route, receivers, intervals, wrong)
  for (const receiver of value.receivers)
    for (const email of receiver.email_configs) {
      if ((email.smarthost ?? value.global.smtp_smarthost) === undefined)
        throw wrong('receivers', `${receiver.name} needs smarthost, or global.smtp_smarthost`)
      if ((email.from ?? value.global.smtp_from) === undefined)
        throw wrong('receivers', `${receiver.name} needs from, or global.smtp_from`)
    }
  const templates = new TemplateSet(notificationFunctions)
  for (const [name, template] of Object.entries(defaultTemplates)) templates.define(name, template)
  for (const pattern of value.templates)
    for (const templateFile of globSync(path.resolve(folder, pattern)).toSorted())
      try {
        templates.define(path.basename(templateFile), await readFile(templateFile, 'utf8'))
      } catch (error) {
        throw wrong('templates', `${templateFile}: ${(error as Error).message}`)
      }
  for (const receiver of value.receivers)
    for (const [key, template] of textsOf(receiver))
      try {
        templates.check(key, template)
      } catch (error) {
        throw wrong('receivers', `${receiver.name}: ${(error as Error).message}`)
      }
  return {
    global: value.global,
    route: new Route(value.route),
    inhibitRules: value.inhibit_rules,
    receivers,
    timeIntervals: new Map([...intervals].map(([name, entry]) => [name, entry.time_intervals])),
    templates,
    yaml: withoutSecrets(text),
    folder,
  }
}

function byName<Entry extends { readonly name: string }>(
  entries: readonly Entry[],
  twice: (name: string) => Error,
): Map<string, Entry> {
  const found = new Map<string, Entry>()
  for (const entry of entries) {
    if (found.has(entry.name)) throw twice(entry.name)
    found.set(entry.name, entry)
  }
  return found
}

function checkRoute(
  route: RouteConfig,
  receivers: ReadonlyMap<string, unknown>,
  intervals: ReadonlyMap<string, unknown>,
  wrong: (key: string, what: string) => Error,
): void {
  if (route.receiver !== undefined && !receivers.has(route.receiver))
    throw wrong('route', `undefined receiver ${JSON.stringify(route.receiver)} used in route`)
  for (const name of [...route.mute_time_intervals, ...route.active_time_intervals])
    if (!intervals.has(name))
      throw wrong('route', `undefined time interval ${JSON.stringify(name)} used in route`)
  for (const child of route.routes) checkRoute(child, receivers, intervals, wrong)
}

/** Every text of a receiver that is a template. */
function textsOf(receiver: ReceiverConfig): [string, string][] {
  return [
    ...receiver.email_configs.flatMap(({ html, text, headers, to }) => [
      html,
      text,
      to,
      ...Object.values(headers),
    ]),
    ...receiver.telegram_configs.map(({ message }) => message),
    ...receiver.discord_configs.flatMap(({ title, message, content }) => [title, message, content]),
    ...receiver.line_configs.map(({ message }) => message),
  ].map((text) => [receiver.name, text])
}

function expandEnvironment(
  file: string,
  written: unknown,
  env: Readonly<Record<string, string | undefined>>,
): unknown {
  if (typeof written === 'string')
    return written.replace(/\$\{([A-Za-z_]\w*)\}/g, (_all, name: string) => {
      const value = env[name]
      if (value === undefined)
        throw new SettingsError(`${file}: the environment has no variable ${name}`, {
          file,
          key: name,
        })
      return value
    })
  if (Array.isArray(written)) return written.map((entry) => expandEnvironment(file, entry, env))
  if (typeof written !== 'object' || written === null) return written
  return Object.fromEntries(
    Object.entries(written).map(([key, value]) => [key, expandEnvironment(file, value, env)]),
  )
}

const secretKeys = new Set([
  'smtp_auth_password',
  'auth_password',
  'password',
  'credentials',
  'bot_token',
  'webhook_url',
  'channel_access_token',
])

/**
 * The file as the API shows it: secrets are masked, and so are the paths of webhooks, which often
 * hold one. `line_configs` is left out, for amtool reads this and knows no such key; so are
 * comments, for they may hold what was a secret once.
 */
function withoutSecrets(text: string): string {
  const document = parseDocument(text)
  visit(document, {
    Pair: (_key, pair, ancestors) => {
      if (!isScalar(pair.key)) return undefined
      const key = String(pair.key.value)
      if (key === 'line_configs') return visit.REMOVE
      const inWebhook = ancestors.some(
        (node) => isPair(node) && isScalar(node.key) && node.key.value === 'webhook_configs',
      )
      if (secretKeys.has(key)) pair.value = document.createNode('<secret>')
      else if (key === 'url' && inWebhook && isScalar(pair.value))
        pair.value = document.createNode(withoutPath(String(pair.value.value)))
      return undefined
    },
  })
  return stringify(document.toJS())
}

/** An address that amtool can read still. */
function withoutPath(url: string): string {
  return `${URL.canParse(url) ? new URL(url).origin : 'http://secret.invalid'}/<secret>`
}
