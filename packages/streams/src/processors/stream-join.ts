import type { TaskRecord } from '../record.ts'
import type { JoinWindowStore } from '../state/join-window-store.ts'
import type { OuterJoinStore } from '../state/outer-join-store.ts'
import type { NodeContext, NodeProcessor, ProcessorSupplier } from '../topology/processor-node.ts'
import type { JoinWindows } from '../windows.ts'

/** Makes the value of a result; a side that is missing is null. */
type Joiner = (key: unknown, left: unknown, right: unknown) => unknown

/** Keeps a stream's records for the other side of a join. */
export const joinWindowProcessor =
  (storeName: string): ProcessorSupplier =>
  (context) => {
    const store = context.store(storeName) as JoinWindowStore<unknown, unknown>
    return {
      process(key, value, timestampMs) {
        // First the join, then the store: a stream that is joined with itself meets itself once.
        context.forward(key, value, timestampMs)
        if (key !== null) store.put(key, value, timestampMs, context.record.carriedHeaders)
      },
    }
  }

/** What the two sides of a join have in common. */
export interface StreamJoinPlan {
  readonly windows: JoinWindows
  readonly joiner: Joiner
  /** The store of what waits for a partner; undefined for an inner join. */
  readonly outerStoreName: string | undefined
  readonly times: JoinTimes
}

export interface StreamJoinSide {
  readonly isLeft: boolean
  /** Whether this side's records come out without a partner. */
  readonly isOuter: boolean
  readonly otherStoreName: string
}

interface JoinTime {
  streamTimeMs: number
  /** The earliest time that may wait in the outer store; infinite where nothing was put there. */
  minTimeMs: number
  nextEmitMs: number
}

/** The times of a join, which its two sides share in each task. */
export class JoinTimes {
  readonly #times = new WeakMap<TaskRecord, JoinTime>()

  of(context: NodeContext): JoinTime {
    let time = this.#times.get(context.record)
    if (!time) {
      time = { streamTimeMs: -1, minTimeMs: Number.POSITIVE_INFINITY, nextEmitMs: 0 }
      this.#times.set(context.record, time)
    }
    return time
  }
}

/** Joins one side's records with those that the other side has. */
export const streamJoinProcessor =
  (plan: StreamJoinPlan, side: StreamJoinSide): ProcessorSupplier =>
  (context) =>
    new StreamJoinProcessor(context, plan, side)

class StreamJoinProcessor implements NodeProcessor {
  readonly #context: NodeContext
  readonly #plan: StreamJoinPlan
  readonly #isLeft: boolean
  readonly #isOuter: boolean
  readonly #other: JoinWindowStore<unknown, unknown>
  readonly #outer: OuterJoinStore<unknown> | undefined
  readonly #time: JoinTime
  readonly #beforeMs: number
  readonly #afterMs: number

  constructor(context: NodeContext, plan: StreamJoinPlan, side: StreamJoinSide) {
    this.#context = context
    this.#plan = plan
    this.#isLeft = side.isLeft
    this.#isOuter = side.isOuter
    this.#other = context.store(side.otherStoreName) as JoinWindowStore<unknown, unknown>
    this.#outer =
      plan.outerStoreName === undefined
        ? undefined
        : (context.store(plan.outerStoreName) as OuterJoinStore<unknown>)
    this.#time = plan.times.of(context)
    const { beforeMs, afterMs } = plan.windows
    this.#beforeMs = side.isLeft ? beforeMs : afterMs
    this.#afterMs = side.isLeft ? afterMs : beforeMs
  }

  process(key: unknown, value: unknown, timestampMs: number): void {
    const time = this.#time
    if (timestampMs > time.streamTimeMs) time.streamTimeMs = timestampMs
    if (value === null) {
      this.#context.drop(key === null ? 'null-key' : 'null-value')
      return
    }
    if (key === null) {
      if (this.#isOuter) this.#forward(key, value, null, timestampMs)
      else this.#context.drop('null-key')
      return
    }
    if (timestampMs === time.streamTimeMs && this.#outer)
      this.#emitUnjoined(this.#outer, timestampMs)
    const fromMs = Math.max(0, timestampMs - this.#beforeMs)
    const toMs = Math.max(0, timestampMs + this.#afterMs)
    let isJoined = false
    for (const [otherMs, otherValue] of this.#other.fetch(key, fromMs, toMs)) {
      isJoined = true
      this.#outer?.remove(key, otherMs, !this.#isLeft, timestampMs)
      this.#forward(key, value, otherValue, Math.max(timestampMs, otherMs))
    }
    if (isJoined || !this.#isOuter) return
    // What comes so late that its window is over has no partner to wait for.
    if (!this.#outer || toMs < time.streamTimeMs) this.#forward(key, value, null, timestampMs)
    else {
      if (timestampMs < time.minTimeMs) time.minTimeMs = timestampMs
      this.#outer.add(key, timestampMs, this.#isLeft, value)
    }
  }

  advanceStreamTime(timeMs: number): void {
    if (timeMs <= this.#time.streamTimeMs) return
    this.#time.streamTimeMs = timeMs
    if (this.#outer) this.#giveUnjoined(this.#outer, timeMs)
  }

  nextEmitMs(): number | undefined {
    const { graceMs, beforeMs, afterMs } = this.#plan.windows
    let next: number | undefined
    const sides = new Set<boolean>()
    for (const { timestampMs, isLeft } of this.#outer?.all() ?? []) {
      const closeMs = timestampMs + (isLeft ? afterMs : beforeMs) + graceMs + 1
      if (!sides.has(isLeft) && (next === undefined || closeMs < next)) next = closeMs
      // Of each side the first one closes first.
      if (sides.add(isLeft).size === 2) break
    }
    return next
  }

  #forward(key: unknown, value: unknown, other: unknown, timestampMs: number): void {
    const { joiner } = this.#plan
    const joined = this.#isLeft ? joiner(key, value, other) : joiner(key, other, value)
    this.#context.forward(key, joined, timestampMs)
  }

  /** Looks for records whose windows have closed without a partner, not with every record. */
  #emitUnjoined(outer: OuterJoinStore<unknown>, changedMs: number): void {
    const time = this.#time
    if (this.#isTooEarly(this.#afterMs + this.#plan.windows.graceMs)) return
    const nowMs = this.#context.nowMs()
    if (nowMs < time.nextEmitMs) return
    time.nextEmitMs = nowMs + this.#context.emitIntervalMs
    this.#giveUnjoined(outer, changedMs)
  }

  #giveUnjoined(outer: OuterJoinStore<unknown>, changedMs: number): void {
    const time = this.#time
    const { graceMs, beforeMs, afterMs } = this.#plan.windows
    time.minTimeMs = Number.POSITIVE_INFINITY
    const { joiner } = this.#plan
    let isLeftOpen = false
    let isRightOpen = false
    for (const unjoined of outer.all()) {
      const { key, timestampMs, isLeft, values } = unjoined
      time.minTimeMs = timestampMs
      if (isLeftOpen && isRightOpen) return
      if (timestampMs + (isLeft ? afterMs : beforeMs) + graceMs >= time.streamTimeMs) {
        if (isLeft) isLeftOpen = true
        else isRightOpen = true
        // A list of several values looks at the other side's flag once more for each.
        if (values.length > 1 && isLeftOpen && isRightOpen) return
        continue
      }
      for (const value of values) {
        const joined = isLeft ? joiner(key, value, null) : joiner(key, null, value)
        this.#context.forward(key, joined, timestampMs)
      }
      outer.removeUnjoined(unjoined, changedMs)
    }
  }

  #isTooEarly(waitMs: number): boolean {
    const { minTimeMs, streamTimeMs } = this.#time
    // After a start the store may have what nobody knows of; Java looks unless there is no wait at all.
    if (minTimeMs === Number.POSITIVE_INFINITY) return waitMs <= 0
    return minTimeMs + waitMs >= streamTimeMs
  }
}
