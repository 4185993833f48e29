import { topologyError } from '../errors.ts'
import {
  type Aggregation,
  aggregateProcessor,
  type TableFlags,
  windowAggregateProcessor,
} from '../processors/aggregate.ts'
import type { Serde } from '../serdes/serde.ts'
import { longSerde } from '../serdes/serde.ts'
import { timeWindowedSerde } from '../serdes/windowed.ts'
import { keyValueStore } from '../state/key-value-store.ts'
import type { StoreSpec } from '../state/state-store.ts'
import { windowStore } from '../state/window-store.ts'
import type { ProcessorSupplier } from '../topology/processor-node.ts'
import type { TimeWindows, Windowed } from '../windows.ts'
import { addRepartition, type Upstream } from './graph.ts'
import { isPersistent, KTable } from './ktable.ts'
import type { Materialized } from './options.ts'

/** @internal */
export interface GroupParts<K, V> extends Upstream<K, V> {
  readonly rekeyed: boolean
  readonly name: string | undefined
}

const counting: Aggregation = {
  initial: () => 0,
  add: (_key, _value, count) => (count as number) + 1,
}

const reducing = (reducer: (a: unknown, b: unknown) => unknown): Aggregation => ({
  initial: () => null,
  add: (_key, value, reduced) => (reduced === null ? value : reducer(reduced, value)),
})

/** What an aggregation adds to the topology. */
interface AggregatePlan<K, A> {
  readonly prefix: string
  readonly materialized: Materialized<K, A>
  readonly storeOf: (storeName: string) => StoreSpec
  readonly workOf: (storeName: string, flags: TableFlags) => ProcessorSupplier
}

/** Builds aggregations; a named group shares its repartition topic between them. */
class GroupBuilder<K, V> {
  readonly parts: GroupParts<K, V>
  #repartitioned: string | undefined

  constructor(parts: GroupParts<K, V>) {
    this.parts = parts
  }

  build<A>(plan: AggregatePlan<K, A>): { node: string; flags: TableFlags } {
    const { graph, rekeyed, name: groupName } = this.parts
    const storeName = plan.materialized.storeName ?? graph.newStoreName(plan.prefix)
    const node = graph.name(plan.materialized.name, plan.prefix)
    const flags: TableFlags = { sendOldValues: false }
    const parent = rekeyed ? this.#repartition(groupName ?? storeName) : this.parts.node
    graph.topology
      .addProcessor(node, plan.workOf(storeName, flags), [parent])
      .addStore(plan.storeOf(storeName), node)
    return { node, flags }
  }

  #repartition(prefix: string): string {
    const { graph, name } = this.parts
    if (this.#repartitioned !== undefined && name !== undefined) {
      // The numbers of the names that are not needed are used up all the same, as in Java.
      for (let count = 0; count < 3; count++) graph.newName('')
      return this.#repartitioned
    }
    this.#repartitioned = addRepartition({ ...this.parts, prefix })
    return this.#repartitioned
  }
}

/** Records by key, ready to be counted, reduced or aggregated. */
export class KGroupedStream<K, V> {
  readonly #builder: GroupBuilder<K, V>

  /** @internal Comes from `groupBy` and `groupByKey`. */
  constructor(parts: GroupParts<K, V>) {
    this.#builder = new GroupBuilder(parts)
  }

  /** How many records each key has had. */
  count(materialized: Materialized<K, number> = {}): KTable<K, number> {
    return this.#table('KSTREAM-AGGREGATE-', counting, { valueSerde: longSerde, ...materialized })
  }

  /** Combines the values of each key, two at a time, beginning with its first. */
  reduce(reducer: (a: V, b: V) => V, materialized: Materialized<K, V> = {}): KTable<K, V> {
    return this.#table(
      'KSTREAM-REDUCE-',
      reducing(reducer as (a: unknown, b: unknown) => unknown),
      { ...materialized, valueSerde: materialized.valueSerde ?? this.#builder.parts.valueSerde },
    )
  }

  /**
   * Adds each value to its key's aggregate, which begins as `initializer()`. The aggregator gives a
   * new value and leaves the one that it got as it is; null deletes the key.
   */
  aggregate<A>(
    initializer: () => A,
    aggregator: (key: K, value: V, aggregate: A) => A,
    materialized: Materialized<K, A> = {},
  ): KTable<K, A> {
    const add = aggregator as (key: unknown, value: unknown, aggregate: unknown) => unknown
    return this.#table('KSTREAM-AGGREGATE-', { initial: initializer, add }, materialized)
  }

  /** The same by windows of time. */
  windowedBy(windows: TimeWindows): TimeWindowedKStream<K, V> {
    return new TimeWindowedKStream<K, V>(this.#builder.parts, windows)
  }

  #table<A>(
    prefix: string,
    aggregation: Aggregation,
    materialized: Materialized<K, A>,
  ): KTable<K, A> {
    const { parts } = this.#builder
    const { graph } = parts
    const { valueSerde } = materialized
    const keySerde = materialized.keySerde ?? parts.keySerde
    const { node, flags } = this.#builder.build({
      prefix,
      materialized,
      storeOf: (name) =>
        keyValueStore({
          name,
          keySerde,
          valueSerde,
          persistent: isPersistent(graph, materialized),
          logging: materialized.logging,
        }),
      workOf: (storeName, tableFlags) => aggregateProcessor(storeName, aggregation, tableFlags),
    })
    return new KTable<K, A>({
      graph,
      node,
      keySerde,
      valueSerde,
      enableOldValues: () => {
        flags.sendOldValues = true
        return true
      },
      graceMs: undefined,
      storeName: materialized.storeName,
    })
  }
}

/** Records by key and window, ready to be counted, reduced or aggregated. */
export class TimeWindowedKStream<K, V> {
  readonly #builder: GroupBuilder<K, V>
  readonly #windows: TimeWindows

  /** @internal Comes from `windowedBy`. */
  constructor(parts: GroupParts<K, V>, windows: TimeWindows) {
    this.#builder = new GroupBuilder(parts)
    this.#windows = windows
  }

  /** How many records each key has had in each window. */
  count(materialized: Materialized<K, number> = {}): KTable<Windowed<K>, number> {
    return this.#table('KSTREAM-AGGREGATE-', counting, { valueSerde: longSerde, ...materialized })
  }

  /** Combines the values of each key and window, two at a time, beginning with the first. */
  reduce(
    reducer: (a: V, b: V) => V,
    materialized: Materialized<K, V> = {},
  ): KTable<Windowed<K>, V> {
    return this.#table(
      'KSTREAM-REDUCE-',
      reducing(reducer as (a: unknown, b: unknown) => unknown),
      { ...materialized, valueSerde: materialized.valueSerde ?? this.#builder.parts.valueSerde },
    )
  }

  /**
   * Adds each value to the aggregate of its key and window, which begins as `initializer()`. The
   * aggregator gives a new value and leaves the one that it got as it is; null deletes it.
   */
  aggregate<A>(
    initializer: () => A,
    aggregator: (key: K, value: V, aggregate: A) => A,
    materialized: Materialized<K, A> = {},
  ): KTable<Windowed<K>, A> {
    const add = aggregator as (key: unknown, value: unknown, aggregate: unknown) => unknown
    return this.#table('KSTREAM-AGGREGATE-', { initial: initializer, add }, materialized)
  }

  #table<A>(
    prefix: string,
    aggregation: Aggregation,
    materialized: Materialized<K, A>,
  ): KTable<Windowed<K>, A> {
    const { parts } = this.#builder
    const { graph } = parts
    const { sizeMs, graceMs } = this.#windows
    const { valueSerde } = materialized
    const keySerde: Serde<K> | undefined = materialized.keySerde ?? parts.keySerde
    const retentionMs = materialized.retentionMs ?? sizeMs + graceMs
    if (retentionMs < sizeMs + graceMs)
      throw topologyError(
        `retentionMs of ${retentionMs} ms is shorter than the windows and their grace, ${sizeMs + graceMs} ms`,
      )
    const { node, flags } = this.#builder.build({
      prefix,
      materialized,
      storeOf: (name) =>
        windowStore({
          name,
          windowSizeMs: sizeMs,
          retentionMs,
          keySerde,
          valueSerde,
          persistent: isPersistent(graph, materialized),
          logging: materialized.logging,
        }),
      workOf: (storeName, tableFlags) =>
        windowAggregateProcessor(storeName, this.#windows, aggregation, tableFlags),
    })
    return new KTable<Windowed<K>, A>({
      graph,
      node,
      keySerde: keySerde && timeWindowedSerde(keySerde, sizeMs),
      valueSerde,
      enableOldValues: () => {
        flags.sendOldValues = true
        return true
      },
      graceMs,
      storeName: materialized.storeName,
    })
  }
}
