import type { Change } from '../record.ts'
import type { KeyValueStore } from '../state/key-value-store.ts'
import type { NodeContext, ProcessorSupplier } from '../topology/processor-node.ts'
import type { TableFlags } from './aggregate.ts'
import { changesAtOnce, changesOf, keyOfEntry, type SendChange } from './table-changes.ts'

/** A table's value for a key, which is not null. */
export interface TableEntry {
  readonly value: unknown
  readonly timestampMs: number
}

/** Gives a table's value for a key, where it has one. */
export type TableGetter = (key: unknown) => TableEntry | undefined

/** How a node looks up what a table has: in its store, or in those of the tables that it is made of. */
export interface TableView {
  /** Stores that a node which looks things up must be connected to. */
  readonly storeNames: readonly string[]
  open(context: NodeContext): TableGetter
}

/** Looks things up in a table's own store. */
export const storeView = (storeName: string): TableView => ({
  storeNames: [storeName],
  open(context) {
    const store = context.store(storeName) as KeyValueStore<unknown, unknown>
    return (key) => store.find(key) as TableEntry | undefined
  },
})

/** Makes each value of the one that another table has. */
export const computedView = (view: TableView, compute: Compute): TableView => ({
  storeNames: view.storeNames,
  open(context) {
    const getter = view.open(context)
    return (key) => {
      const entry = getter(key)
      const value = entry ? compute(key, entry.value) : null
      return entry && value !== null ? { value, timestampMs: entry.timestampMs } : undefined
    }
  },
})

/** A table's flags, and the store that holds it, where one does. Read when a task starts. */
export interface TableState extends TableFlags {
  storeName: string | undefined
}

/** A table's store, where one holds it, and what sends its changes on. */
export function openTable(
  context: NodeContext,
  { storeName, sendOldValues }: TableState,
): { readonly store: KeyValueStore<unknown, unknown> | undefined; readonly send: SendChange } {
  if (storeName === undefined)
    return { store: undefined, send: changesAtOnce(context, sendOldValues) }
  const store = context.store(storeName) as KeyValueStore<unknown, unknown>
  return { store, send: changesOf(context, store, sendOldValues, keyOfEntry) }
}

/** Reads a stream as the changes of a table. */
export const tableSourceProcessor =
  (state: TableState): ProcessorSupplier =>
  (context) => {
    const { store, send } = openTable(context, state)
    return {
      process(key, value, timestampMs) {
        if (key === null) return context.drop('null-key')
        const oldValue = store?.find(key)?.value ?? null
        store?.put(key, value, timestampMs)
        send(key, value, oldValue, timestampMs)
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
    const { store, send } = openTable(context, state)
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
        send(key, newValue, oldValue, timestampMs)
      },
    }
  }
