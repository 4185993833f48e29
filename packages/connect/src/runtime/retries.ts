import type { Clock, Random } from '@khlong/core'
import { ConversionFailure } from './conversion.ts'
import type { TaskCounters } from './metrics.ts'
import { pause } from './pause.ts'

/** What `errors.retry.*` say. */
export interface RetriesOptions {
  /** How long an operation is tried again; negative for ever. */
  readonly timeoutMs: number
  readonly delayMsMax: number
  readonly clock: Clock
  readonly random: Random
  readonly counters: TaskCounters
}

const firstDelayMs = 300

/**
 * Tries converters and transforms again that failed in a way that passes (a schema registry that is
 * away), with the waits of Java's RetryWithToleranceOperator.
 */
export class Retries {
  readonly #options: RetriesOptions

  constructor(options: RetriesOptions) {
    this.#options = options
  }

  /**
   * Calls `operation` again after `failure` for as long as that may help, and gives its result.
   *
   * @throws the last failure where time is up or `signal` was aborted.
   */
  async again<Result>(
    operation: () => Result,
    failure: unknown,
    signal: AbortSignal,
  ): Promise<Result> {
    const { timeoutMs, clock, counters } = this.#options
    const deadlineMs = timeoutMs < 0 ? Number.POSITIVE_INFINITY : clock.monotonicMs() + timeoutMs
    let last = failure
    for (let attempt = 0; ; attempt++) {
      const leftMs = deadlineMs - clock.monotonicMs()
      if (!(last instanceof ConversionFailure) || !last.isRetriable || leftMs <= 0) throw last
      counters.retries++
      await pause(clock, Math.min(this.#delayMs(attempt), leftMs), signal)
      if (signal.aborted) throw last
      try {
        return operation()
      } catch (error) {
        last = error
      }
    }
  }

  /** Doubles; above the largest wait it is any time below that, so that tasks do not come at once. */
  #delayMs(attempt: number): number {
    const { delayMsMax, random } = this.#options
    const delayMs = firstDelayMs * 2 ** Math.min(attempt, 30)
    return delayMs <= delayMsMax ? delayMs : Math.floor(random.next() * delayMsMax)
  }
}
