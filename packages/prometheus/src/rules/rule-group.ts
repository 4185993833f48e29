import type { RuleConfig, RuleGroupConfig } from '../config.ts'
import { Labels } from '../labels.ts'
import type { Expression } from '../promql/ast.ts'
import type { Engine } from '../promql/engine.ts'
import { parseQuery } from '../promql/parser.ts'
import { executionError, type Sample } from '../promql/value.ts'
import type { NewSample } from '../storage/samples.ts'
import { fillTemplate } from './template.ts'

/** One alert of an alerting rule. */
export interface Alert {
  readonly labels: Labels
  readonly annotations: Readonly<Record<string, string>>
  state: 'pending' | 'firing'
  readonly activeAtMs: number
  firedAtMs: number | undefined
  keepFiringSinceMs: number | undefined
  value: number
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
      state = 'pending'
    }
    return state
  }
}

/** A group of rules, evaluated in order at one time; later rules see what earlier ones recorded. */
export class RuleGroup {
  readonly config: RuleGroupConfig
  readonly rules: readonly Rule[]
  readonly intervalMs: number
  lastEvaluationMs = 0
  evaluationSeconds = 0

  constructor(config: RuleGroupConfig, defaultIntervalMs: number) {
    this.config = config
    this.intervalMs = config.intervalMs ?? defaultIntervalMs
    this.rules = config.rules.map((rule) => new Rule(rule, config.labels))
  }

  async evaluate(
    engine: Engine,
    nowMs: number,
    store: (samples: readonly NewSample[]) => Promise<void>,
  ): Promise<void> {
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
            ? updateAlerts(rule, vector, timeMs)
            : record(rule, rule.config.record, vector, timeMs)
        await store([...samples, ...endGone(rule, samples, timeMs)])
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

/**
 * Moves each alert along pending → firing → gone, and gives the samples of `ALERTS` and
 * `ALERTS_FOR_STATE`.
 */
function updateAlerts(rule: Rule, vector: readonly Sample[], timeMs: number): NewSample[] {
  const active = new Set<string>()
  for (const { labels, value } of vector) {
    const data = { labels: labels.toRecord(), value }
    const fill = (texts: Readonly<Record<string, string>>): Record<string, string> =>
      Object.fromEntries(
        Object.entries(texts).map(([name, text]) => [name, fillTemplate(text, data)]),
      )
    const alertLabels = labels
      .withoutName()
      .with({ ...fill(rule.labels), alertname: rule.config.alert! })
    if (active.has(alertLabels.key))
      throw executionError(
        'vector contains metrics with the same labelset after applying alert labels',
      )
    active.add(alertLabels.key)
    const known = rule.alerts.get(alertLabels.key)
    rule.alerts.set(alertLabels.key, {
      labels: alertLabels,
      annotations: fill(rule.config.annotations),
      state: known?.state ?? 'pending',
      activeAtMs: known?.activeAtMs ?? timeMs,
      firedAtMs: known?.firedAtMs,
      keepFiringSinceMs: undefined,
      value,
    })
  }
  const samples: NewSample[] = []
  for (const [key, alert] of rule.alerts) {
    if (!active.has(key)) {
      const { keep_firing_for: keepMs } = rule.config
      alert.keepFiringSinceMs ??= timeMs
      if (alert.state === 'pending' || timeMs - alert.keepFiringSinceMs >= keepMs) {
        rule.alerts.delete(key)
        continue
      }
    }
    if (alert.state === 'pending' && timeMs - alert.activeAtMs >= rule.config.for) {
      alert.state = 'firing'
      alert.firedAtMs = timeMs
    }
    samples.push(
      {
        labels: alert.labels.with({ __name__: 'ALERTS', alertstate: alert.state }),
        timeMs,
        value: 1,
      },
      {
        labels: alert.labels.with({ __name__: 'ALERTS_FOR_STATE' }),
        timeMs,
        value: alert.activeAtMs / 1_000,
      },
    )
  }
  return samples
}

function endGone(rule: Rule, samples: readonly NewSample[], timeMs: number): NewSample[] {
  const now = new Map(samples.map(({ labels }) => [labels.key, labels]))
  const gone = [...rule.series].filter(([key]) => !now.has(key))
  rule.series = now
  return gone.map(([, labels]) => ({ labels, timeMs, value: Number.NaN, stale: true }))
}
