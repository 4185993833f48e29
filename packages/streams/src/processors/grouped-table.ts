import { isDeepStrictEqual } from 'node:util'
import { Change } from '../record.ts'
import type { KeyValueStore } from '../state/key-value-store.ts'
import type { ProcessorSupplier } from '../topology/processor-node.ts'
import type { Aggregation, TableFlags } from './aggregate.ts'
import { changesOf, keyOfEntry } from './table-changes.ts'

/** Sends a table's changes to their groups: what was there before, then what is there now. */
export const repartitionMapProcessor =
  (mapper: (key: unknown, value: unknown) => readonly [unknown, unknown]): ProcessorSupplier =>
  (context) => {
    const pairOf = (key: unknown, value: unknown): readonly [unknown, unknown] | undefined => {
      const pair = value === null ? undefined : mapper(key, value)
      return pair && pair[0] !== null && pair[1] !== null ? pair : undefined
    }
    return {
      process(key, change, timestampMs) {
        const { newValue, oldValue } = change as Change<unknown>
        const newPair = pairOf(key, newValue)
        const oldPair = pairOf(key, oldValue)
        if (oldPair && newPair && isDeepStrictEqual(oldPair[0], newPair[0])) {
          context.forward(oldPair[0], new Change(newPair[1], oldPair[1]), timestampMs)
          return
        }
        if (oldPair) context.forward(oldPair[0], new Change(null, oldPair[1]), timestampMs)
        if (newPair) context.forward(newPair[0], new Change(newPair[1], null), timestampMs)
      },
    }
  }

/** Aggregates changes by group: `remove` takes an old value out, `add` puts a new one in. */
export const groupedTableProcessor =
  (
    storeName: string,
    aggregation: Aggregation,
    remove: (key: unknown, value: unknown, aggregate: unknown) => unknown,
    flags: TableFlags,
  ): ProcessorSupplier =>
  (context) => {
    const store = context.store(storeName) as KeyValueStore<unknown, unknown>
    const send = changesOf(context, store, flags.sendOldValues, keyOfEntry)
    return {
      process(key, value, timestampMs) {
        const change = value as Change<unknown>
        const entry = store.find(key)
        const oldAggregate: unknown = entry?.value ?? null
        let aggregate = oldAggregate
        let newMs = timestampMs
        const entryMs = entry?.timestampMs ?? timestampMs
        if (change.oldValue !== null && oldAggregate !== null) {
          aggregate = remove(key, change.oldValue, oldAggregate)
          newMs = Math.max(timestampMs, entryMs)
        }
        if (change.newValue !== null) {
          aggregate = aggregation.add(key, change.newValue, aggregate ?? aggregation.initial())
          newMs = Math.max(timestampMs, entryMs)
        }
        // A deletion is logged with the time of the record under work, as Java does.
        store.put(key, aggregate, aggregate === null ? timestampMs : newMs)
        send(key, aggregate, oldAggregate, newMs)
      },
    }
  }
