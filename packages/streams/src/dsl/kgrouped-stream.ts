import type { Aggregation } from '../processors/aggregate.ts'
import { aggregateProcessor } from '../processors/aggregate.ts'
import { storeView } from '../processors/table.ts'
import { SessionWindows, type SlidingWindows, type TimeWindows } from '../windows.ts'
import { CogroupedKStream } from './cogrouped-kstream.ts'
import {
  aggregating,
  counting,
  countKept,
  GroupBuilder,
  type GroupParts,
  reducing,
} from './group-builder.ts'
import { KTable } from './ktable.ts'
import type { Materialized } from './options.ts'
import type {
  BothAsked,
  BothGiven,
  BothKnown,
  Cogrouped,
  Forgotten,
  KeyAsked,
  KeyKnown,
  Options,
  OtherValues,
  SerdesAre,
  SerdesState,
} from './serdes-state.ts'
import { tableStore } from './table-store.ts'
import { SessionWindowedKStream, TimeWindowedKStream } from './windowed-kstream.ts'

/** What is known in a cogroup before its first stream. */
type NoKeySerde<S extends SerdesState> = SerdesAre<'missing', Forgotten[S['value']]>

/** Records by key, ready to be counted, reduced or aggregated. */
export class KGroupedStream<K, V, out S extends SerdesState = SerdesState> {
  readonly #builder: GroupBuilder<K, V>

  /** @internal Comes from `groupBy` and `groupByKey`. */
  constructor(parts: GroupParts<K, V>) {
    this.#builder = new GroupBuilder(parts)
  }

  /**
   * How many records each key has had.
   *
   * @example
   * stream.groupByKey().count({ storeName: 'frames-per-sensor' })
   */
  count(this: KeyKnown<S>): KTable<K, number, BothGiven<S>>
  count<O extends keyof Materialized<K, number>>(
    materialized: Options<O, Materialized<K, number>> & KeyAsked<S, K, O>,
  ): KTable<K, number, BothGiven<S>>
  count(materialized: Materialized<K, number> = {}): KTable<K, number> {
    const kept = countKept(this.#builder.parts.graph, materialized)
    return this.#table('KSTREAM-AGGREGATE-', counting, kept)
  }

  /**
   * Combines the values of each key, two at a time, beginning with its first.
   *
   * @example
   * stream.groupByKey().reduce((highest, value) => Math.max(highest, value))
   */
  reduce(this: BothKnown<S>, reducer: (a: V, b: V) => V): KTable<K, V, BothGiven<S>>
  reduce<O extends keyof Materialized<K, V>>(
    reducer: (a: V, b: V) => V,
    materialized: Options<O, Materialized<K, V>> & BothAsked<S, K, V, O>,
  ): KTable<K, V, BothGiven<S>>
  reduce(reducer: (a: V, b: V) => V, materialized: Materialized<K, V> = {}): KTable<K, V> {
    return this.#table('KSTREAM-REDUCE-', reducing(reducer), {
      ...materialized,
      valueSerde: materialized.valueSerde ?? this.#builder.parts.valueSerde,
    })
  }

  /**
   * Adds each value to its key's aggregate, which begins as `initializer()`. The aggregator gives a
   * new value and leaves the one that it got as it is; null deletes the key.
   *
   * @example
   * stream.groupByKey().aggregate(
   *   () => ({ count: 0, sum: 0 }),
   *   (_key, celsius, { count, sum }) => ({ count: count + 1, sum: sum + celsius }),
   *   { valueSerde: serdes.json<{ count: number; sum: number }>() },
   * )
   */
  aggregate<A>(
    this: BothKnown<OtherValues<S>>,
    initializer: () => A,
    aggregator: (key: K, value: V, aggregate: A) => A,
  ): KTable<K, A, BothGiven<S>>
  aggregate<A, O extends keyof Materialized<K, A> = never>(
    initializer: () => A,
    aggregator: (key: K, value: V, aggregate: A) => A,
    materialized: Options<O, Materialized<K, A>> & BothAsked<OtherValues<S>, K, A, O>,
  ): KTable<K, A, BothGiven<S>>
  aggregate<A>(
    initializer: () => A,
    aggregator: (key: K, value: V, aggregate: A) => A,
    materialized: Materialized<K, A> = {},
  ): KTable<K, A> {
    return this.#table('KSTREAM-AGGREGATE-', aggregating(initializer, aggregator), materialized)
  }

  /**
   * The same by windows of time, or by sessions.
   *
   * @example
   * stream.groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(minutes(5))).count()
   */
  windowedBy(windows: TimeWindows | SlidingWindows): TimeWindowedKStream<K, V, S>
  windowedBy(windows: SessionWindows): SessionWindowedKStream<K, V, S>
  windowedBy(
    windows: TimeWindows | SlidingWindows | SessionWindows,
  ): TimeWindowedKStream<K, V, S> | SessionWindowedKStream<K, V, S> {
    return windows instanceof SessionWindows
      ? new SessionWindowedKStream<K, V, S>(this.#builder, windows, 'on-window-update')
      : new TimeWindowedKStream<K, V, S>(this.#builder, windows, 'on-window-update')
  }

  /**
   * Aggregates this stream together with others, each by an aggregator of its own.
   *
   * @example
   * orders.groupByKey().cogroup<Customer>((_id, order, customer) => customer.with(order))
   *   .cogroup(payments.groupByKey(), (_id, payment, customer) => customer.paid(payment))
   *   .aggregate(() => new Customer())
   */
  cogroup<A>(
    aggregator: (key: K, value: V, aggregate: A) => A,
  ): CogroupedKStream<K, A, Cogrouped<NoKeySerde<S>, S>> {
    const { graph } = this.#builder.parts
    return new CogroupedKStream<K, A, NoKeySerde<S>>(graph).cogroup(this, aggregator)
  }

  /** @internal What a cogroup needs of it. */
  get group(): GroupBuilder<K, V> {
    return this.#builder
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
    const aggregated = this.#builder.build({
      prefix,
      materialized,
      storeOf: (name) => tableStore(graph, { name, keySerde, valueSerde }, materialized),
      viewOf: storeView,
      workOf: (storeName, flags) => aggregateProcessor(storeName, aggregation, flags),
    })
    return new KTable<K, A>({
      graph,
      ...aggregated,
      keySerde,
      valueSerde,
      graceMs: undefined,
      storeName: materialized.storeName,
    })
  }
}
