import type { WindowStore } from '../state/window-store.ts'
import type { NodeContext, NodeProcessor, ProcessorSupplier } from '../topology/processor-node.ts'
import { type SlidingWindows, Windowed } from '../windows.ts'
import { FinalResults } from './final-results.ts'
import { changesOf, type SendChange } from './table-changes.ts'
import type { WindowAggregatePlan } from './window-aggregate.ts'

/**
 * Aggregates by key and sliding window (KIP-450). Of each record there is a left window, which ends
 * with it, and a right window, which begins 1 ms after it, where that one has records. So the windows
 * that a record falls into are those around it that are there already, its own left one, and the
 * right one of the record before it.
 */
export const slidingAggregateProcessor =
  (plan: WindowAggregatePlan<SlidingWindows>): ProcessorSupplier =>
  (context) =>
    new SlidingAggregateProcessor(context, plan)

interface Aggregate {
  readonly value: unknown
  /** The time of the window's newest record. */
  readonly timestampMs: number
}

class SlidingAggregateProcessor implements NodeProcessor {
  readonly #context: NodeContext
  readonly #plan: WindowAggregatePlan<SlidingWindows>
  readonly #store: WindowStore<unknown, unknown>
  readonly #sizeMs: number
  readonly #send: SendChange | undefined
  readonly #finals: FinalResults | undefined
  /** Where the task was before a restart, so that a late record stays late. */
  #observedMs: number
  #closeTimeMs = 0

  constructor(context: NodeContext, plan: WindowAggregatePlan<SlidingWindows>) {
    this.#context = context
    this.#plan = plan
    this.#store = context.store(plan.storeName) as WindowStore<unknown, unknown>
    this.#sizeMs = plan.windows.timeDifferenceMs
    this.#observedMs = context.streamTimeMs()
    if (plan.emit === 'on-window-close') this.#finals = new FinalResults(context, plan.storeName)
    else
      this.#send = changesOf(context, this.#store, plan.flags.sendOldValues, (entry) =>
        this.#windowed(entry.key, entry.windowStartMs),
      )
  }

  process(key: unknown, value: unknown, timestampMs: number): void {
    if (key === null || value === null) {
      this.#context.drop(key === null ? 'null-key' : 'null-value')
      return
    }
    if (timestampMs > this.#observedMs) this.#observedMs = timestampMs
    this.#closeTimeMs = this.#observedMs - this.#plan.windows.graceMs
    if (timestampMs + this.#sizeMs < this.#closeTimeMs) {
      this.#context.drop('late')
      return
    }
    if (timestampMs < this.#sizeMs) {
      this.#processEarly(key, value, timestampMs)
      return
    }
    this.#processAmongOthers(key, value, timestampMs)
    if (this.#finals?.isDue(this.#closeTimeMs)) this.#emitFinal(this.#finals)
  }

  advanceStreamTime(timeMs: number): void {
    if (timeMs <= this.#observedMs) return
    this.#observedMs = timeMs
    // Both ends belong to a window: it is over 1 ms after its end.
    this.#closeTimeMs = timeMs + 1 - this.#plan.windows.graceMs
    if (this.#finals?.isBehind(this.#closeTimeMs)) this.#emitFinal(this.#finals)
  }

  nextEmitMs(): number | undefined {
    if (!this.#finals) return undefined
    const startMs = this.#store.firstStartMs(this.#finals.lowerMs(this.#sizeMs, 0))
    return startMs === undefined ? undefined : startMs + this.#sizeMs + this.#plan.windows.graceMs
  }

  #emitFinal(finals: FinalResults): void {
    const upperMs = this.#closeTimeMs - this.#sizeMs - 1
    if (upperMs < 0) return
    finals.emit(this.#store, finals.lowerMs(this.#sizeMs, 0), upperMs, this.#closeTimeMs)
  }

  #processAmongOthers(key: unknown, value: unknown, timestampMs: number): void {
    const starts = new Set<number>()
    let left: Aggregate | undefined
    let right: Aggregate | undefined
    let hasLeft = false
    let hasRight = false
    let previousMs: number | undefined
    // From the newest window that may hold the record backwards.
    const fromMs = Math.max(0, timestampMs - 2 * this.#sizeMs)
    for (const { startMs, ...found } of this.#windowsOf(key, fromMs, timestampMs + 1).reverse()) {
      starts.add(startMs)
      const endMs = startMs + this.#sizeMs
      if (startMs === timestampMs + 1) hasRight = true
      else if (endMs > timestampMs) {
        right ??= found
        this.#update(key, value, timestampMs, startMs, found)
      } else if (endMs === timestampMs) {
        hasLeft = true
        this.#update(key, value, timestampMs, startMs, found)
        // A record of this very time came before: all its windows are there.
        if (found.timestampMs >= timestampMs) return
        previousMs = found.timestampMs
      } else {
        left = found
        previousMs = found.timestampMs
        break
      }
    }
    if (previousMs !== undefined) {
      const startMs = previousMs + 1
      if (!starts.has(startMs) && startMs + this.#sizeMs >= timestampMs)
        this.#update(key, value, timestampMs, startMs, this.#initial(timestampMs))
    }
    if (!hasLeft) {
      const isPreviousWithin = previousMs !== undefined && timestampMs - this.#sizeMs <= previousMs
      const aggregate =
        isPreviousWithin && left ? { value: left.value, timestampMs } : this.#initial(timestampMs)
      this.#update(key, value, timestampMs, timestampMs - this.#sizeMs, aggregate)
    }
    if (!hasRight && right && right.timestampMs > timestampMs)
      this.#openRight(key, timestampMs, right)
  }

  /** Records whose left window would begin before 0 share the window that begins there. */
  #processEarly(key: unknown, value: unknown, timestampMs: number): void {
    const starts = new Set<number>()
    let combined: Aggregate | undefined
    let right: Aggregate | undefined
    let hasRight = false
    let previousMs: number | undefined
    for (const { startMs, ...found } of this.#windowsOf(key, 0, timestampMs + 1)) {
      starts.add(startMs)
      if (startMs === 0) {
        combined = found
        if (found.timestampMs < timestampMs) previousMs = found.timestampMs
      } else if (startMs <= timestampMs) {
        right = found
        this.#update(key, value, timestampMs, startMs, found)
      } else hasRight = true
    }
    if (!right && combined && combined.timestampMs > timestampMs) right = combined
    if (!hasRight && right && right.timestampMs > timestampMs)
      this.#openRight(key, timestampMs, right)
    if (previousMs !== undefined && !starts.has(previousMs + 1))
      this.#update(key, value, timestampMs, previousMs + 1, this.#initial(timestampMs))
    this.#update(key, value, timestampMs, 0, combined ?? this.#initial(timestampMs))
  }

  /** Windows of a key as they are now, earliest first; what follows may change their entries. */
  #windowsOf(
    key: unknown,
    fromMs: number,
    toMs: number,
  ): (Aggregate & { readonly startMs: number })[] {
    return [...this.#store.fetchEntries(key, fromMs, toMs)].map((entry) => ({
      startMs: entry.windowStartMs,
      value: entry.value,
      timestampMs: entry.timestampMs,
    }))
  }

  #initial(timestampMs: number): Aggregate {
    return { value: this.#plan.aggregation.initial(), timestampMs }
  }

  /** The right window of a record has what comes after it, but not the record. */
  #openRight(key: unknown, timestampMs: number, aggregate: Aggregate): void {
    const startMs = timestampMs + 1
    this.#store.put(key, aggregate.value, startMs, aggregate.timestampMs)
    this.#send?.(this.#windowed(key, startMs), aggregate.value, null, aggregate.timestampMs)
  }

  #update(
    key: unknown,
    value: unknown,
    timestampMs: number,
    startMs: number,
    { value: oldAggregate, timestampMs: newestMs }: Aggregate,
  ): void {
    if (startMs + this.#sizeMs < this.#closeTimeMs) {
      this.#context.drop('late')
      return
    }
    const newAggregate = this.#plan.aggregation.add(key, value, oldAggregate)
    const newMs = oldAggregate === null ? timestampMs : Math.max(timestampMs, newestMs)
    // A deletion is logged with the time of the record under work, as Java does.
    const loggedMs = newAggregate === null ? timestampMs : newMs
    this.#store.put(key, newAggregate, startMs, loggedMs)
    this.#send?.(this.#windowed(key, startMs), newAggregate, oldAggregate, newMs)
  }

  #windowed(key: unknown, startMs: number): Windowed<unknown> {
    return new Windowed(key, { startMs, endMs: startMs + this.#sizeMs })
  }
}
