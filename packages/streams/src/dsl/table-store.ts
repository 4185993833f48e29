import { type KeyValueStoreOptions, keyValueStore } from '../state/key-value-store.ts'
import type { StoreSpec } from '../state/state-store.ts'
import type { Graph } from './graph.ts'
import type { Materialized } from './options.ts'

type Kept = Pick<Materialized<unknown, unknown>, 'store' | 'logging' | 'caching'>

/**
 * How a store is kept, from what is said about its table and what is left to the settings.
 *
 * @param isUncached whether no word can give it a cache, as in Java
 */
export const keptAs = (
  graph: Graph,
  { store, logging, caching = true }: Kept,
  isUncached = false,
): {
  readonly persistent: boolean
  readonly logging: Kept['logging']
  readonly caching: boolean
} => ({
  persistent: store === undefined ? graph.persistentByDefault : store === 'persistent',
  logging,
  caching: caching && !isUncached,
})

/** The store of a table by key. */
export const tableStore = <K, V>(
  graph: Graph,
  options: Pick<KeyValueStoreOptions<K, V>, 'name' | 'keySerde' | 'valueSerde'>,
  kept: Kept,
): StoreSpec => keyValueStore({ ...options, ...keptAs(graph, kept) })
