import type { RuleConfig, RuleGroupConfig } from '../config.ts'
import { Labels } from '../labels.ts'
import type { Expression } from '../promql/ast.ts'
import type { Engine } from '../promql/engine.ts'
import { parseQuery } from '../promql/parser.ts'
import { executionError, type Sample } from '../promql/value.ts'
import type { NewSample } from '../storage/samples.ts'
import {
  type Alert,
  type AlertContext,
  type PastAlert,
  restoreAlerts,
  updateAlerts,
} from './alert.ts'

/** After a start an alert takes up its past this long; then what comes is new. */
const restoreWithinMs = 5 * 60_000

/** What the evaluation of a group needs of the server. */
export interface EvaluationContext {
  readonly engine: Engine
  readonly externalLabels: Readonly<Record<string, string>>
  readonly externalUrl: string
  store(samples: readonly NewSample[]): Promise<void>
  /** Alerts of a name before this start, by the key of their labels. */
  pastAlerts(name: string, nowMs: number): Promise<ReadonlyMap<string, PastAlert>>
  /** Tells Alertmanagers what has changed. */
  notify(group: RuleGroup, rule: Rule, nowMs: number): void
}

/** A rule with the outcome of its last evaluation. */
export class Rule {
  readonly config: RuleConfig
  readonly expression: Expression
  readonly labels: Readonly<Record<string, string>>
  readonly alerts: Map<string, Alert> = new Map()
  /** Series that the last evaluation gave, so that those that are gone can be ended. */
  series: Map<string, Labels> = new Map()
  health: 'ok' | 'err' | 'unknown' = 'unknown'
  lastError = ''
  lastEvaluationMs = 0
  evaluationSeconds = 0
  past: ReadonlyMap<string, PastAlert> | undefined

  constructor(config: RuleConfig, groupLabels: Readonly<Record<string, string>>) {
    this.config = config
    this.expression = parseQuery(config.expr)
    this.labels = { ...groupLabels, ...config.labels }
  }

  /** The worst state of its alerts. */
  get state(): 'inactive' | 'pending' | 'firing' {
    let state: 'inactive' | 'pending' = 'inactive'
    for (const alert of this.alerts.values()) {
      if (alert.state === 'firing') return 'firing'
      if (alert.state === 'pending') state = 'pending'
    }
    return state
  }

  /** Alerts that are pending or firing. */
  get activeAlerts(): Alert[] {
    return [...this.alerts.values()].filter(({ state }) => state !== 'inactive')
  }

  /** Goes on where the same rule was before the configuration was read again. */
  takeOver(before: Rule): void {
    for (const [key, alert] of before.alerts) this.alerts.set(key, alert)
    this.series = before.series
    this.past = before.past
  }
}

/** A group of rules, evaluated in order at one time; later rules see what earlier ones recorded. */
export class RuleGroup {
  readonly config: RuleGroupConfig
  readonly rules: readonly Rule[]
  readonly intervalMs: number
  lastEvaluationMs = 0
  evaluationSeconds = 0
  #firstMs: number | undefined

  constructor(config: RuleGroupConfig, defaultIntervalMs: number) {
    this.config = config
    this.intervalMs = config.intervalMs ?? defaultIntervalMs
    this.rules = config.rules.map((rule) => new Rule(rule, config.labels))
  }

  /** Rules that did not change keep their alerts. */
  takeOver(before: RuleGroup): void {
    this.#firstMs = before.#firstMs
    const known = new Map(before.rules.map((rule) => [JSON.stringify(rule.config), rule]))
    for (const rule of this.rules) {
      const same = known.get(JSON.stringify(rule.config))
      if (same) rule.takeOver(same)
    }
  }

  async evaluate(context: EvaluationContext, nowMs: number): Promise<void> {
    const { engine, store } = context
    this.#firstMs ??= nowMs
    const groupStartMs = performance.now()
    for (const rule of this.rules) {
      const startMs = performance.now()
      const timeMs = nowMs - this.config.queryOffsetMs
      try {
        const vector = await evaluateVector(engine, rule.expression, timeMs)
        if (this.config.limit > 0 && vector.length > this.config.limit)
          throw executionError(
            `exceeded limit of ${this.config.limit} with ${vector.length} series`,
          )
        const samples =
          rule.config.record === undefined
            ? await this.#alert(context, rule, vector, timeMs, nowMs)
            : record(rule, rule.config.record, vector, timeMs)
        await store([...samples, ...endGone(rule, samples, timeMs)])
        if (rule.config.alert !== undefined) context.notify(this, rule, nowMs)
        rule.health = 'ok'
        rule.lastError = ''
      } catch (error) {
        rule.health = 'err'
        rule.lastError = (error as Error).message
      }
      rule.lastEvaluationMs = nowMs
      rule.evaluationSeconds = (performance.now() - startMs) / 1_000
    }
    this.lastEvaluationMs = nowMs
    this.evaluationSeconds = (performance.now() - groupStartMs) / 1_000
  }

  async #alert(
    context: EvaluationContext,
    rule: Rule,
    vector: readonly Sample[],
    timeMs: number,
    nowMs: number,
  ): Promise<NewSample[]> {
    const alerting: AlertContext = {
      externalLabels: context.externalLabels,
      externalUrl: context.externalUrl,
      query: (expression) => evaluateVector(context.engine, parseQuery(expression), timeMs),
    }
    if (!rule.past) {
      rule.past = await context.pastAlerts(rule.config.alert!, nowMs)
      await restoreAlerts(rule, rule.past, nowMs, alerting, (pastMs) =>
        evaluateVector(context.engine, rule.expression, pastMs),
      )
    }
    if (nowMs - this.#firstMs! > restoreWithinMs) rule.past = new Map()
    return updateAlerts(rule, vector, timeMs, alerting, rule.past)
  }
}

async function evaluateVector(
  engine: Engine,
  expression: Expression,
  timeMs: number,
): Promise<readonly Sample[]> {
  const result = await engine.instant(expression, timeMs)
  if (result.type === 'vector') return result.samples
  if (result.type === 'scalar') return [{ labels: Labels.empty, value: result.value }]
  throw executionError('rule result is not a vector or scalar')
}

function record(rule: Rule, name: string, vector: readonly Sample[], timeMs: number): NewSample[] {
  return vector.map(({ labels, value }) => ({
    labels: labels.with({ ...rule.labels, __name__: name }),
    timeMs,
    value,
  }))
}

function endGone(rule: Rule, samples: readonly NewSample[], timeMs: number): NewSample[] {
  const now = new Map(samples.map(({ labels }) => [labels.key, labels]))
  const gone = [...rule.series].filter(([key]) => !now.has(key))
  rule.series = now
  return gone.map(([, labels]) => ({ labels, timeMs, value: Number.NaN, stale: true }))
}
