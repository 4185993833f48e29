import { topologyError } from '../errors.ts'
import { selectKeyProcessor, toStreamProcessor } from '../processors/stateless.ts'
import { suppressProcessor } from '../processors/suppress.ts'
import { type TableState, tableValuesProcessor } from '../processors/table.ts'
import type { Serde } from '../serdes/serde.ts'
import { keyValueStore } from '../state/key-value-store.ts'
import { suppressBuffer } from '../state/suppress-buffer.ts'
import type { Graph, Upstream } from './graph.ts'
import type { KStream } from './kstream.ts'
import type { Materialized, Named, Suppression } from './options.ts'

interface TableParts<K, V> extends Upstream<K, V> {
  /** Asks for old values beside new ones; `force` may add a store for it. Says whether they come. */
  readonly enableOldValues: (force: boolean) => boolean
  /** The grace of the windows that the keys are of. */
  readonly graceMs: number | undefined
  readonly storeName: string | undefined
}

/** The newest value of each key, and its changes. Null values are deletions and reach no function. */
export class KTable<K, V> {
  readonly #graph: Graph
  readonly #node: string
  readonly #keySerde: Serde<K> | undefined
  readonly #valueSerde: Serde<V> | undefined
  readonly #enableOldValues: (force: boolean) => boolean
  readonly #graceMs: number | undefined
  /** The name by which the table's store can be asked, where it has one. */
  readonly queryableStoreName: string | undefined

  /** @internal Tables come from a `StreamsBuilder`, from streams and from other tables. */
  constructor(parts: TableParts<K, V>) {
    this.#graph = parts.graph
    this.#node = parts.node
    this.#keySerde = parts.keySerde
    this.#valueSerde = parts.valueSerde
    this.#enableOldValues = parts.enableOldValues
    this.#graceMs = parts.graceMs
    this.queryableStoreName = parts.storeName
  }

  /** Keeps the keys whose value fulfils `predicate`; others count as deleted. */
  filter(
    predicate: (key: K, value: V) => boolean,
    materialized: Materialized<K, V> = {},
  ): KTable<K, V> {
    return this.#filter(predicate, materialized)
  }

  /** Keeps the keys whose value does not fulfil `predicate`; others count as deleted. */
  filterNot(
    predicate: (key: K, value: V) => boolean,
    materialized: Materialized<K, V> = {},
  ): KTable<K, V> {
    return this.#filter((key, value) => !predicate(key, value), materialized)
  }

  /** Gives each key another value, made of the one it has. */
  mapValues<VR>(
    mapper: (value: V, key: K) => VR,
    materialized: Materialized<K, VR> = {},
  ): KTable<K, VR> {
    const compute = (key: unknown, value: unknown): unknown => mapper(value as V, key as K)
    return this.#derive('KTABLE-MAPVALUES-', compute, false, materialized, materialized.valueSerde)
  }

  /** The table's changes as a stream, with the key that they have, or with the one that `mapper` gives. */
  toStream(): KStream<K, V>
  toStream<KR>(mapper: (key: K, value: V) => KR, named?: Named): KStream<KR, V>
  toStream<KR>(mapper?: (key: K, value: V) => KR, named: Named = {}): KStream<K | KR, V> {
    const graph = this.#graph
    const node = graph.name(mapper ? undefined : named.name, 'KTABLE-TOSTREAM-')
    graph.topology.addProcessor(node, toStreamProcessor, [this.#node])
    const valueSerde = this.#valueSerde
    if (!mapper)
      return graph.newStream<K | KR, V>({
        graph,
        node,
        keySerde: this.#keySerde as Serde<K | KR> | undefined,
        valueSerde,
        rekeyed: false,
      })
    const selected = graph.name(named.name, 'KSTREAM-KEY-SELECT-')
    const work = selectKeyProcessor(mapper as (key: unknown, value: unknown) => unknown)
    graph.topology.addProcessor(selected, work, [node])
    return graph.newStream<K | KR, V>({
      graph,
      node: selected,
      keySerde: undefined,
      valueSerde,
      rekeyed: true,
    })
  }

  /**
   * Holds changes back. Time is stream time: nothing leaves while no record comes, unless the
   * application sets `window.close.idle.ms`.
   */
  suppress(suppressed: Suppression): KTable<K, V> {
    const graph = this.#graph
    const node = suppressed.name ?? graph.newName('KTABLE-SUPPRESS-')
    const storeName =
      suppressed.name === undefined
        ? graph.newStoreName('KTABLE-SUPPRESS-')
        : `${suppressed.name}-store`
    const untilWindowCloses = suppressed.kind === 'window-close'
    if (untilWindowCloses && this.#graceMs === undefined)
      throw topologyError(
        `${node}: untilWindowCloses needs a table of windowed keys; use untilTimeLimit here`,
      )
    // A result that is held back says what was there before it.
    this.#enableOldValues(true)
    const work = suppressProcessor({
      storeName,
      untilWindowCloses,
      waitMs: untilWindowCloses ? this.#graceMs! : suppressed.waitMs,
      maxRecords: suppressed.maxRecords ?? Number.POSITIVE_INFINITY,
      whenFull: suppressed.whenFull,
    })
    graph.topology
      .addProcessor(node, work, [this.#node])
      .addStore(
        suppressBuffer({ name: storeName, keySerde: this.#keySerde, valueSerde: this.#valueSerde }),
        node,
      )
    return new KTable<K, V>({
      graph,
      node,
      keySerde: this.#keySerde,
      valueSerde: this.#valueSerde,
      enableOldValues: () => true,
      graceMs: this.#graceMs,
      storeName: undefined,
    })
  }

  #filter(
    predicate: (key: K, value: V) => boolean,
    materialized: Materialized<K, V>,
  ): KTable<K, V> {
    const compute = (key: unknown, value: unknown): unknown =>
      predicate(key as K, value as V) ? value : null
    const valueSerde = materialized.valueSerde ?? this.#valueSerde
    return this.#derive('KTABLE-FILTER-', compute, true, materialized, valueSerde)
  }

  #derive<VR>(
    prefix: string,
    compute: (key: unknown, value: unknown) => unknown,
    isFilter: boolean,
    materialized: Materialized<K, VR>,
    valueSerde: Serde<VR> | undefined,
  ): KTable<K, VR> {
    const graph = this.#graph
    const { storeName } = materialized
    const { keySerde = this.#keySerde } = materialized
    const saysHow = materialized.keySerde ?? materialized.valueSerde ?? materialized.store
    if (storeName === undefined && saysHow !== undefined) graph.newStoreName(prefix)
    const node = graph.name(materialized.name, prefix)
    const state: TableState = { storeName, sendOldValues: false }
    const parentOldValues = this.#enableOldValues
    const enableOldValues = (force: boolean): boolean => {
      if (!state.sendOldValues)
        state.sendOldValues = storeName !== undefined || parentOldValues(force)
      return state.sendOldValues
    }
    graph.topology.addProcessor(node, tableValuesProcessor(compute, state, isFilter), [this.#node])
    if (storeName !== undefined)
      graph.topology.addStore(
        keyValueStore({
          name: storeName,
          keySerde,
          valueSerde,
          persistent: isPersistent(graph, materialized),
          logging: materialized.logging,
        }),
        node,
      )
    // A filter that knows old values need not say that what was absent is absent.
    if (isFilter) enableOldValues(false)
    return new KTable<K, VR>({
      graph,
      node,
      keySerde,
      valueSerde,
      enableOldValues,
      graceMs: this.#graceMs,
      storeName,
    })
  }
}

/** Whether a table's store is kept on disk. */
export const isPersistent = (
  graph: Graph,
  { store }: { readonly store?: 'persistent' | 'memory' | undefined },
): boolean => (store === undefined ? graph.persistentByDefault : store === 'persistent')

/**
 * A table that is read from a stream. It has a store where it is materialized by name, or where
 * something after it needs old values; that store is called `storeName`.
 */
export function tableSource<K, V>(
  upstream: Upstream<K, V>,
  storeName: string,
  materialized: Materialized<K, V>,
  addNode: (state: TableState) => void,
): KTable<K, V> {
  const { graph, node, keySerde, valueSerde } = upstream
  const state: TableState = { storeName: undefined, sendOldValues: false }
  const materialize = (): void => {
    state.storeName = storeName
    graph.topology.addStore(
      keyValueStore({
        name: storeName,
        keySerde,
        valueSerde,
        persistent: isPersistent(graph, materialized),
        logging: materialized.logging,
      }),
      node,
    )
  }
  addNode(state)
  if (materialized.storeName !== undefined) materialize()
  return new KTable<K, V>({
    ...upstream,
    enableOldValues(force) {
      if (state.storeName === undefined && !force) return false
      if (state.storeName === undefined) materialize()
      state.sendOldValues = true
      return true
    },
    graceMs: undefined,
    storeName: materialized.storeName,
  })
}
