/** A running timer, to be given back to {@link Clock.clearTimer}. */
export type TimerHandle = object

/**
 * Time, passed in, so that state machines can be driven by a test.
 *
 * `@khlong/core/testing` has a clock that only moves when it is told to.
 */
export interface Clock {
  /** Wall-clock time in milliseconds since the epoch, with fractions dropped. */
  nowMs(): number
  /** Time in milliseconds that never goes back; only differences mean something. */
  monotonicMs(): number
  /** Calls `callback` once after `delayMs`. A timer alone does not keep the process alive. */
  setTimer(callback: () => void, delayMs: number): TimerHandle
  clearTimer(timer: TimerHandle): void
}

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
}
