import { topologyError } from '../errors.ts'
import { type Aggregation, aggregateProcessor, type TableFlags } from '../processors/aggregate.ts'
import { passProcessor } from '../processors/stateless.ts'
import { storeView } from '../processors/table.ts'
import type { Serde } from '../serdes/serde.ts'
import type { StoreSpec } from '../state/state-store.ts'
import type { ProcessorSupplier } from '../topology/processor-node.ts'
import { SessionWindows, type SlidingWindows, type TimeWindows, type Windowed } from '../windows.ts'
import type { Graph } from './graph.ts'
import { aggregating, type GroupBuilder } from './group-builder.ts'
import type { KGroupedStream } from './kgrouped-stream.ts'
import { KTable, type TableParts } from './ktable.ts'
import type { Materialized } from './options.ts'
import type {
  BothAsked,
  BothGiven,
  BothKnown,
  Cogrouped,
  Options,
  SerdesState,
} from './serdes-state.ts'
import { tableStore } from './table-store.ts'
import { sessionWindowing, timeWindowing, type Windowing } from './windowing.ts'

interface Member<K, A> {
  readonly group: GroupBuilder<K, unknown>
  readonly aggregator: (key: K, value: unknown, aggregate: A) => A
}

/** What the streams of a cogroup have in common. */
interface Members<K, A> {
  readonly graph: Graph
  readonly list: readonly Member<K, A>[]
}

const prefix = 'COGROUPKSTREAM-AGGREGATE-'

/** Streams with one kind of key, each with an aggregator, that fill one table together. */
export class CogroupedKStream<K, A, out S extends SerdesState = SerdesState> {
  readonly #members: Members<K, A>

  /** @internal Comes from {@link KGroupedStream.cogroup}. */
  constructor(graph: Graph, list: readonly Member<K, A>[] = []) {
    this.#members = { graph, list }
  }

  /**
   * Adds a stream with its aggregator.
   *
   * @example
   * cogrouped.cogroup(payments.groupByKey(), (_id, payment, sum) => sum - payment.amount)
   */
  cogroup<V, SO extends SerdesState = SerdesState>(
    grouped: KGroupedStream<K, V, SO>,
    aggregator: (key: K, value: V, aggregate: A) => A,
  ): CogroupedKStream<K, A, Cogrouped<S, SO>> {
    const { graph, list } = this.#members
    const member = { group: grouped.group, aggregator } as unknown as Member<K, A>
    return new CogroupedKStream<K, A, Cogrouped<S, SO>>(graph, [...list, member])
  }

  /**
   * Aggregates the values of all streams; a key's aggregate begins as `initializer()`.
   *
   * @example
   * cogrouped.aggregate(() => 0, { storeName: 'balances', valueSerde: serdes.double })
   */
  aggregate(this: BothKnown<S>, initializer: () => A): KTable<K, A, BothGiven<S>>
  aggregate<O extends keyof Materialized<K, A>>(
    initializer: () => A,
    materialized: Options<O, Materialized<K, A>> & BothAsked<S, K, A, O>,
  ): KTable<K, A, BothGiven<S>>
  aggregate(initializer: () => A, materialized: Materialized<K, A> = {}): KTable<K, A> {
    const { graph } = this.#members
    const { keySerde, valueSerde, storeName } = materialized
    const built = build(this.#members, initializer, materialized, {
      storeOf: (name) =>
        tableStore(
          graph,
          { name, keySerde: keySerde ?? keySerdeOf(this.#members), valueSerde },
          materialized,
        ),
      workOf: aggregateProcessor,
    })
    return new KTable<K, A>({
      graph,
      ...built,
      view: () => storeView(built.builtStoreName),
      keySerde: keySerde ?? keySerdeOf(this.#members),
      valueSerde,
      graceMs: undefined,
      storeName,
    })
  }

  /**
   * The same by windows of time, or by sessions.
   *
   * @example
   * cogrouped.windowedBy(TimeWindows.ofSizeWithNoGrace(hours(1))).aggregate(() => 0)
   */
  windowedBy(windows: TimeWindows | SlidingWindows): TimeWindowedCogroupedKStream<K, A, S>
  windowedBy(windows: SessionWindows): SessionWindowedCogroupedKStream<K, A, S>
  windowedBy(
    windows: TimeWindows | SlidingWindows | SessionWindows,
  ): TimeWindowedCogroupedKStream<K, A, S> | SessionWindowedCogroupedKStream<K, A, S> {
    return windows instanceof SessionWindows
      ? new SessionWindowedCogroupedKStream(this.#members, windows)
      : new TimeWindowedCogroupedKStream(this.#members, windows)
  }
}

/** Cogrouped streams by windows of time. */
export class TimeWindowedCogroupedKStream<K, A, out S extends SerdesState = SerdesState> {
  readonly #members: Members<K, A>
  readonly #windows: TimeWindows | SlidingWindows

  /** @internal Comes from {@link CogroupedKStream.windowedBy}. */
  constructor(members: Members<K, A>, windows: TimeWindows | SlidingWindows) {
    this.#members = members
    this.#windows = windows
  }

  /** Aggregates the values of all streams by window. */
  aggregate(this: BothKnown<S>, initializer: () => A): KTable<Windowed<K>, A, BothGiven<S>>
  aggregate<O extends keyof Materialized<K, A>>(
    initializer: () => A,
    materialized: Options<O, Materialized<K, A>> & BothAsked<S, K, A, O>,
  ): KTable<Windowed<K>, A, BothGiven<S>>
  aggregate(initializer: () => A, materialized: Materialized<K, A> = {}): KTable<Windowed<K>, A> {
    const windowing = timeWindowing(this.#windows, 'on-window-update')
    return windowedTable(this.#members, initializer, materialized, windowing)
  }
}

/** Cogrouped streams by session. */
export class SessionWindowedCogroupedKStream<K, A, out S extends SerdesState = SerdesState> {
  readonly #members: Members<K, A>
  readonly #windows: SessionWindows

  /** @internal Comes from {@link CogroupedKStream.windowedBy}. */
  constructor(members: Members<K, A>, windows: SessionWindows) {
    this.#members = members
    this.#windows = windows
  }

  /** Aggregates the values of all streams by session; `merger` makes one of two sessions' aggregates. */
  aggregate(
    this: BothKnown<S>,
    initializer: () => A,
    merger: (key: K, one: A, other: A) => A,
  ): KTable<Windowed<K>, A, BothGiven<S>>
  aggregate<O extends keyof Materialized<K, A>>(
    initializer: () => A,
    merger: (key: K, one: A, other: A) => A,
    materialized: Options<O, Materialized<K, A>> & BothAsked<S, K, A, O>,
  ): KTable<Windowed<K>, A, BothGiven<S>>
  aggregate(
    initializer: () => A,
    merger: (key: K, one: A, other: A) => A,
    materialized: Materialized<K, A> = {},
  ): KTable<Windowed<K>, A> {
    const windowing = sessionWindowing(this.#windows, 'on-window-update', (key, one, other) =>
      merger(key as K, one as A, other as A),
    )
    return windowedTable(this.#members, initializer, materialized, windowing)
  }
}

function windowedTable<K, A>(
  members: Members<K, A>,
  initializer: () => A,
  given: Materialized<K, A>,
  windowing: Windowing,
): KTable<Windowed<K>, A> {
  const { graph } = members
  const keySerde = given.keySerde ?? keySerdeOf(members)
  const materialized = { ...given, keySerde }
  const built = build(members, initializer, materialized, {
    storeOf: (storeName) => windowing.storeOf(graph, storeName, materialized),
    workOf: (storeName, aggregation, flags) => windowing.workOf(storeName, aggregation, flags),
  })
  return new KTable<Windowed<K>, A>({
    graph,
    ...built,
    view: () => windowing.viewOf(built.builtStoreName),
    keySerde: keySerde && windowing.windowedSerde(keySerde),
    valueSerde: materialized.valueSerde,
    graceMs: windowing.graceMs,
    storeName: materialized.storeName,
  })
}

interface BuildPorts {
  readonly storeOf: (storeName: string) => StoreSpec
  readonly workOf: (
    storeName: string,
    aggregation: Aggregation,
    flags: TableFlags,
  ) => ProcessorSupplier
}

function build<K, A>(
  { graph, list }: Members<K, A>,
  initializer: () => A,
  materialized: Materialized<K, A>,
  { storeOf, workOf }: BuildPorts,
): Pick<TableParts<K, A>, 'node' | 'enableOldValues'> & { readonly builtStoreName: string } {
  if (new Set(list.map(({ group }) => group)).size < list.length)
    throw topologyError('a cogroup has the same grouped stream twice')
  const { name } = materialized
  const builtStoreName = materialized.storeName ?? graph.newStoreName(prefix)
  const flags: TableFlags = { sendOldValues: false }
  const parents = list.map(({ group }) => group.repartitioned(builtStoreName))
  graph.topology.copartition(parents)
  const nodes = list.map(({ aggregator }, index) => {
    const node = graph.suffixed(name, `-cogroup-agg-${index}`, prefix)
    const aggregation = aggregating(initializer, aggregator)
    graph.topology.addNode(node, workOf(builtStoreName, aggregation, flags), [parents[index]!])
    return node
  })
  graph.topology.addStateStore(storeOf(builtStoreName), ...nodes)
  const node = graph.suffixed(name, '-cogroup-merge', 'COGROUPKSTREAM-MERGE-')
  graph.topology.addNode(node, passProcessor, nodes)
  const enableOldValues = (): boolean => {
    flags.sendOldValues = true
    return true
  }
  return { node, enableOldValues, builtStoreName }
}

const keySerdeOf = <K, A>({ list }: Members<K, A>): Serde<K> | undefined =>
  list.find(({ group }) => group.parts.keySerde)?.group.parts.keySerde
