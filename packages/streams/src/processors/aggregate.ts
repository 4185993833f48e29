import { Change } from '../record.ts'
import type { Entry } from '../state/entry-cache.ts'
import type { KeyValueStore } from '../state/key-value-store.ts'
import type { WindowStore } from '../state/window-store.ts'
import type { NodeContext, NodeProcessor, ProcessorSupplier } from '../topology/processor-node.ts'
import { type TimeWindows, type Window, Windowed } from '../windows.ts'

/** What a count, a reduce or an aggregate does with a value. */
export interface Aggregation {
  /** The aggregate before the first value; null for a reduce, which begins with that value. */
  initial(): unknown
  add(key: unknown, value: unknown, aggregate: unknown): unknown
}

/** What those who read a table ask of the node that fills it. */
export interface TableFlags {
  sendOldValues: boolean
}

/** Aggregates by key. Records without key or value change nothing. */
export const aggregateProcessor =
  (storeName: string, aggregation: Aggregation, flags: TableFlags): ProcessorSupplier =>
  (context) => {
    const store = context.store(storeName) as KeyValueStore<unknown, unknown>
    const { sendOldValues } = flags
    return {
      process(key, value, timestampMs) {
        if (key === null) return context.drop('null-key')
        if (value === null) return context.drop('null-value')
        const entry = store.find(key)
        const oldAggregate = entry ? entry.value : aggregation.initial()
        const newTimestampMs = entry ? Math.max(entry.timestampMs, timestampMs) : timestampMs
        const newAggregate = aggregation.add(key, value, oldAggregate)
        // A deletion is logged with the record's own time, as Java does.
        store.put(key, newAggregate, newAggregate === null ? timestampMs : newTimestampMs)
        context.forward(
          key,
          new Change(newAggregate, sendOldValues ? oldAggregate : null),
          newTimestampMs,
        )
      },
    }
  }

/** Aggregates by key and window. Records without key, and those of closed windows, change nothing. */
export const windowAggregateProcessor =
  (
    storeName: string,
    windows: TimeWindows,
    aggregation: Aggregation,
    flags: TableFlags,
  ): ProcessorSupplier =>
  (context) =>
    new WindowAggregateProcessor(context, storeName, windows, aggregation, flags.sendOldValues)

class WindowAggregateProcessor implements NodeProcessor {
  readonly #context: NodeContext
  readonly #store: WindowStore<unknown, unknown>
  readonly #windows: TimeWindows
  readonly #aggregation: Aggregation
  readonly #sendOldValues: boolean
  /** Where the task was before a restart, so that a late record stays late. */
  #observedMs: number
  #lastWindow: Window = { startMs: -1, endMs: -1 }

  constructor(
    context: NodeContext,
    storeName: string,
    windows: TimeWindows,
    aggregation: Aggregation,
    sendOldValues: boolean,
  ) {
    this.#context = context
    this.#store = context.store(storeName) as WindowStore<unknown, unknown>
    this.#windows = windows
    this.#aggregation = aggregation
    this.#sendOldValues = sendOldValues
    this.#observedMs = context.streamTimeMs()
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
  }

  advanceStreamTime(timeMs: number): void {
    if (timeMs > this.#observedMs) this.#observedMs = timeMs
  }

  #add(key: unknown, value: unknown, timestampMs: number, startMs: number): void {
    const entry = this.#store.find(key, startMs)
    const oldAggregate = entry ? entry.value : this.#aggregation.initial()
    const newTimestampMs = entry ? Math.max(entry.timestampMs, timestampMs) : timestampMs
    const newAggregate = this.#aggregation.add(key, value, oldAggregate)
    // A deletion is logged with the record's own time, as Java does.
    const loggedMs = newAggregate === null ? timestampMs : newTimestampMs
    let written = entry
    if (entry) this.#store.replace(entry, newAggregate, loggedMs)
    else written = this.#store.put(key, newAggregate, startMs, loggedMs)
    this.#context.forward(
      this.#windowed(written, key, startMs),
      new Change(newAggregate, this.#sendOldValues ? oldAggregate : null),
      newTimestampMs,
    )
  }

  #windowed(entry: Entry<unknown, unknown> | undefined, key: unknown, startMs: number): unknown {
    if (entry?.windowed) return entry.windowed
    if (this.#lastWindow.startMs !== startMs)
      this.#lastWindow = { startMs, endMs: startMs + this.#windows.sizeMs }
    const windowed = new Windowed(key, this.#lastWindow)
    if (entry) entry.windowed = windowed
    return windowed
  }
}
