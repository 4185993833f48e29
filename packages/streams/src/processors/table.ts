import { Change } from '../record.ts'
import type { KeyValueStore } from '../state/key-value-store.ts'
import type { ProcessorSupplier } from '../topology/processor-node.ts'
import type { TableFlags } from './aggregate.ts'

/** A table's flags, and the store that holds it, where one does. Read when a task starts. */
export interface TableState extends TableFlags {
  storeName: string | undefined
}

/** Reads a stream as the changes of a table. */
export const tableSourceProcessor =
  (state: TableState): ProcessorSupplier =>
  (context) => {
    const store =
      state.storeName === undefined
        ? undefined
        : (context.store(state.storeName) as KeyValueStore<unknown, unknown>)
    return {
      process(key, value, timestampMs) {
        if (key === null) return context.drop('null-key')
        const oldValue = store?.find(key)?.value ?? null
        store?.put(key, value, timestampMs)
        context.forward(key, new Change(value, state.sendOldValues ? oldValue : null), timestampMs)
      },
    }
  }

/** Gives the value of the table that follows, from a value of the one before that is not null. */
type Compute = (key: unknown, value: unknown) => unknown

/**
 * Filters or maps a table. Where old values are known, a key that was absent and stays absent is
 * passed over (`quiet`).
 */
export const tableValuesProcessor =
  (compute: Compute, state: TableState, quiet: boolean): ProcessorSupplier =>
  (context) => {
    const store =
      state.storeName === undefined
        ? undefined
        : (context.store(state.storeName) as KeyValueStore<unknown, unknown>)
    const { sendOldValues } = state
    return {
      process(key, value, timestampMs) {
        const change = value as Change<unknown>
        const newValue = change.newValue === null ? null : compute(key, change.newValue)
        let oldValue: unknown = null
        if (sendOldValues) {
          if (store) oldValue = store.find(key)?.value ?? null
          else if (change.oldValue !== null) oldValue = compute(key, change.oldValue)
        }
        if (quiet && sendOldValues && oldValue === null && newValue === null) return
        store?.put(key, newValue, timestampMs)
        context.forward(key, new Change(newValue, oldValue), timestampMs)
      },
    }
  }
