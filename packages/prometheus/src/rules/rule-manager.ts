import type { Clock, Logger, TimerHandle } from '@khlong/core'
import type { PrometheusConfig } from '../config.ts'
import type { Engine } from '../promql/engine.ts'
import type { NewSample } from '../storage/samples.ts'
import { RuleGroup } from './rule-group.ts'

export interface RuleManagerOptions {
  engine: Engine
  store(samples: readonly NewSample[]): Promise<void>
  clock: Clock
  logger: Logger
}

/** Evaluates every group of rules at its interval. */
export class RuleManager {
  readonly #options: RuleManagerOptions
  readonly #timers = new Map<RuleGroup, TimerHandle>()
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
    this.#groups = config.ruleGroups.map(
      (group) => new RuleGroup(group, config.global.evaluation_interval),
    )
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
    const { engine, store, clock } = this.#options
    const startMs = clock.nowMs()
    const evaluation = group.evaluate(engine, startMs, store).finally(() => {
      this.#evaluating.delete(evaluation)
      if (this.#stopped || !this.#groups.includes(group)) return
      this.#schedule(group, Math.max(1, startMs + group.intervalMs - clock.nowMs()))
    })
    this.#evaluating.add(evaluation)
  }
}
