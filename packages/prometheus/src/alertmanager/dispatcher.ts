import type { Clock, Logger, TimerHandle } from '@khlong/core'
import type { AlertmanagerConfig } from './config.ts'
import type { NotifiedAlert } from './notification.ts'
import type { Notifier } from './notifier.ts'
import type { Integration } from './receivers/integration.ts'
import { integrationsOf } from './receivers/integrations.ts'
import { type Alert, compareAlerts, isResolved, type LabelSet } from './state/alert.ts'
import type { Route } from './state/route.ts'
import { containsTime } from './state/time-interval.ts'

const maintainEveryMs = 30_000
const flushMsMin = 10_000

/** Alerts of one route with the same group labels. */
export interface AlertGroup {
  readonly route: Route
  readonly key: string
  readonly labels: LabelSet
  readonly alerts: Map<string, Alert>
  hasFlushed: boolean
  timer: TimerHandle | undefined
  flushing: Promise<void> | undefined
}

export interface DispatcherOptions {
  config: AlertmanagerConfig
  notifier: Notifier
  /** Whether a silence or another alert keeps an alert from being told. */
  isMuted(labels: LabelSet): boolean
  clock: Clock
  logger: Logger
}

/**
 * Puts alerts into groups and tells each group when it is time: after `group_wait`, then every
 * `group_interval`. An alert that is over stays in its group until everybody knows.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #groups = new Map<string, AlertGroup>()
  readonly #integrations = new Map<string, Integration[]>()
  #maintenance: TimerHandle | undefined
  #isStopped = false

  constructor(options: DispatcherOptions) {
    this.#options = options
    for (const [name, receiver] of options.config.receivers)
      this.#integrations.set(name, integrationsOf(receiver, options.config))
    this.#maintenance = options.clock.setTimer(() => this.#maintain(), maintainEveryMs)
  }

  groups(): AlertGroup[] {
    return [...this.#groups.values()]
  }
  integrations(receiver: string): readonly Integration[] | undefined {
    return this.#integrations.get(receiver)
  }
  /** Fingerprints of the alerts that are in some group. */
  held(): Set<string> {
    return new Set([...this.#groups.values()].flatMap(({ alerts }) => [...alerts.keys()]))
  }

  /** Puts an alert into the groups of its routes. */
  process(alert: Alert): void {
    const { config, clock } = this.#options
    // The next dispatcher is given all alerts.
    if (this.#isStopped) return
    for (const route of config.route.match(alert.labels)) {
      const labels = route.groupLabels(alert.labels)
      const key = route.groupKey(labels)
      let group = this.#groups.get(key)
      if (!group) {
        group = {
          route,
          key,
          labels,
          alerts: new Map(),
          hasFlushed: false,
          timer: undefined,
          flushing: undefined,
        }
        this.#groups.set(key, group)
        this.#schedule(group, route.groupWaitMs)
      }
      group.alerts.set(alert.fingerprint, alert)
      // What has waited long enough elsewhere, as before a restart, does not wait again.
      if (!group.hasFlushed && alert.startsAtMs + route.groupWaitMs < clock.nowMs())
        this.#schedule(group, 0)
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#maintenance) this.#options.clock.clearTimer(this.#maintenance)
    const flushing = [...this.#groups.values()].map((group) => {
      if (group.timer) this.#options.clock.clearTimer(group.timer)
      return group.flushing
    })
    await Promise.all(flushing)
  }

  #schedule(group: AlertGroup, delayMs: number): void {
    const { clock } = this.#options
    if (group.timer) clock.clearTimer(group.timer)
    group.timer = clock.setTimer(() => this.#flush(group), delayMs)
  }

  #flush(group: AlertGroup): void {
    const { clock, logger } = this.#options
    const startMs = clock.nowMs()
    group.hasFlushed = true
    group.timer = undefined
    group.flushing = this.#tell(group, startMs)
      .catch((error: unknown) => logger.error({ group: group.key, err: error }, 'a group failed'))
      .finally(() => {
        group.flushing = undefined
        if (this.#isStopped || this.#groups.get(group.key) !== group) return
        this.#schedule(group, Math.max(1, startMs + group.route.groupIntervalMs - clock.nowMs()))
      })
  }

  async #tell(group: AlertGroup, nowMs: number): Promise<void> {
    const { isMuted, notifier } = this.#options
    const { route } = group
    const alerts = [...group.alerts.values()].sort(compareAlerts)
    // Decided once: an alert must not end for one receiver while another is being told.
    const told = alerts.map((alert): NotifiedAlert => {
      const isOver = isResolved(alert, nowMs)
      return {
        ...alert,
        status: isOver ? 'resolved' : 'firing',
        endsAtMs: isOver ? alert.endsAtMs : undefined,
      }
    })
    const audible = told.filter(({ labels }) => !isMuted(labels))
    let allKnow = true
    if (audible.length > 0 && !this.#isOutOfHours(route, nowMs)) {
      const deadlineMs = nowMs + Math.max(flushMsMin, route.groupIntervalMs)
      const results = await Promise.all(
        (this.#integrations.get(route.receiver) ?? []).map((integration) =>
          notifier.tell(integration, {
            receiver: route.receiver,
            groupKey: group.key,
            groupLabels: group.labels,
            alerts: audible,
            repeatIntervalMs: route.repeatIntervalMs,
            deadlineMs,
          }),
        ),
      )
      allKnow = !results.includes(false)
    }
    if (!allKnow) return
    for (const [index, alert] of alerts.entries())
      if (told[index]!.status === 'resolved' && group.alerts.get(alert.fingerprint) === alert)
        group.alerts.delete(alert.fingerprint)
  }

  #isOutOfHours(route: Route, nowMs: number): boolean {
    const isIn = (name: string): boolean =>
      (this.#options.config.timeIntervals.get(name) ?? []).some((interval) =>
        containsTime(interval, nowMs),
      )
    if (route.muteTimeIntervals.some(isIn)) return true
    return route.activeTimeIntervals.length > 0 && !route.activeTimeIntervals.some(isIn)
  }

  /** Forgets groups in which nothing is left. */
  #maintain(): void {
    const { clock } = this.#options
    for (const [key, group] of this.#groups) {
      if (group.alerts.size > 0 || group.flushing) continue
      if (group.timer) clock.clearTimer(group.timer)
      this.#groups.delete(key)
    }
    if (!this.#isStopped)
      this.#maintenance = clock.setTimer(() => this.#maintain(), maintainEveryMs)
  }
}
