import type { WindowEntry, WindowStore } from '../state/window-store.ts'
import type { NodeContext, NodeProcessor, ProcessorSupplier } from '../topology/processor-node.ts'
import { type EmitStrategy, type TimeWindows, type Window, Windowed } from '../windows.ts'
import type { Aggregation, TableFlags } from './aggregate.ts'
import { FinalResults } from './final-results.ts'
import type { TableEntry, TableView } from './table.ts'
import { changesOf, type SendChange } from './table-changes.ts'

/** What a windowed aggregation is made of. */
export interface WindowAggregatePlan<Windows> {
  readonly storeName: string
  readonly windows: Windows
  readonly emit: EmitStrategy
  readonly aggregation: Aggregation
  readonly flags: TableFlags
}

/** Aggregates by key and window. Records without key, and those of closed windows, change nothing. */
export const windowAggregateProcessor =
  (plan: WindowAggregatePlan<TimeWindows>): ProcessorSupplier =>
  (context) =>
    new WindowAggregateProcessor(context, plan)

/** Looks things up in a store of windows. */
export const windowView = (storeName: string): TableView => ({
  storeNames: [storeName],
  open(context) {
    const store = context.store(storeName) as WindowStore<unknown, unknown>
    return (key) => {
      const { key: inner, window } = key as Windowed<unknown>
      return store.find(inner, window.startMs) as TableEntry | undefined
    }
  },
})

class WindowAggregateProcessor implements NodeProcessor {
  readonly #context: NodeContext
  readonly #store: WindowStore<unknown, unknown>
  readonly #windows: TimeWindows
  readonly #aggregation: Aggregation
  readonly #send: SendChange | undefined
  readonly #finals: FinalResults | undefined
  /** Where the task was before a restart, so that a late record stays late. */
  #observedMs: number
  #lastWindow: Window = { startMs: -1, endMs: -1 }

  constructor(context: NodeContext, plan: WindowAggregatePlan<TimeWindows>) {
    const { storeName, windows, aggregation, flags } = plan
    this.#context = context
    this.#store = context.store(storeName) as WindowStore<unknown, unknown>
    this.#windows = windows
    this.#aggregation = aggregation
    this.#observedMs = context.streamTimeMs()
    if (plan.emit === 'on-window-close') this.#finals = new FinalResults(context, storeName)
    else
      this.#send = changesOf(context, this.#store, flags.sendOldValues, (entry) =>
        this.#windowed(entry, entry.key, entry.windowStartMs),
      )
  }

  process(key: unknown, value: unknown, timestampMs: number): void {
    if (key === null) {
      this.#context.drop('null-key')
      return
    }
    if (timestampMs > this.#observedMs) this.#observedMs = timestampMs
    const { sizeMs, advanceMs, graceMs } = this.#windows
    const closeTimeMs = this.#observedMs - graceMs
    for (
      let startMs = this.#windows.firstStartMs(timestampMs);
      startMs <= timestampMs;
      startMs += advanceMs
    ) {
      if (startMs + sizeMs > closeTimeMs) this.#add(key, value, timestampMs, startMs)
      else this.#context.drop('late')
    }
    if (this.#finals?.isDue(closeTimeMs)) this.#emitFinal(this.#finals, closeTimeMs)
  }

  advanceStreamTime(timeMs: number): void {
    if (timeMs <= this.#observedMs) return
    this.#observedMs = timeMs
    const closeTimeMs = timeMs - this.#windows.graceMs
    if (this.#finals?.isBehind(closeTimeMs)) this.#emitFinal(this.#finals, closeTimeMs)
  }

  nextEmitMs(): number | undefined {
    if (!this.#finals) return undefined
    const { sizeMs, graceMs } = this.#windows
    const startMs = this.#store.firstStartMs(this.#finals.lowerMs(sizeMs, 1))
    return startMs === undefined ? undefined : startMs + sizeMs + graceMs
  }

  #add(key: unknown, value: unknown, timestampMs: number, startMs: number): void {
    const entry = this.#store.find(key, startMs)
    const oldAggregate = entry ? entry.value : this.#aggregation.initial()
    const newTimestampMs = entry ? Math.max(entry.timestampMs, timestampMs) : timestampMs
    const newAggregate = this.#aggregation.add(key, value, oldAggregate)
    // A deletion is logged with the record's own time, as Java does.
    const loggedMs = newAggregate === null ? timestampMs : newTimestampMs
    let written: WindowEntry<unknown, unknown> | undefined = entry
    if (entry) this.#store.replace(entry, newAggregate, loggedMs)
    else written = this.#store.put(key, newAggregate, startMs, loggedMs)
    this.#send?.(this.#windowed(written, key, startMs), newAggregate, oldAggregate, newTimestampMs)
  }

  #emitFinal(finals: FinalResults, closeTimeMs: number): void {
    const { sizeMs, advanceMs } = this.#windows
    const upperMs = closeTimeMs - sizeMs
    if (upperMs < 0) return
    const lowerMs = finals.lowerMs(sizeMs, 1)
    // Where no window starts between the two, there is nothing to look for.
    const startOf = (timeMs: number): number => Math.floor(timeMs / advanceMs)
    if (finals.hasEmitted && startOf(upperMs) === startOf(lowerMs - 1)) return
    finals.emit(this.#store, lowerMs, upperMs, closeTimeMs)
  }

  #windowed(
    entry: WindowEntry<unknown, unknown> | undefined,
    key: unknown,
    startMs: number,
  ): unknown {
    if (entry?.windowed) return entry.windowed
    if (this.#lastWindow.startMs !== startMs)
      this.#lastWindow = { startMs, endMs: startMs + this.#windows.sizeMs }
    const windowed = new Windowed(key, this.#lastWindow)
    if (entry) entry.windowed = windowed
    return windowed
  }
}
