import type { Clock, CutFolder, Logger, Random, TimerHandle } from '@khlong/core'
import { PrometheusError } from '../errors.ts'
import type { AlertmanagerConfig } from './config.ts'
import { Dispatcher } from './dispatcher.ts'
import { Journal, type JournalRecord } from './journal.ts'
import { Notifier, type Outcome } from './notifier.ts'
import { type Alert, fingerprintOf, isResolved, type LabelSet, mergeAlerts } from './state/alert.ts'
import { Inhibitor } from './state/inhibitor.ts'
import { NotificationLog } from './state/notification-log.ts'
import { type Silence, Silences } from './state/silences.ts'

const forgetEveryMs = 60_000
/** Alerts that are over are sent again for this long, and must not look new. */
const resolvedRetentionMs = 15 * 60_000
const compactBytes = 1 << 20

export interface AlertmanagerCoreOptions {
  folder: string
  config: AlertmanagerConfig
  alertsMax: number
  silenceRetentionMs: number
  externalUrl(): string
  clock: Clock
  random: Random
  logger: Logger
}

/** What keeps an alert silent now. */
export interface Muting {
  readonly silencedBy: readonly string[]
  readonly inhibitedBy: readonly string[]
}

/** Alerts, silences and what was told, kept over restarts; everything but the sockets. */
export class Alertmanager {
  readonly silences: Silences = new Silences()
  readonly log: NotificationLog = new NotificationLog()
  readonly notifier: Notifier
  readonly #options: AlertmanagerCoreOptions
  readonly #alerts = new Map<string, Alert>()
  readonly #journal: Journal
  #config: AlertmanagerConfig
  #inhibitor: Inhibitor
  #dispatcher: Dispatcher | undefined
  #timer: TimerHandle | undefined
  refused = 0

  constructor(options: AlertmanagerCoreOptions) {
    const { folder, config, clock, random, logger, externalUrl } = options
    this.#options = options
    this.#config = config
    this.#inhibitor = new Inhibitor(config.inhibitRules)
    this.#journal = new Journal({ folder, compactBytes, logger, snapshot: () => this.#snapshot() })
    this.notifier = new Notifier({
      log: this.log,
      write: (records) => this.#journal.append(records),
      externalUrl,
      clock,
      random,
      logger,
    })
  }

  get config(): AlertmanagerConfig {
    return this.#config
  }
  get dispatcher(): Dispatcher {
    return this.#dispatcher!
  }
  alerts(): Alert[] {
    return [...this.#alerts.values()]
  }
  alert(fingerprint: string): Alert | undefined {
    return this.#alerts.get(fingerprint)
  }

  /** Reads what was written down, and goes on. @throws PrometheusError `PROMETHEUS_STORAGE_DAMAGED` */
  async open(): Promise<void> {
    const loaded = new Map<string, Alert>()
    await this.#journal.open((record) => {
      if ('alert' in record) loaded.set(record.alert.fingerprint, record.alert)
      else if ('silence' in record) this.silences.load(record.silence)
      else this.log.load(record.notification)
    })
    for (const alert of this.#stillWanted(loaded.values()))
      this.#alerts.set(alert.fingerprint, alert)
    this.#dispatch()
    this.#forgetLater()
  }

  async close(deadlineMs: number): Promise<void> {
    const { clock } = this.#options
    if (this.#timer) clock.clearTimer(this.#timer)
    this.notifier.cutRetries()
    const cut = clock.setTimer(() => this.notifier.stop(), deadlineMs)
    await this.#dispatcher?.stop()
    clock.clearTimer(cut)
    this.notifier.stop()
    await this.#journal.close()
  }

  /** Goes on with another configuration. What is being sent ends first, so that nothing goes twice. */
  async apply(config: AlertmanagerConfig): Promise<void> {
    this.notifier.cutRetries()
    await this.#dispatcher?.stop()
    this.#config = config
    this.#inhibitor = new Inhibitor(config.inhibitRules)
    this.#dispatch()
  }

  /** Keeps in `folder` of a cut what is remembered now. */
  cut(cut: CutFolder, folder: string): void {
    this.#journal.cut(cut, folder)
  }

  /** Takes alerts in; resolves when they are kept. @throws PrometheusError `ALERTMANAGER_FULL` */
  async put(alerts: readonly Omit<Alert, 'fingerprint'>[]): Promise<void> {
    const records: JournalRecord[] = []
    let full = false
    for (const given of alerts) {
      const fingerprint = fingerprintOf(given.labels)
      const before = this.#alerts.get(fingerprint)
      if (!before && this.#alerts.size >= this.#options.alertsMax) {
        this.refused++
        full = true
        continue
      }
      const now = { ...given, fingerprint }
      const alert = before ? mergeAlerts(before, now) : now
      this.#alerts.set(fingerprint, alert)
      this.#inhibitor.put(alert)
      this.#dispatcher?.process(alert)
      records.push({ alert })
    }
    if (records.length > 0) await this.#journal.append(records)
    if (full)
      throw new PrometheusError(
        'ALERTMANAGER_FULL',
        `there are ${this.#options.alertsMax} alerts already (alerts.max)`,
        { retriable: true },
      )
  }

  /** Adds or changes a silence; resolves with its id when it is kept. @throws PrometheusError */
  async setSilence(silence: Omit<Silence, 'updatedAtMs'>): Promise<string> {
    const { id, changed } = this.silences.set(silence, this.#options.clock.nowMs())
    await this.#journal.append(changed.map((entry) => ({ silence: entry })))
    return id
  }

  async expireSilence(id: string): Promise<void> {
    const silence = this.silences.expire(id, this.#options.clock.nowMs())
    await this.#journal.append([{ silence }])
  }

  mutingOf(labels: LabelSet): Muting {
    const nowMs = this.#options.clock.nowMs()
    return {
      silencedBy: this.silences.matching(labels, nowMs),
      inhibitedBy: this.#inhibitor.inhibitedBy(labels, nowMs),
    }
  }

  /** Tells every way of a receiver of an alert that is none; undefined where there is no such receiver. */
  async testReceiver(
    receiver: string,
    labels: LabelSet,
    annotations: LabelSet,
  ): Promise<Outcome[] | undefined> {
    const integrations = this.dispatcher.integrations(receiver)
    if (!integrations) return undefined
    const { clock, random, externalUrl } = this.#options
    const nowMs = clock.nowMs()
    const alert = {
      fingerprint: fingerprintOf(labels),
      labels,
      annotations,
      startsAtMs: nowMs,
      endsAtMs: undefined,
      updatedAtMs: nowMs,
      generatorUrl: '',
      isTimeout: false,
      status: 'firing' as const,
    }
    const id = random
      .bytes(16)
      .toString('hex')
      .replace(/^(.{8})(.{4}).(.{3}).(.{3})/, '$1-$2-4$3-8$4-')
    return Promise.all(
      integrations.map((integration) =>
        this.notifier.test(integration, {
          receiver,
          groupKey: '{}:{test="true"}',
          groupLabels: { alertname: labels.alertname ?? '' },
          alerts: [alert],
          externalUrl: externalUrl(),
          id,
        }),
      ),
    )
  }

  #dispatch(): void {
    const { clock, logger } = this.#options
    this.#dispatcher = new Dispatcher({
      config: this.#config,
      notifier: this.notifier,
      isMuted: (labels) => {
        const { silencedBy, inhibitedBy } = this.mutingOf(labels)
        return silencedBy.length + inhibitedBy.length > 0
      },
      clock,
      logger,
    })
    for (const alert of this.#alerts.values()) this.#inhibitor.put(alert)
    for (const alert of this.#alerts.values()) this.#dispatcher.process(alert)
  }

  /**
   * Alerts of the process before this one that matter still. One of which a receiver knows that it
   * fires gets time to be said again, for nobody could say so while we were away; if it is not, its
   * end is told.
   */
  #stillWanted(alerts: Iterable<Alert>): Alert[] {
    const nowMs = this.#options.clock.nowMs()
    const known = new Set(this.log.all().flatMap(({ firing }) => firing))
    const wanted: Alert[] = []
    for (const alert of alerts) {
      const isKnown = known.has(alert.fingerprint)
      const wasSaidToBeOver = alert.endsAtMs <= alert.updatedAtMs
      if (wasSaidToBeOver) {
        if (isKnown || alert.endsAtMs + resolvedRetentionMs > nowMs) wanted.push(alert)
      } else if (isKnown)
        wanted.push({
          ...alert,
          endsAtMs: Math.max(alert.endsAtMs, nowMs + this.#config.global.resolve_timeout),
          isTimeout: true,
        })
      else if (alert.endsAtMs > nowMs) wanted.push(alert)
    }
    return wanted
  }

  #snapshot(): JournalRecord[] {
    return [
      ...this.silences.all().map((silence) => ({ silence })),
      ...this.log.all().map((notification) => ({ notification })),
      ...[...this.#alerts.values()].map((alert) => ({ alert })),
    ]
  }

  #forgetLater(): void {
    const { clock, silenceRetentionMs } = this.#options
    this.#timer = clock.setTimer(() => {
      const nowMs = clock.nowMs()
      this.silences.forget(silenceRetentionMs, nowMs)
      this.log.forget(nowMs)
      const held = this.dispatcher.held()
      for (const [fingerprint, alert] of this.#alerts) {
        if (!isResolved(alert, nowMs - resolvedRetentionMs) || held.has(fingerprint)) continue
        this.#alerts.delete(fingerprint)
        this.#inhibitor.remove(fingerprint)
      }
      this.#forgetLater()
    }, forgetEveryMs)
  }
}
