import { type Counter, MetricsRegistry } from '@khlong/core'
import type { Alertmanager } from '../alertmanager.ts'
import { isResolved } from '../state/alert.ts'
import { Silences } from '../state/silences.ts'

/** What the Alertmanager says of itself, by Alertmanager's own names. */
export class AlertmanagerMetrics {
  readonly #registry = new MetricsRegistry()
  readonly #nowMs: () => number
  readonly #received: Counter
  readonly #invalid: Counter
  #isReloaded = false
  #reloadedAtMs = 0
  /** Alerts received since the start. */
  received = 0

  constructor(alertmanager: () => Alertmanager | undefined, nowMs: () => number, version: string) {
    this.#nowMs = nowMs
    const registry = this.#registry
    const gauge = (name: string, help: string, read: (from: Alertmanager) => number): void => {
      const made = registry.gauge({ name, help })
      registry.onRender(() => {
        const from = alertmanager()
        if (from) made.set(read(from))
      })
    }
    this.#received = registry.counter({
      name: 'alertmanager_alerts_received_total',
      help: 'Alerts received.',
    })
    this.#invalid = registry.counter({
      name: 'alertmanager_alerts_invalid_total',
      help: 'Alerts that were refused.',
    })
    const alerts = registry.gauge({ name: 'alertmanager_alerts', help: 'Alerts by state.' })
    const silences = registry.gauge({ name: 'alertmanager_silences', help: 'Silences by state.' })
    registry.onRender(() => {
      const from = alertmanager()
      if (!from) return
      const byAlertState = { active: 0, suppressed: 0 }
      for (const alert of from.alerts()) {
        if (isResolved(alert, nowMs())) continue
        const { silencedBy, inhibitedBy } = from.mutingOf(alert.labels)
        byAlertState[silencedBy.length + inhibitedBy.length > 0 ? 'suppressed' : 'active']++
      }
      for (const [state, count] of Object.entries(byAlertState)) alerts.set(count, { state })
      const bySilenceState = { active: 0, pending: 0, expired: 0 }
      for (const silence of from.silences.all())
        bySilenceState[Silences.stateOf(silence, nowMs())]++
      for (const [state, count] of Object.entries(bySilenceState)) silences.set(count, { state })
    })
    const perIntegration = [
      ['alertmanager_notifications_total', 'Notifications tried.', 'notifications'],
      ['alertmanager_notifications_failed_total', 'Notifications that failed.', 'failed'],
      ['alertmanager_notification_requests_total', 'Requests made.', 'attempts'],
      [
        'alertmanager_notification_requests_failed_total',
        'Requests that failed.',
        'attemptsFailed',
      ],
    ] as const
    for (const [name, help, field] of perIntegration) {
      const counter = registry.counter({ name, help })
      registry.onRender(() => {
        for (const [integration, counts] of alertmanager()?.notifier.counts() ?? [])
          counter.series({ integration }).value = counts[field]
      })
    }
    gauge(
      'alertmanager_dispatcher_aggregation_groups',
      'Groups of alerts.',
      ({ dispatcher }) => dispatcher.groups().length,
    )
    gauge('alertmanager_nflog_entries', 'Receivers and groups told.', ({ log }) => log.size)
    gauge('alertmanager_receivers', 'Receivers.', ({ config }) => config.receivers.size)
    gauge('alertmanager_integrations', 'Ways to tell a receiver.', ({ config, dispatcher }) =>
      [...config.receivers.keys()].reduce(
        (sum, name) => sum + (dispatcher.integrations(name)?.length ?? 0),
        0,
      ),
    )
    const limited = registry
      .counter({ name: 'alertmanager_alerts_limited_total', help: 'Alerts above alerts.max.' })
      .series()
    registry.onRender(() => {
      limited.value = alertmanager()?.refused ?? 0
    })
    gauge('alertmanager_cluster_enabled', 'Never: it stands alone.', () => 0)
    gauge('alertmanager_config_last_reload_successful', 'Whether the file could be used.', () =>
      this.#isReloaded ? 1 : 0,
    )
    gauge(
      'alertmanager_config_last_reload_success_timestamp_seconds',
      'When it could be used last.',
      () => this.#reloadedAtMs / 1_000,
    )
    registry.gauge({ name: 'alertmanager_build_info', help: 'The version.' }).set(1, { version })
  }

  countReceived(status: 'firing' | 'resolved' | 'invalid'): void {
    if (status === 'invalid') {
      this.#invalid.add(1, { version: 'v2' })
      return
    }
    this.received++
    this.#received.add(1, { status, version: 'v2' })
  }

  reloaded(isGood: boolean): void {
    this.#isReloaded = isGood
    if (isGood) this.#reloadedAtMs = this.#nowMs()
  }

  render(): string {
    return this.#registry.render()
  }
}
