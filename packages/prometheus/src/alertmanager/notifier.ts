import { createHash } from 'node:crypto'
import { type Clock, describeError, type Logger, type Random, type TimerHandle } from '@khlong/core'
import { PrometheusError } from '../errors.ts'
import type { JournalRecord } from './journal.ts'
import type { Notification, NotifiedAlert } from './notification.ts'
import type { Integration } from './receivers/integration.ts'
import type { LabelSet } from './state/alert.ts'
import { type NotificationLog, needsNotification } from './state/notification-log.ts'

const firstPauseMs = 500
const pauseMsMax = 60_000
const attemptMsMax = 30_000
const attemptsAtOnceMax = 16
/** As Alertmanager: what was told counts twice the time after which it is told again. */
const expiryFactor = 2

/** How the last attempt of an integration ended. */
export interface Outcome {
  readonly receiver: string
  readonly integration: string
  readonly atMs: number
  readonly durationMs: number
  /** Empty where it went well. */
  readonly error: string
  readonly isTest: boolean
}

/** What one integration is to be told. */
export interface Telling {
  readonly receiver: string
  readonly groupKey: string
  readonly groupLabels: LabelSet
  readonly alerts: readonly NotifiedAlert[]
  readonly repeatIntervalMs: number
  /** After this it is left for the next time. */
  readonly deadlineMs: number
}

export interface NotifierOptions {
  log: NotificationLog
  write(records: readonly JournalRecord[]): Promise<void>
  externalUrl(): string
  clock: Clock
  random: Random
  logger: Logger
}

export interface NotifierCounts {
  notifications: number
  failed: number
  attempts: number
  attemptsFailed: number
}

/**
 * Tells receivers, each once: what was told is written down before anything else is told of the
 * same group. Failures are tried again with growing pauses until the deadline.
 */
export class Notifier {
  readonly #options: NotifierOptions
  readonly #outcomes = new Map<string, Outcome>()
  readonly #counts = new Map<string, NotifierCounts>()
  readonly #stop = new AbortController()
  #retries = new AbortController()
  readonly #waiting: (() => void)[] = []
  #busy = 0

  constructor(options: NotifierOptions) {
    this.#options = options
  }

  outcomes(): Outcome[] {
    return [...this.#outcomes.values()]
  }
  counts(): ReadonlyMap<string, NotifierCounts> {
    return this.#counts
  }
  /** Cuts what is being sent. */
  stop(): void {
    this.cutRetries()
    this.#stop.abort()
  }
  /** Lets what is being sent end, and tries none of it again. */
  cutRetries(): void {
    this.#retries.abort()
    this.#retries = new AbortController()
  }

  /** Tells an integration where it does not know yet; gives whether it knows now. */
  async tell(integration: Integration, telling: Telling): Promise<boolean> {
    const { log, clock, write, logger } = this.#options
    const nowMs = clock.nowMs()
    const name = integrationName(integration)
    const key = `${telling.groupKey}|${telling.receiver}/${name}`
    const fingerprints = (status: string): string[] =>
      telling.alerts
        .filter((alert) => alert.status === status)
        .map(({ fingerprint }) => fingerprint)
    const firing = fingerprints('firing')
    const resolved = fingerprints('resolved')
    const entry = log.get(key, nowMs)
    const { repeatIntervalMs } = telling
    const { sendResolved } = integration
    if (!needsNotification(entry, { firing, resolved, nowMs }, { repeatIntervalMs, sendResolved }))
      return true
    // Who does not want to hear of ends hears nothing when all is over; that it is over counts all the same.
    if (sendResolved || firing.length > 0) {
      const notification: Notification = {
        receiver: telling.receiver,
        groupKey: telling.groupKey,
        groupLabels: telling.groupLabels,
        alerts: sendResolved
          ? telling.alerts
          : telling.alerts.filter(({ status }) => status === 'firing'),
        externalUrl: this.#options.externalUrl(),
        id: idOf([key, firing, resolved, entry?.timestampMs ?? 0]),
      }
      const counts = this.#countsOf(integration.kind)
      counts.notifications++
      const error = await this.#tryUntil(integration, notification, telling.deadlineMs)
      if (error !== undefined) {
        counts.failed++
        logger.error(
          { receiver: telling.receiver, integration: name, reason: error },
          'a notification failed; it is tried again with its group',
        )
        return false
      }
    }
    const toldMs = clock.nowMs()
    const next = {
      key,
      firing,
      resolved,
      timestampMs: toldMs,
      expiresAtMs: toldMs + expiryFactor * repeatIntervalMs,
    }
    log.load(next)
    await write([{ notification: next }])
    return true
  }

  /** Tells an integration once, whatever it knows, and gives how that ended. */
  async test(integration: Integration, notification: Notification): Promise<Outcome> {
    await this.#attempt(integration, notification, true)
    return this.#outcomes.get(`${notification.receiver}/${integrationName(integration)}`)!
  }

  async #tryUntil(
    integration: Integration,
    notification: Notification,
    deadlineMs: number,
  ): Promise<string | undefined> {
    const { clock, random } = this.#options
    const { signal } = this.#retries
    let pauseMs = firstPauseMs
    for (;;) {
      const error = await this.#attempt(integration, notification, false)
      if (!error) return undefined
      const waitMs = pauseMs * (0.5 + random.next())
      if (!error.retriable || signal.aborted || clock.nowMs() + waitMs > deadlineMs)
        return describeError(error)
      await this.#pause(waitMs, signal)
      pauseMs = Math.min(pauseMsMax, pauseMs * 1.5)
    }
  }

  async #attempt(
    integration: Integration,
    notification: Notification,
    isTest: boolean,
  ): Promise<PrometheusError | undefined> {
    const { clock } = this.#options
    const counts = this.#countsOf(integration.kind)
    await this.#takeTurn()
    counts.attempts++
    const startMs = clock.monotonicMs()
    let failure: PrometheusError | undefined
    try {
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(attemptMsMax)])
      await integration.notify(notification, signal)
    } catch (error) {
      counts.attemptsFailed++
      failure =
        error instanceof PrometheusError
          ? error
          : new PrometheusError('ALERTMANAGER_NOTIFY_FAILED', describeError(error), {
              retriable: true,
            })
    } finally {
      this.#giveTurn()
    }
    const name = integrationName(integration)
    this.#outcomes.set(`${notification.receiver}/${name}`, {
      receiver: notification.receiver,
      integration: name,
      atMs: clock.nowMs(),
      durationMs: Math.round(clock.monotonicMs() - startMs),
      error: failure ? failure.message : '',
      isTest,
    })
    return failure
  }

  #countsOf(kind: string): NotifierCounts {
    let counts = this.#counts.get(kind)
    if (!counts) {
      counts = { notifications: 0, failed: 0, attempts: 0, attemptsFailed: 0 }
      this.#counts.set(kind, counts)
    }
    return counts
  }

  #takeTurn(): Promise<void> {
    if (this.#busy < attemptsAtOnceMax) {
      this.#busy++
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }
  #giveTurn(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#busy--
  }

  #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    return new Promise((resolve) => {
      let timer: TimerHandle | undefined
      const done = (): void => {
        if (timer) clock.clearTimer(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      timer = clock.setTimer(done, delayMs)
      signal.addEventListener('abort', done)
      if (signal.aborted) done()
    })
  }
}

/** `webhook[0]`, as Alertmanager writes it. */
export function integrationName({ kind, index }: Integration): string {
  return `${kind}[${index}]`
}

/** An id in the form of a UUID, the same for the same parts. */
function idOf(parts: unknown): string {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  const variant = ((Number.parseInt(hex[16]!, 16) & 3) | 8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
