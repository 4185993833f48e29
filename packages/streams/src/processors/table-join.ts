import { Change } from '../record.ts'
import type { NodeContext, ProcessorSupplier } from '../topology/processor-node.ts'
import type { TableFlags } from './aggregate.ts'
import { openTable, type TableEntry, type TableState, type TableView } from './table.ts'

/** Joins the records of a stream with what a table has under their key, or under one made of them. */
export interface StreamTableJoinPlan {
  readonly view: TableView
  readonly isLeft: boolean
  /** The key to look up; null finds nothing. */
  readonly keyOf: (key: unknown, value: unknown) => unknown
  readonly joiner: (key: unknown, value: unknown, tableValue: unknown) => unknown
}

export const streamTableJoinProcessor =
  (plan: StreamTableJoinPlan): ProcessorSupplier =>
  (context) => {
    const { isLeft, keyOf, joiner } = plan
    const getter = plan.view.open(context)
    return {
      process(key, value, timestampMs) {
        const tableKey = keyOf(key, value)
        if (value === null) return context.drop('null-value')
        if (tableKey === null && !isLeft) return context.drop('null-key')
        const tableValue = tableKey === null ? null : (getter(tableKey)?.value ?? null)
        if (isLeft || tableValue !== null)
          context.forward(key, joiner(key, value, tableValue), timestampMs)
      },
    }
  }

export type TableJoinKind = 'inner' | 'left' | 'outer'

/** Makes a result's value; a side that is missing is null. */
type TableJoiner = (key: unknown, left: unknown, right: unknown) => unknown

export interface TableJoinPlan {
  readonly kind: TableJoinKind
  readonly left: TableView
  readonly right: TableView
  readonly joiner: TableJoiner
  readonly flags: TableFlags
}

/** One side of a join of two tables: its changes meet what the other table has. */
export const tableJoinProcessor =
  (plan: TableJoinPlan, isLeft: boolean): ProcessorSupplier =>
  (context) => {
    const { kind, joiner } = plan
    const { sendOldValues } = plan.flags
    const getOther = (isLeft ? plan.right : plan.left).open(context)
    const join = (key: unknown, own: unknown, other: unknown): unknown =>
      isLeft ? joiner(key, own, other) : joiner(key, other, own)
    const isOtherNeeded = kind === 'inner' || (kind === 'left' && !isLeft)
    const isOwnNeeded = kind === 'inner' || (kind === 'left' && isLeft)
    return {
      process(key, change, timestampMs) {
        if (key === null) return context.drop('null-key')
        const { newValue, oldValue } = change as Change<unknown>
        const other = getOther(key)
        if (!other && (isOtherNeeded || (newValue === null && oldValue === null))) return
        const joinedValue = (own: unknown): unknown =>
          own === null && (isOwnNeeded || !other) ? null : join(key, own, other?.value ?? null)
        const resultMs = other ? Math.max(timestampMs, other.timestampMs) : timestampMs
        const result = joinedValue(newValue)
        context.forward(
          key,
          new Change(result, sendOldValues ? joinedValue(oldValue) : null),
          resultMs,
        )
      },
    }
  }

/** What both sides of a join give, kept in a store where the result is materialized. */
export const tableMergeProcessor =
  (state: TableState): ProcessorSupplier =>
  (context) => {
    const { store, send } = openTable(context, state)
    return {
      process(key, value, timestampMs) {
        const { newValue, oldValue } = value as Change<unknown>
        store?.put(key, newValue, timestampMs)
        send(key, newValue, oldValue, timestampMs)
      },
    }
  }

/** Looks things up in a join that is not materialized: it is made anew. */
export function joinView(plan: Omit<TableJoinPlan, 'flags'>): TableView {
  const { kind, left, right, joiner } = plan
  return {
    storeNames: [...new Set([...left.storeNames, ...right.storeNames])],
    open(context: NodeContext) {
      const getLeft = left.open(context)
      const getRight = right.open(context)
      return (key): TableEntry | undefined => {
        const ofLeft = getLeft(key)
        if (!ofLeft && kind !== 'outer') return undefined
        const ofRight = getRight(key)
        if (!ofRight && (kind === 'inner' || !ofLeft)) return undefined
        const value = joiner(key, ofLeft?.value ?? null, ofRight?.value ?? null)
        const timestampMs = Math.max(ofLeft?.timestampMs ?? -1, ofRight?.timestampMs ?? -1)
        return value === null ? undefined : { value, timestampMs }
      }
    },
  }
}
