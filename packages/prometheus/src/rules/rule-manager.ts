import type { Clock, Logger, TimerHandle } from '@khlong/core'
import type { PrometheusConfig } from '../config.ts'
import { Matcher } from '../labels.ts'
import type { Engine } from '../promql/engine.ts'
import type { NewSample, SeriesSamples } from '../storage/samples.ts'
import type { PastAlert } from './alert.ts'
import type { Rule } from './rule-group.ts'
import { RuleGroup } from './rule-group.ts'

/** An alert whose last sample is older than this has no past that counts. */
const outageToleranceMs = 60 * 60_000

export interface RuleManagerOptions {
  engine: Engine
  store(samples: readonly NewSample[]): Promise<void>
  /** Samples that are stored, for alerts that go on after a restart. */
  select(matchers: readonly Matcher[], minMs: number, maxMs: number): Promise<SeriesSamples[]>
  /** Tells Alertmanagers what has changed. */
  notify(group: RuleGroup, rule: Rule, nowMs: number): void
  externalUrl(): string
  clock: Clock
  logger: Logger
}

/** Evaluates every group of rules at its interval. */
export class RuleManager {
  readonly #options: RuleManagerOptions
  readonly #timers = new Map<RuleGroup, TimerHandle>()
  #externalLabels: Readonly<Record<string, string>> = {}
  #groups: RuleGroup[] = []
  #evaluating: Set<Promise<void>> = new Set()
  #stopped = false

  constructor(options: RuleManagerOptions) {
    this.#options = options
  }

  get groups(): readonly RuleGroup[] {
    return this.#groups
  }

  apply(config: PrometheusConfig): void {
    for (const timer of this.#timers.values()) this.#options.clock.clearTimer(timer)
    this.#timers.clear()
    this.#externalLabels = config.global.external_labels
    const before = new Map(this.#groups.map((group) => [groupKey(group), group]))
    this.#groups = config.ruleGroups.map((groupConfig) => {
      const group = new RuleGroup(groupConfig, config.global.evaluation_interval)
      const known = before.get(groupKey(group))
      if (known) group.takeOver(known)
      return group
    })
    for (const group of this.#groups) this.#schedule(group, Math.min(group.intervalMs, 1_000))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const timer of this.#timers.values()) this.#options.clock.clearTimer(timer)
    await Promise.all(this.#evaluating)
  }

  #schedule(group: RuleGroup, delayMs: number): void {
    this.#timers.set(
      group,
      this.#options.clock.setTimer(() => this.#evaluate(group), delayMs),
    )
  }

  #evaluate(group: RuleGroup): void {
    const { engine, store, notify, externalUrl, clock } = this.#options
    const startMs = clock.nowMs()
    const context = {
      engine,
      store,
      notify,
      externalLabels: this.#externalLabels,
      externalUrl: externalUrl(),
      pastAlerts: (name: string, nowMs: number) => this.#pastAlerts(name, nowMs),
    }
    const evaluation = group.evaluate(context, startMs).finally(() => {
      this.#evaluating.delete(evaluation)
      if (this.#stopped || !this.#groups.includes(group)) return
      this.#schedule(group, Math.max(1, startMs + group.intervalMs - clock.nowMs()))
    })
    this.#evaluating.add(evaluation)
  }

  async #pastAlerts(name: string, nowMs: number): Promise<Map<string, PastAlert>> {
    const found = await this.#options.select(
      [new Matcher('=', '__name__', 'ALERTS_FOR_STATE'), new Matcher('=', 'alertname', name)],
      nowMs - outageToleranceMs,
      nowMs,
    )
    const past = new Map<string, PastAlert>()
    for (const { labels, samples } of found) {
      const last = samples.timesMs.length - 1
      if (last < 0 || samples.stale[last] === 1) continue
      past.set(labels.withoutName().key, {
        activeAtMs: samples.values[last]! * 1_000,
        lastMs: samples.timesMs[last]!,
      })
    }
    return past
  }
}

function groupKey({ config }: RuleGroup): string {
  return `${config.file}\u0001${config.name}`
}
