import { Change } from '../record.ts'
import type { CacheEntry, FlushListener } from '../state/entry-cache.ts'
import type { KeyEntry } from '../state/key-value-store.ts'
import type { NodeContext } from '../topology/processor-node.ts'

/** Sends a change of a table on to the nodes that follow. */
export type SendChange = (
  key: unknown,
  newValue: unknown,
  oldValue: unknown,
  timestampMs: number,
) => void

/** A store that may hold changes back. */
interface HoldingStore<E> {
  holdBack(listener: FlushListener<E>): boolean
}

const isHeldBack: SendChange = () => {}

/**
 * Gives what sends a table's changes on: each at once, or nothing where the table's store holds them
 * back, and sends on the last one of each key when it is flushed.
 *
 * @param keyOf the key of the table of an entry of the store
 */
export function changesOf<E extends CacheEntry>(
  context: NodeContext,
  store: HoldingStore<E>,
  sendOldValues: boolean,
  keyOf: (entry: E) => unknown,
): SendChange {
  const listener: FlushListener<E> = {
    sendOldValues,
    forward: (entry, oldValue) =>
      context.forward(keyOf(entry), new Change(entry.value, oldValue), entry.timestampMs),
  }
  return store.holdBack(listener) ? isHeldBack : changesAtOnce(context, sendOldValues)
}

/** Gives what sends a table's changes on as they come. */
export const changesAtOnce =
  (context: NodeContext, sendOldValues: boolean): SendChange =>
  (key, newValue, oldValue, timestampMs) =>
    context.forward(key, new Change(newValue, sendOldValues ? oldValue : null), timestampMs)

export const keyOfEntry = (entry: KeyEntry<unknown, unknown>): unknown => entry.key
