import { setTimeout as delay } from 'node:timers/promises'
import { clientError, KafkaClientError } from './errors.ts'

/** Waits that double from attempt to attempt, with jitter, as KIP-580 has them. */
export interface BackoffOptions {
  readonly initialMs: number
  readonly maxMs: number
}

/** The wait before attempt `attempt` (1 is the first repetition). */
export function backoffMs(options: BackoffOptions, attempt: number): number {
  const base = Math.min(options.maxMs, options.initialMs * 2 ** Math.min(attempt - 1, 20))
  return Math.round(base * (0.8 + Math.random() * 0.4))
}

/** Waits, and ends early with the signal's reason where it is aborted. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, signal ? { signal } : {}).catch((error: unknown) => {
    signal?.throwIfAborted()
    throw error
  })
}

export interface RetryOptions {
  readonly backoff: BackoffOptions
  /** After this many milliseconds no further attempt begins. */
  readonly timeoutMs: number
  /** What is tried, for the message when time runs out. */
  readonly what: string
  readonly signal?: AbortSignal | undefined
  /** Called with each retriable error before the wait; for refreshing what it shows to be stale. */
  readonly onRetry?: (error: KafkaClientError) => void
}

/**
 * Calls `attempt` until it succeeds, fails with an error that is not retriable, or time runs out.
 *
 * @throws KafkaClientError that of `attempt`, or `KAFKA_CLIENT_TIMEOUT` with the last one as cause
 */
export async function withRetries<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const deadline = performance.now() + options.timeoutMs
  for (let count = 1; ; count++) {
    options.signal?.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof KafkaClientError) || !error.retriable) throw error
      const waitMs = backoffMs(options.backoff, count)
      if (performance.now() + waitMs > deadline)
        throw clientError(
          'KAFKA_CLIENT_TIMEOUT',
          `${options.what} did not succeed within ${options.timeoutMs} ms`,
          { cause: error, retriable: true, fields: error.fields },
        )
      options.onRetry?.(error)
      await pause(waitMs, options.signal)
    }
  }
}
