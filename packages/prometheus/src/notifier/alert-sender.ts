import { type Clock, describeError, type Logger, type TimerHandle } from '@khlong/core'
import type { AlertmanagerTargetConfig, PrometheusConfig, RelabelConfig } from '../config.ts'
import { discoverTargets } from '../scrape/discovery.ts'
import { relabel } from '../scrape/relabel.ts'

const discoverEveryMs = 5_000
const batchMax = 64

/** An alert as the Alertmanager's API takes it. */
export interface OutgoingAlert {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly startsAt: string
  readonly endsAt: string
  readonly generatorURL: string
}

export interface AlertSenderOptions {
  /** Addresses by the host names that the configuration uses. */
  hosts(): Readonly<Record<string, string>>
  discoveryFolder: string | undefined
  /** Alerts that wait; beyond it the oldest are dropped, since each is said again within a minute. */
  capacity: number
  /** What an Alertmanager at this address is asked with, beside what the configuration says. */
  tokenFor(address: string): string | undefined
  clock: Clock
  logger: Logger
}

interface Target {
  readonly url: string
  readonly timeoutMs: number
  readonly headers: Readonly<Record<string, string>>
  readonly relabelConfigs: readonly RelabelConfig[]
}

/**
 * Sends alerts to every Alertmanager of the configuration, each batch once: what fails is counted
 * and comes again with the next resending of its rule.
 */
export class AlertSender {
  readonly #options: AlertSenderOptions
  #config: PrometheusConfig | undefined
  #targets: readonly Target[] = []
  #queue: OutgoingAlert[] = []
  #sending: Promise<void> | undefined
  #discovering: Promise<void> = Promise.resolve()
  #timer: TimerHandle | undefined
  #stop = new AbortController()
  sent = 0
  failed = 0
  dropped = 0

  constructor(options: AlertSenderOptions) {
    this.#options = options
  }

  /** Where alerts go now. */
  get urls(): readonly string[] {
    return this.#targets.map(({ url }) => url)
  }
  get queueLength(): number {
    return this.#queue.length
  }

  async apply(config: PrometheusConfig): Promise<void> {
    this.#config = config
    await this.#discover()
  }

  send(alerts: readonly OutgoingAlert[]): void {
    const config = this.#config
    if (!config || alerts.length === 0 || config.alerting.alertmanagers.length === 0) return
    for (const alert of alerts) {
      const labels = relabel(
        { ...config.global.external_labels, ...alert.labels },
        config.alerting.alert_relabel_configs,
      )
      if (labels) this.#queue.push({ ...alert, labels })
    }
    const over = this.#queue.length - this.#options.capacity
    if (over > 0) {
      this.#queue.splice(0, over)
      this.dropped += over
    }
    this.#sending ??= this.#drain().finally(() => {
      this.#sending = undefined
    })
  }

  async stop(): Promise<void> {
    if (this.#timer) this.#options.clock.clearTimer(this.#timer)
    this.#stop.abort()
    this.#queue = []
    await this.#discovering
    await this.#sending
  }

  async #drain(): Promise<void> {
    // The alerts of one evaluation leave together.
    await null
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, batchMax)
      const sent = await Promise.all(this.#targets.map((target) => this.#post(target, batch)))
      if (!sent.includes(true)) this.dropped += batch.length
    }
  }

  async #post(target: Target, batch: readonly OutgoingAlert[]): Promise<boolean> {
    const alerts = batch.flatMap((alert) => {
      const labels = relabel(alert.labels, target.relabelConfigs)
      return labels ? [{ ...alert, labels }] : []
    })
    if (alerts.length === 0) return true
    try {
      const response = await fetch(target.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...target.headers },
        body: JSON.stringify(alerts),
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(target.timeoutMs)]),
      })
      await response.body?.cancel()
      if (!response.ok) throw new Error(`bad response status ${response.status}`)
      this.sent += alerts.length
      return true
    } catch (error) {
      this.failed += alerts.length
      if (!this.#stop.signal.aborted)
        this.#options.logger.warn(
          { alertmanager: target.url, alerts: alerts.length, reason: describeError(error) },
          'alerts could not be sent',
        )
      return false
    }
  }

  #discover(): Promise<void> {
    if (this.#timer) this.#options.clock.clearTimer(this.#timer)
    this.#discovering = this.#discoverAll().finally(() => {
      if (this.#stop.signal.aborted) return
      this.#timer = this.#options.clock.setTimer(() => void this.#discover(), discoverEveryMs)
    })
    return this.#discovering
  }

  async #discoverAll(): Promise<void> {
    const { alerting, folder } = this.#config!
    const { discoveryFolder, logger } = this.#options
    try {
      const found: Target[] = []
      for (const config of alerting.alertmanagers)
        for (const discovered of await discoverTargets(config, { folder, discoveryFolder })) {
          const target = this.#targetOf(config, discovered)
          if (target) found.push(target)
        }
      this.#targets = found
    } catch (error) {
      logger.warn(
        { reason: describeError(error) },
        'discovery of Alertmanagers failed; the last ones stay',
      )
    }
  }

  #targetOf(
    config: AlertmanagerTargetConfig,
    discovered: Readonly<Record<string, string>>,
  ): Target | undefined {
    const labels = relabel(
      {
        __scheme__: config.scheme,
        __alerts_path__: `${config.path_prefix.replace(/\/$/, '')}/api/v2/alerts`,
        ...discovered,
      },
      config.relabel_configs,
    )
    const written = labels?.__address__
    if (!labels || !written) return undefined
    const { hosts, tokenFor } = this.#options
    const mapped = hosts()[written] ?? hosts()[written.split(':')[0]!] ?? written
    const base = mapped.includes('://')
      ? mapped.replace(/\/$/, '')
      : `${labels.__scheme__}://${mapped}`
    const token = tokenFor(mapped)
    const { basic_auth: basic, authorization } = config
    const authorizationHeader = authorization
      ? `${authorization.type} ${authorization.credentials}`
      : basic
        ? `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString('base64')}`
        : token && `Bearer ${token}`
    return {
      url: base + labels.__alerts_path__,
      timeoutMs: config.timeout,
      headers: authorizationHeader ? { authorization: authorizationHeader } : {},
      relabelConfigs: config.alert_relabel_configs,
    }
  }
}
