import type { Clock, TimerHandle } from '../clock.ts'

interface FakeTimer {
  readonly dueMs: number
  readonly callback: () => void
}

/** A clock that stands still until {@link advance} moves it. */
export class FakeClock implements Clock {
  #nowMs: number
  readonly #timers = new Set<FakeTimer>()

  constructor(startMs = 1_769_846_400_000) {
    this.#nowMs = startMs
  }
  nowMs(): number {
    return this.#nowMs
  }
  monotonicMs(): number {
    return this.#nowMs
  }
  setTimer(callback: () => void, delayMs: number): TimerHandle {
    const timer: FakeTimer = { dueMs: this.#nowMs + Math.max(0, delayMs), callback }
    this.#timers.add(timer)
    return timer
  }
  clearTimer(timer: TimerHandle): void {
    this.#timers.delete(timer as FakeTimer)
  }
  /** Moves time forward and calls the timers that come due, in order of their time. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs
    for (;;) {
      let next: FakeTimer | undefined
      for (const timer of this.#timers)
        if (timer.dueMs <= untilMs && (!next || timer.dueMs < next.dueMs)) next = timer
      if (!next) break
      this.#timers.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      next.callback()
    }
    this.#nowMs = untilMs
  }
}
