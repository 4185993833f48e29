import type { KeyValueStore } from '../state/key-value-store.ts'
import type { ProcessorSupplier } from '../topology/processor-node.ts'
import { changesOf, keyOfEntry } from './table-changes.ts'

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
    const send = changesOf(context, store, flags.sendOldValues, keyOfEntry)
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
        send(key, newAggregate, oldAggregate, newTimestampMs)
      },
    }
  }
