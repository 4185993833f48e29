import { timeValue, zeroTimeMs } from '../template/time.ts'
import {
  type TemplateFunction,
  TemplateList,
  TemplateObject,
  type TemplateValue,
} from '../template/value.ts'
import type { Alert, LabelSet } from './state/alert.ts'

/** What a receiver is told: the alerts of one group. */
export interface Notification {
  readonly receiver: string
  readonly groupKey: string
  readonly groupLabels: LabelSet
  /** Those that still fire end at no time. */
  readonly alerts: readonly NotifiedAlert[]
  readonly externalUrl: string
  /** The same each time that the same is tried again, also after a crash. */
  readonly id: string
}

export interface NotifiedAlert extends Omit<Alert, 'endsAtMs'> {
  readonly status: 'firing' | 'resolved'
  readonly endsAtMs: number | undefined
}

export function statusOf({ alerts }: Notification): 'firing' | 'resolved' {
  return alerts.some(({ status }) => status === 'firing') ? 'firing' : 'resolved'
}

/** Labels or annotations that all alerts have alike. */
export function commonOf(sets: readonly LabelSet[]): LabelSet {
  const [first = {}, ...others] = sets
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) => others.every((other) => other[name] === value)),
  )
}

/** The data of a webhook, and of templates, in the order of Alertmanager's fields. */
export function webhookMessage(
  notification: Notification,
  alertsMax: number,
): Record<string, unknown> {
  const { alerts } = notification
  const kept = alertsMax > 0 ? alerts.slice(0, alertsMax) : alerts
  return {
    receiver: escapePattern(notification.receiver),
    status: statusOf({ ...notification, alerts: kept }),
    alerts: kept.map((alert) => ({
      status: alert.status,
      labels: alert.labels,
      annotations: alert.annotations,
      startsAt: formatGoTime(alert.startsAtMs),
      endsAt: formatGoTime(alert.endsAtMs),
      generatorURL: alert.generatorUrl,
      fingerprint: alert.fingerprint,
    })),
    groupLabels: notification.groupLabels,
    commonLabels: commonOf(kept.map(({ labels }) => labels)),
    commonAnnotations: commonOf(kept.map(({ annotations }) => annotations)),
    externalURL: notification.externalUrl,
    version: '4',
    groupKey: notification.groupKey,
    truncatedAlerts: alerts.length - kept.length,
  }
}

/** What templates see of a notification. */
export function templateData(notification: Notification): TemplateObject {
  const { alerts } = notification
  const values = alerts.map(alertValue)
  const withStatus = (status: string): TemplateFunction => {
    const chosen = values.filter((_, index) => alerts[index]!.status === status)
    return () => new TemplateList(chosen)
  }
  return new TemplateObject('template.Data', {
    Receiver: escapePattern(notification.receiver),
    Status: statusOf(notification),
    Alerts: new TemplateList(values, {
      Firing: withStatus('firing'),
      Resolved: withStatus('resolved'),
    }),
    GroupLabels: labelsValue(notification.groupLabels),
    CommonLabels: labelsValue(commonOf(alerts.map(({ labels }) => labels))),
    CommonAnnotations: labelsValue(commonOf(alerts.map(({ annotations }) => annotations))),
    ExternalURL: notification.externalUrl,
  })
}

/** A moment as Go writes it in JSON: without zeros at the end of the fraction. */
function formatGoTime(timeMs: number | undefined): string {
  if (timeMs === undefined) return '0001-01-01T00:00:00Z'
  return new Date(timeMs).toISOString().replace(/\.?0+Z$/, 'Z')
}

/** Alertmanager escapes the receiver's name as if it were put into a pattern. */
function escapePattern(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&')
}

function alertValue(alert: NotifiedAlert): TemplateObject {
  return new TemplateObject('template.Alert', {
    Status: alert.status,
    Labels: labelsValue(alert.labels),
    Annotations: labelsValue(alert.annotations),
    StartsAt: timeValue(alert.startsAtMs),
    EndsAt: timeValue(alert.endsAtMs ?? zeroTimeMs),
    GeneratorURL: alert.generatorUrl,
    Fingerprint: alert.fingerprint,
  })
}

/** Names and values, with the methods of Alertmanager's `KV`. */
function labelsValue(labels: LabelSet): TemplateObject {
  // The name of an alert comes first.
  const names = Object.keys(labels).toSorted((a, b) =>
    a === 'alertname' ? -1 : b === 'alertname' ? 1 : a < b ? -1 : 1,
  )
  const list = (items: TemplateValue[]): TemplateList => new TemplateList(items)
  return new TemplateObject('template.KV', labels, {
    isMap: true,
    methods: {
      SortedPairs: () =>
        new TemplateList(
          names.map(
            (name) => new TemplateObject('template.Pair', { Name: name, Value: labels[name] }),
          ),
          {
            Names: () => list(names),
            Values: () => list(names.map((name) => labels[name])),
          },
        ),
      Names: () => list(names),
      Values: () => list(names.map((name) => labels[name])),
      Remove: (removed) => {
        const gone = removed instanceof TemplateList ? removed.items : []
        return labelsValue(
          Object.fromEntries(Object.entries(labels).filter(([name]) => !gone.includes(name))),
        )
      },
    },
  })
}
