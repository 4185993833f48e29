import type { Aggregation } from '../processors/aggregate.ts'
import { longSerde } from '../serdes/serde.ts'
import {
  type EmitStrategy,
  type SessionWindows,
  SlidingWindows,
  type TimeWindows,
  type Windowed,
} from '../windows.ts'
import { aggregating, counting, countKept, type GroupBuilder, reducing } from './group-builder.ts'
import { KTable } from './ktable.ts'
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
import { sessionWindowing, timeWindowing, type Windowing } from './windowing.ts'

/** Records by key and window, ready to be counted, reduced or aggregated. */
export class TimeWindowedKStream<K, V, out S extends SerdesState = SerdesState> {
  readonly #builder: GroupBuilder<K, V>
  readonly #windows: TimeWindows | SlidingWindows
  readonly #emit: EmitStrategy

  /** @internal Comes from `windowedBy`. */
  constructor(
    builder: GroupBuilder<K, V>,
    windows: TimeWindows | SlidingWindows,
    emit: EmitStrategy,
  ) {
    this.#builder = builder
    this.#windows = windows
    this.#emit = emit
  }

  /**
   * Says when results are given: with each record, or once, when a window closes.
   *
   * @example
   * windowed.emitStrategy(EmitStrategy.onWindowClose()).count()
   */
  emitStrategy(strategy: EmitStrategy): TimeWindowedKStream<K, V, S> {
    return new TimeWindowedKStream(this.#builder, this.#windows, strategy)
  }

  /**
   * How many records each key has had in each window.
   *
   * @example
   * frames.groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(minutes(5))).count()
   */
  count(this: KeyKnown<S>): KTable<Windowed<K>, number, BothGiven<S>>
  count<O extends keyof Materialized<K, number>>(
    materialized: Options<O, Materialized<K, number>> & KeyAsked<S, K, O>,
  ): KTable<Windowed<K>, number, BothGiven<S>>
  count(materialized: Materialized<K, number> = {}): KTable<Windowed<K>, number> {
    const kept =
      this.#windows instanceof SlidingWindows
        ? { valueSerde: longSerde, ...materialized }
        : countKept(this.#builder.parts.graph, materialized)
    return this.#table('KSTREAM-AGGREGATE-', counting, kept)
  }

  /**
   * Combines the values of each key and window, two at a time, beginning with the first.
   *
   * @example
   * windowed.reduce((highest, value) => Math.max(highest, value))
   */
  reduce(this: BothKnown<S>, reducer: (a: V, b: V) => V): KTable<Windowed<K>, V, BothGiven<S>>
  reduce<O extends keyof Materialized<K, V>>(
    reducer: (a: V, b: V) => V,
    materialized: Options<O, Materialized<K, V>> & BothAsked<S, K, V, O>,
  ): KTable<Windowed<K>, V, BothGiven<S>>
  reduce(
    reducer: (a: V, b: V) => V,
    materialized: Materialized<K, V> = {},
  ): KTable<Windowed<K>, V> {
    return this.#table('KSTREAM-REDUCE-', reducing(reducer), {
      ...materialized,
      valueSerde: materialized.valueSerde ?? this.#builder.parts.valueSerde,
    })
  }

  /**
   * Adds each value to the aggregate of its key and window, which begins as `initializer()`. The
   * aggregator gives a new value and leaves the one that it got as it is; null deletes it.
   *
   * @example
   * windowed.aggregate(() => 0, (_key, frame, sum) => sum + frame.celsius, { valueSerde: serdes.double })
   */
  aggregate<A>(
    this: BothKnown<OtherValues<S>>,
    initializer: () => A,
    aggregator: (key: K, value: V, aggregate: A) => A,
  ): KTable<Windowed<K>, A, BothGiven<S>>
  aggregate<A, O extends keyof Materialized<K, A> = never>(
    initializer: () => A,
    aggregator: (key: K, value: V, aggregate: A) => A,
    materialized: Options<O, Materialized<K, A>> & BothAsked<OtherValues<S>, K, A, O>,
  ): KTable<Windowed<K>, A, BothGiven<S>>
  aggregate<A>(
    initializer: () => A,
    aggregator: (key: K, value: V, aggregate: A) => A,
    materialized: Materialized<K, A> = {},
  ): KTable<Windowed<K>, A> {
    return this.#table('KSTREAM-AGGREGATE-', aggregating(initializer, aggregator), materialized)
  }

  #table<A>(
    prefix: string,
    aggregation: Aggregation,
    materialized: Materialized<K, A>,
  ): KTable<Windowed<K>, A> {
    const windowing = timeWindowing(this.#windows, this.#emit)
    return windowedTable({ builder: this.#builder, prefix, aggregation, materialized, windowing })
  }
}

/** Records by key and session, ready to be counted, reduced or aggregated. */
export class SessionWindowedKStream<K, V, out S extends SerdesState = SerdesState> {
  readonly #builder: GroupBuilder<K, V>
  readonly #windows: SessionWindows
  readonly #emit: EmitStrategy

  /** @internal Comes from `windowedBy`. */
  constructor(builder: GroupBuilder<K, V>, windows: SessionWindows, emit: EmitStrategy) {
    this.#builder = builder
    this.#windows = windows
    this.#emit = emit
  }

  /**
   * Says when results are given: with each record, or once, when a session closes.
   *
   * @example
   * sessions.emitStrategy(EmitStrategy.onWindowClose()).count()
   */
  emitStrategy(strategy: EmitStrategy): SessionWindowedKStream<K, V, S> {
    return new SessionWindowedKStream(this.#builder, this.#windows, strategy)
  }

  /**
   * How many records each session has.
   *
   * @example
   * clicks.groupByKey().windowedBy(SessionWindows.ofInactivityGapWithNoGrace(minutes(30))).count()
   */
  count(this: KeyKnown<S>): KTable<Windowed<K>, number, BothGiven<S>>
  count<O extends keyof Materialized<K, number>>(
    materialized: Options<O, Materialized<K, number>> & KeyAsked<S, K, O>,
  ): KTable<Windowed<K>, number, BothGiven<S>>
  count(materialized: Materialized<K, number> = {}): KTable<Windowed<K>, number> {
    return this.#table(
      'KSTREAM-AGGREGATE-',
      counting,
      countKept(this.#builder.parts.graph, materialized),
      (_key, one, other) => (one as number) + (other as number),
    )
  }

  /**
   * Combines the values of each session, two at a time.
   *
   * @example
   * sessions.reduce((path, page) => `${path}/${page}`)
   */
  reduce(this: BothKnown<S>, reducer: (a: V, b: V) => V): KTable<Windowed<K>, V, BothGiven<S>>
  reduce<O extends keyof Materialized<K, V>>(
    reducer: (a: V, b: V) => V,
    materialized: Options<O, Materialized<K, V>> & BothAsked<S, K, V, O>,
  ): KTable<Windowed<K>, V, BothGiven<S>>
  reduce(
    reducer: (a: V, b: V) => V,
    materialized: Materialized<K, V> = {},
  ): KTable<Windowed<K>, V> {
    const reduction = reducing(reducer)
    const valueSerde = materialized.valueSerde ?? this.#builder.parts.valueSerde
    return this.#table(
      'KSTREAM-REDUCE-',
      reduction,
      { ...materialized, valueSerde },
      (key, one, other) => reduction.add(key, other, one),
    )
  }

  /**
   * Adds each value to its session's aggregate, which begins as `initializer()`; `merger` makes one
   * of the aggregates of two sessions that a record has joined.
   *
   * @example
   * sessions.aggregate(
   *   () => '',
   *   (_key, page, path) => `${path}/${page}`,
   *   (_key, one, other) => one + other,
   *   { valueSerde: serdes.string },
   * )
   */
  aggregate<A>(
    this: BothKnown<OtherValues<S>>,
    initializer: () => A,
    aggregator: (key: K, value: V, aggregate: A) => A,
    merger: (key: K, one: A, other: A) => A,
  ): KTable<Windowed<K>, A, BothGiven<S>>
  aggregate<A, O extends keyof Materialized<K, A> = never>(
    initializer: () => A,
    aggregator: (key: K, value: V, aggregate: A) => A,
    merger: (key: K, one: A, other: A) => A,
    materialized: Options<O, Materialized<K, A>> & BothAsked<OtherValues<S>, K, A, O>,
  ): KTable<Windowed<K>, A, BothGiven<S>>
  aggregate<A>(
    initializer: () => A,
    aggregator: (key: K, value: V, aggregate: A) => A,
    merger: (key: K, one: A, other: A) => A,
    materialized: Materialized<K, A> = {},
  ): KTable<Windowed<K>, A> {
    return this.#table(
      'KSTREAM-AGGREGATE-',
      aggregating(initializer, aggregator),
      materialized,
      (key, one, other) => merger(key as K, one as A, other as A),
    )
  }

  #table<A>(
    prefix: string,
    aggregation: Aggregation,
    materialized: Materialized<K, A>,
    merge: (key: unknown, one: unknown, other: unknown) => unknown,
  ): KTable<Windowed<K>, A> {
    const windowing = sessionWindowing(this.#windows, this.#emit, merge)
    return windowedTable({ builder: this.#builder, prefix, aggregation, materialized, windowing })
  }
}

interface WindowedTablePlan<K, V, A> {
  readonly builder: GroupBuilder<K, V>
  readonly prefix: string
  readonly aggregation: Aggregation
  readonly materialized: Materialized<K, A>
  readonly windowing: Windowing
}

function windowedTable<K, V, A>(plan: WindowedTablePlan<K, V, A>): KTable<Windowed<K>, A> {
  const { builder, prefix, aggregation, windowing } = plan
  const { graph } = builder.parts
  const keySerde = plan.materialized.keySerde ?? builder.parts.keySerde
  const materialized = { ...plan.materialized, keySerde }
  const aggregated = builder.build({
    prefix,
    materialized,
    storeOf: (storeName) => windowing.storeOf(graph, storeName, materialized),
    viewOf: (storeName) => windowing.viewOf(storeName),
    workOf: (storeName, flags) => windowing.workOf(storeName, aggregation, flags),
  })
  return new KTable<Windowed<K>, A>({
    graph,
    ...aggregated,
    keySerde: keySerde && windowing.windowedSerde(keySerde),
    valueSerde: materialized.valueSerde,
    graceMs: windowing.graceMs,
    storeName: materialized.storeName,
  })
}
