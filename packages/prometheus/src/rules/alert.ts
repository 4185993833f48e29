import type { Labels } from '../labels.ts'
import { executionError, type Sample } from '../promql/value.ts'
import type { NewSample } from '../storage/samples.ts'
import type { Rule } from './rule-group.ts'
import { fillTemplate, type TemplateData } from './template.ts'

/** How long a resolved alert is told again and again, so that no Alertmanager misses it. */
const resolvedRetentionMs = 15 * 60_000

/** One alert of an alerting rule. */
export interface Alert {
  readonly labels: Labels
  readonly annotations: Readonly<Record<string, string>>
  /** `inactive` is one that has fired and is over. */
  state: 'pending' | 'firing' | 'inactive'
  readonly activeAtMs: number
  firedAtMs: number | undefined
  resolvedAtMs: number | undefined
  lastSentMs: number | undefined
  keepFiringSinceMs: number | undefined
  /** An alert of the process before this one is not taken as over until then. */
  readonly heldUntilMs?: number
  value: number
}

/** After an outage longer than samples count, targets get this long to be scraped again. */
const holdMs = 60_000
const sampleLifetimeMs = 5 * 60_000

/** What the samples before this start say of an alert. */
export interface PastAlert {
  readonly activeAtMs: number
  readonly lastMs: number
}

export type AlertContext = Omit<TemplateData, 'labels' | 'value'>

/**
 * Moves each alert along pending → firing → inactive → gone, and gives the samples of `ALERTS` and
 * `ALERTS_FOR_STATE`. `past` are alerts of the process before this one: they go on where they were.
 */
export async function updateAlerts(
  rule: Rule,
  vector: readonly Sample[],
  timeMs: number,
  context: AlertContext,
  past: ReadonlyMap<string, PastAlert>,
): Promise<NewSample[]> {
  const active = new Set<string>()
  const found: Alert[] = []
  for (const { labels, value } of vector) {
    const data = { ...context, labels: labels.toRecord(), value }
    const alertLabels = await labelsOf(rule, labels, data)
    if (active.has(alertLabels.key))
      throw executionError(
        'vector contains metrics with the same labelset after applying alert labels',
      )
    active.add(alertLabels.key)
    const annotations = await fillAll(rule.config.annotations, data)
    const known = rule.alerts.get(alertLabels.key)
    const goesOn = known !== undefined && known.state !== 'inactive'
    found.push(
      goesOn
        ? { ...known, annotations, keepFiringSinceMs: undefined, value }
        : newAlert(rule, alertLabels, annotations, value, timeMs, past.get(alertLabels.key)),
    )
  }
  for (const alert of found) rule.alerts.set(alert.labels.key, alert)
  const samples: NewSample[] = []
  for (const [key, alert] of rule.alerts) {
    if (!active.has(key) && !keepsFiring(rule, alert, timeMs)) {
      if (
        alert.state === 'pending' ||
        (alert.resolvedAtMs !== undefined && timeMs - alert.resolvedAtMs > resolvedRetentionMs)
      )
        rule.alerts.delete(key)
      else if (alert.state === 'firing') {
        alert.state = 'inactive'
        alert.resolvedAtMs = timeMs
      }
      continue
    }
    if (alert.state === 'pending' && timeMs - alert.activeAtMs >= rule.config.for) {
      alert.state = 'firing'
      alert.firedAtMs = timeMs
    }
    const [state, since] = seriesOf(alert.labels, alert.state)
    samples.push(
      { labels: state, timeMs, value: 1 },
      { labels: since, timeMs, value: alert.activeAtMs / 1_000 },
    )
  }
  return samples
}

/**
 * Brings back the alerts that fired when the process before this one ended, so that their end is
 * told even if it comes before the first evaluation. `evaluateAt` gives what the rule found then.
 */
export async function restoreAlerts(
  rule: Rule,
  past: ReadonlyMap<string, PastAlert>,
  nowMs: number,
  context: AlertContext,
  evaluateAt: (timeMs: number) => Promise<readonly Sample[]>,
): Promise<void> {
  if (past.size === 0 || rule.alerts.size > 0) return
  const timeMs = Math.max(...[...past.values()].map(({ lastMs }) => lastMs))
  const isLongAgo = nowMs - timeMs > sampleLifetimeMs
  for (const { labels, value } of await evaluateAt(timeMs)) {
    const data = { ...context, labels: labels.toRecord(), value }
    const alertLabels = await labelsOf(rule, labels, data)
    const before = past.get(alertLabels.key)
    if (before?.lastMs !== timeMs || timeMs - before.activeAtMs < rule.config.for) continue
    const annotations = await fillAll(rule.config.annotations, data)
    rule.alerts.set(alertLabels.key, {
      ...newAlert(rule, alertLabels, annotations, value, timeMs, before),
      ...(isLongAgo ? { heldUntilMs: nowMs + holdMs } : {}),
    })
    for (const series of seriesOf(alertLabels, 'firing')) rule.series.set(series.key, series)
  }
}

/**
 * Alerts to tell an Alertmanager now: those that fire or are over, when that is new or was said
 * longer ago than `resendMs`. They count as said.
 */
export function takeAlertsToSend(rule: Rule, timeMs: number, resendMs: number): Alert[] {
  const wanted: Alert[] = []
  for (const alert of rule.alerts.values()) {
    if (alert.state === 'pending') continue
    const isOverSince = (alert.resolvedAtMs ?? Number.NEGATIVE_INFINITY) > (alert.lastSentMs ?? 0)
    if (!isOverSince && (alert.lastSentMs ?? Number.NEGATIVE_INFINITY) + resendMs > timeMs) continue
    alert.lastSentMs = timeMs
    wanted.push(alert)
  }
  return wanted
}

/** The labels of `ALERTS` and `ALERTS_FOR_STATE`. */
function seriesOf(labels: Labels, alertstate: string): [Labels, Labels] {
  return [
    labels.with({ __name__: 'ALERTS', alertstate }),
    labels.with({ __name__: 'ALERTS_FOR_STATE' }),
  ]
}

async function labelsOf(rule: Rule, labels: Labels, data: TemplateData): Promise<Labels> {
  const own = await fillAll(rule.labels, data)
  return labels.withoutName().with({ ...own, alertname: rule.config.alert! })
}

function newAlert(
  rule: Rule,
  labels: Labels,
  annotations: Readonly<Record<string, string>>,
  value: number,
  timeMs: number,
  past: PastAlert | undefined,
): Alert {
  const alert: Alert = {
    labels,
    annotations,
    state: 'pending',
    activeAtMs: timeMs,
    firedAtMs: undefined,
    resolvedAtMs: undefined,
    lastSentMs: undefined,
    keepFiringSinceMs: undefined,
    value,
  }
  if (!past) return alert
  const { activeAtMs, lastMs } = past
  if (lastMs - activeAtMs >= rule.config.for)
    return { ...alert, state: 'firing', activeAtMs, firedAtMs: activeAtMs + rule.config.for }
  // The time of being away counts neither for nor against it.
  return { ...alert, activeAtMs: activeAtMs + (timeMs - lastMs) }
}

function keepsFiring(rule: Rule, alert: Alert, timeMs: number): boolean {
  if (alert.state !== 'firing') return false
  if (alert.heldUntilMs !== undefined && timeMs < alert.heldUntilMs) return true
  if (rule.config.keep_firing_for === 0) return false
  alert.keepFiringSinceMs ??= timeMs
  return timeMs - alert.keepFiringSinceMs < rule.config.keep_firing_for
}

async function fillAll(
  texts: Readonly<Record<string, string>>,
  data: TemplateData,
): Promise<Record<string, string>> {
  const filled: Record<string, string> = {}
  for (const [name, text] of Object.entries(texts)) filled[name] = await fillTemplate(text, data)
  return filled
}
