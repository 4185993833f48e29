import type { Aggregation, TableFlags } from '../processors/aggregate.ts'
import { groupedTableProcessor } from '../processors/grouped-table.ts'
import { storeView } from '../processors/table.ts'
import { changeSerde } from '../serdes/change.ts'
import { longSerde, type Serde } from '../serdes/serde.ts'
import type { Upstream } from './graph.ts'
import { aggregating, counting, reducing } from './group-builder.ts'
import type { KTable, TableParts } from './ktable.ts'
import type { Materialized } from './options.ts'
import type {
  BothAsked,
  BothGiven,
  BothKnown,
  KeyAsked,
  KeyKnown,
  Options,
  OtherValues,
  SerdesState,
} from './serdes-state.ts'
import { tableStore } from './table-store.ts'

interface GroupedTableParts<K, V> extends Upstream<K, V> {
  readonly name: string | undefined
  /** Makes a table; given here so that grouped tables need not know how. */
  readonly newTable: <A>(parts: TableParts<K, A>) => KTable<K, A>
}

type Remove = (key: unknown, value: unknown, aggregate: unknown) => unknown

/** A table's values by another key, ready to be counted, reduced or aggregated. */
export class KGroupedTable<K, V, out S extends SerdesState = SerdesState> {
  readonly #parts: GroupedTableParts<K, V>
  #repartitioned: string | undefined

  /** @internal Comes from {@link KTable.groupBy}. */
  constructor(parts: GroupedTableParts<K, V>) {
    this.#parts = parts
  }

  /**
   * How many of the table's keys each group has.
   *
   * @example
   * sensors.groupBy((id, sensor) => [sensor.room, id], grouped).count()
   */
  count(this: KeyKnown<S>): KTable<K, number, BothGiven<S>>
  count<O extends keyof Materialized<K, number>>(
    materialized: Options<O, Materialized<K, number>> & KeyAsked<S, K, O>,
  ): KTable<K, number, BothGiven<S>>
  count(materialized: Materialized<K, number> = {}): KTable<K, number> {
    const remove: Remove = (_key, _value, count) => (count as number) - 1
    const kept = { valueSerde: longSerde, ...materialized }
    return this.#table('KTABLE-AGGREGATE-', counting, remove, kept)
  }

  /**
   * Combines the values of each group: `adder` puts a new one in, `subtractor` takes an old one out.
   *
   * @example
   * grouped.reduce((sum, value) => sum + value, (sum, value) => sum - value)
   */
  reduce(
    this: BothKnown<S>,
    adder: (aggregate: V, value: V) => V,
    subtractor: (aggregate: V, value: V) => V,
  ): KTable<K, V, BothGiven<S>>
  reduce<O extends keyof Materialized<K, V>>(
    adder: (aggregate: V, value: V) => V,
    subtractor: (aggregate: V, value: V) => V,
    materialized: Options<O, Materialized<K, V>> & BothAsked<S, K, V, O>,
  ): KTable<K, V, BothGiven<S>>
  reduce(
    adder: (aggregate: V, value: V) => V,
    subtractor: (aggregate: V, value: V) => V,
    materialized: Materialized<K, V> = {},
  ): KTable<K, V> {
    const remove: Remove = (_key, value, aggregate) => subtractor(aggregate as V, value as V)
    const kept = { ...materialized, valueSerde: materialized.valueSerde ?? this.#parts.valueSerde }
    return this.#table('KTABLE-REDUCE-', reducing(adder), remove, kept)
  }

  /**
   * Keeps an aggregate of each group, which begins as `initializer()`: `adder` puts a new value in,
   * `subtractor` takes an old one out. Null deletes it.
   *
   * @example
   * grouped.aggregate(() => 0, (_room, watts, sum) => sum + watts, (_room, watts, sum) => sum - watts)
   */
  aggregate<A>(
    this: BothKnown<OtherValues<S>>,
    initializer: () => A,
    adder: (key: K, value: V, aggregate: A) => A,
    subtractor: (key: K, value: V, aggregate: A) => A,
  ): KTable<K, A, BothGiven<S>>
  aggregate<A, O extends keyof Materialized<K, A> = never>(
    initializer: () => A,
    adder: (key: K, value: V, aggregate: A) => A,
    subtractor: (key: K, value: V, aggregate: A) => A,
    materialized: Options<O, Materialized<K, A>> & BothAsked<OtherValues<S>, K, A, O>,
  ): KTable<K, A, BothGiven<S>>
  aggregate<A>(
    initializer: () => A,
    adder: (key: K, value: V, aggregate: A) => A,
    subtractor: (key: K, value: V, aggregate: A) => A,
    materialized: Materialized<K, A> = {},
  ): KTable<K, A> {
    const aggregation = aggregating(initializer, adder)
    return this.#table('KTABLE-AGGREGATE-', aggregation, subtractor as Remove, materialized)
  }

  #table<A>(
    prefix: string,
    aggregation: Aggregation,
    remove: Remove,
    materialized: Materialized<K, A>,
  ): KTable<K, A> {
    const { graph } = this.#parts
    const { name, valueSerde } = materialized
    const keySerde = materialized.keySerde ?? this.#parts.keySerde
    const storeName = materialized.storeName ?? graph.newStoreName('KTABLE-AGGREGATE-')
    const sink = graph.suffixed(name, '-sink', 'KSTREAM-SINK-')
    const source = graph.suffixed(name, '-source', 'KSTREAM-SOURCE-')
    const node = graph.name(name, prefix)
    const parent = this.#repartition(sink, source, storeName)
    const flags: TableFlags = { sendOldValues: false }
    graph.topology
      .addNode(node, groupedTableProcessor(storeName, aggregation, remove, flags), [parent])
      .addStateStore(
        tableStore(graph, { name: storeName, keySerde, valueSerde }, materialized),
        node,
      )
    return this.#parts.newTable<A>({
      graph,
      node,
      keySerde,
      valueSerde,
      view: () => storeView(storeName),
      enableOldValues: () => {
        flags.sendOldValues = true
        return true
      },
      graceMs: undefined,
      storeName: materialized.storeName,
    })
  }

  /** A named group shares its topic between its aggregations. */
  #repartition(sink: string, source: string, storeName: string): string {
    const { graph, node, name } = this.#parts
    if (this.#repartitioned !== undefined && name !== undefined) return this.#repartitioned
    const topic = `${name ?? storeName}-repartition`
    const keySerde = this.#parts.keySerde as Serde<unknown> | undefined
    const valueSerde = changeSerde(this.#parts.valueSerde) as unknown as Serde<unknown>
    graph.topology
      .addInternalTopic({ name: topic, partitions: undefined })
      .addSink({ name: sink, parents: [node], topic, keySerde, valueSerde })
      .addSource({ name: source, topics: [topic], keySerde, valueSerde })
    this.#repartitioned = source
    return source
  }
}
