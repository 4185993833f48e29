import { topologyError } from '../errors.ts'
import { repartitionMapProcessor } from '../processors/grouped-table.ts'
import { selectKeyProcessor, toStreamProcessor } from '../processors/stateless.ts'
import { suppressedView, suppressProcessor } from '../processors/suppress.ts'
import {
  computedView,
  storeView,
  type TableState,
  type TableView,
  tableValuesProcessor,
} from '../processors/table.ts'
import {
  joinView,
  type TableJoinKind,
  tableJoinProcessor,
  tableMergeProcessor,
} from '../processors/table-join.ts'
import type { Serde } from '../serdes/serde.ts'
import { suppressBuffer } from '../state/suppress-buffer.ts'
import type { Upstream } from './graph.ts'
import { KGroupedTable } from './kgrouped-table.ts'
import type { KeyValue, KStream } from './kstream.ts'
import {
  type Grouped,
  type Materialized,
  type Named,
  type Suppression,
  saysHow,
} from './options.ts'
import type {
  AskedIfKept,
  AskedIfNamed,
  BothAsked,
  BothGiven,
  BothKnown,
  BothLearned,
  Options,
  OtherKeys,
  OtherRecords,
  OtherValues,
  SerdesAre,
  SerdesState,
} from './serdes-state.ts'
import { tableStore } from './table-store.ts'

/** @internal */
export interface TableParts<K, V> extends Upstream<K, V> {
  /** How to look up what the table has; may add a store for it. */
  readonly view: () => TableView
  /** Asks for old values beside new ones; `force` may add a store for it. Says whether they come. */
  readonly enableOldValues: (force: boolean) => boolean
  /** The grace of the windows that the keys are of. */
  readonly graceMs: number | undefined
  readonly storeName: string | undefined
}

type Joiner = (left: unknown, right: unknown, key: unknown) => unknown

/** @internal What a table is built on, for streams that are joined with it. */
export let tableParts: <K, V>(table: KTable<K, V>) => TableParts<K, V>

/** The newest value of each key, and its changes. Null values are deletions and reach no function. @typeParam S as of a `KStream` */
export class KTable<K, V, out S extends SerdesState = SerdesState> {
  static {
    tableParts = (table) => table.#parts
  }

  readonly #parts: TableParts<K, V>
  /** The name by which the table's store can be asked, where it has one. */
  readonly queryableStoreName: string | undefined

  /** @internal Tables come from a `StreamsBuilder`, from streams and from other tables. */
  constructor(parts: TableParts<K, V>) {
    this.#parts = parts
    this.queryableStoreName = parts.storeName
  }

  /**
   * Keeps the keys whose value fulfils `predicate`; others count as deleted.
   *
   * @example
   * sensors.filter((_id, sensor) => sensor.isActive)
   */
  filter(predicate: (key: K, value: V) => boolean): KTable<K, V, S>
  filter<O extends keyof Materialized<K, V>>(
    predicate: (key: K, value: V) => boolean,
    materialized: Options<O, Materialized<K, V>> & AskedIfNamed<S, K, V, O>,
  ): KTable<K, V, BothLearned<S, O>>
  filter(
    predicate: (key: K, value: V) => boolean,
    materialized: Materialized<K, V> = {},
  ): KTable<K, V> {
    return this.#filter(predicate, materialized)
  }

  /**
   * Keeps the keys whose value does not fulfil `predicate`; others count as deleted.
   *
   * @example
   * sensors.filterNot((_id, sensor) => sensor.isBroken)
   */
  filterNot(predicate: (key: K, value: V) => boolean): KTable<K, V, S>
  filterNot<O extends keyof Materialized<K, V>>(
    predicate: (key: K, value: V) => boolean,
    materialized: Options<O, Materialized<K, V>> & AskedIfNamed<S, K, V, O>,
  ): KTable<K, V, BothLearned<S, O>>
  filterNot(
    predicate: (key: K, value: V) => boolean,
    materialized: Materialized<K, V> = {},
  ): KTable<K, V> {
    return this.#filter((key, value) => !predicate(key, value), materialized)
  }

  /**
   * Gives each key another value, made of the one it has; null deletes the key.
   *
   * @example
   * sensors.mapValues((sensor) => sensor.room, { storeName: 'rooms' })
   */
  mapValues<VR>(mapper: (value: V, key: K) => VR): KTable<K, VR, OtherValues<S>>
  mapValues<VR, O extends keyof Materialized<K, VR> = keyof Materialized<K, VR>>(
    mapper: (value: V, key: K) => VR,
    materialized: Options<O, Materialized<K, VR>> & AskedIfNamed<OtherValues<S>, K, VR, O>,
  ): KTable<K, VR, BothLearned<OtherValues<S>, O>>
  mapValues<VR>(
    mapper: (value: V, key: K) => VR,
    materialized: Materialized<K, VR> = {},
  ): KTable<K, VR> {
    const compute = (key: unknown, value: unknown): unknown => mapper(value as V, key as K)
    return this.#derive('KTABLE-MAPVALUES-', compute, false, materialized, materialized.valueSerde)
  }

  /**
   * The table's changes as a stream, with the key that they have, or with the one that `mapper` gives.
   *
   * @example
   * counts.toStream((windowed) => windowed.key).to('counts', produced)
   */
  toStream<KR>(mapper: (key: K, value: V) => KR, named?: Named): KStream<KR, V, OtherKeys<S>>
  toStream(named?: Named): KStream<K, V, SerdesAre<S['key'], S['value']>>
  toStream<KR>(
    first: ((key: K, value: V) => KR) | Named = {},
    second: Named = {},
  ): KStream<K | KR, V> {
    const [mapper, named] = typeof first === 'function' ? [first, second] : [undefined, first]
    const graph = this.#parts.graph
    const node = graph.name(named.name, 'KTABLE-TOSTREAM-')
    graph.topology.addNode(node, toStreamProcessor, [this.#parts.node])
    const valueSerde = this.#parts.valueSerde
    if (!mapper)
      return graph.newStream<K | KR, V, SerdesState>({
        graph,
        node,
        keySerde: this.#parts.keySerde as Serde<K | KR> | undefined,
        valueSerde,
        rekeyed: false,
      })
    // As in Java, a name is that of the node before.
    const selected = graph.newName('KSTREAM-KEY-SELECT-')
    const work = selectKeyProcessor(mapper as (key: unknown, value: unknown) => unknown)
    graph.topology.addNode(selected, work, [node])
    return graph.newStream<K | KR, V, SerdesState>({
      graph,
      node: selected,
      keySerde: undefined,
      valueSerde,
      rekeyed: true,
    })
  }

  /**
   * The values of keys that both tables have.
   *
   * @example
   * sensors.join(places, (sensor, place) => ({ ...sensor, place }))
   */
  join<VO, VR>(
    other: KTable<K, VO>,
    joiner: (value: V, otherValue: VO, key: K) => VR,
  ): KTable<K, VR, OtherValues<S>>
  join<VO, VR, O extends keyof Materialized<K, VR> = keyof Materialized<K, VR>>(
    other: KTable<K, VO>,
    joiner: (value: V, otherValue: VO, key: K) => VR,
    materialized: Options<O, Materialized<K, VR>> & AskedIfKept<OtherValues<S>, K, VR, O>,
  ): KTable<K, VR, BothLearned<OtherValues<S>, O>>
  join<VO, VR>(
    other: KTable<K, VO>,
    joiner: (value: V, otherValue: VO, key: K) => VR,
    materialized: Materialized<K, VR> = {},
  ): KTable<K, VR> {
    return this.#join('inner', other, joiner as Joiner, materialized)
  }

  /**
   * The values of keys that this table has; where the other one has none, its value is null.
   *
   * @example
   * sensors.leftJoin(owners, (sensor, owner) => ({ ...sensor, owner: owner?.name ?? 'nobody' }))
   */
  leftJoin<VO, VR>(
    other: KTable<K, VO>,
    joiner: (value: V, otherValue: VO | null, key: K) => VR,
  ): KTable<K, VR, OtherValues<S>>
  leftJoin<VO, VR, O extends keyof Materialized<K, VR> = keyof Materialized<K, VR>>(
    other: KTable<K, VO>,
    joiner: (value: V, otherValue: VO | null, key: K) => VR,
    materialized: Options<O, Materialized<K, VR>> & AskedIfKept<OtherValues<S>, K, VR, O>,
  ): KTable<K, VR, BothLearned<OtherValues<S>, O>>
  leftJoin<VO, VR>(
    other: KTable<K, VO>,
    joiner: (value: V, otherValue: VO | null, key: K) => VR,
    materialized: Materialized<K, VR> = {},
  ): KTable<K, VR> {
    return this.#join('left', other, joiner as Joiner, materialized)
  }

  /**
   * The values of keys that one of the tables has; where the other one has none, its value is null.
   *
   * @example
   * planned.outerJoin(measured, (plan, value) => ({ plan, value }))
   */
  outerJoin<VO, VR>(
    other: KTable<K, VO>,
    joiner: (value: V | null, otherValue: VO | null, key: K) => VR,
  ): KTable<K, VR, OtherValues<S>>
  outerJoin<VO, VR, O extends keyof Materialized<K, VR> = keyof Materialized<K, VR>>(
    other: KTable<K, VO>,
    joiner: (value: V | null, otherValue: VO | null, key: K) => VR,
    materialized: Options<O, Materialized<K, VR>> & AskedIfKept<OtherValues<S>, K, VR, O>,
  ): KTable<K, VR, BothLearned<OtherValues<S>, O>>
  outerJoin<VO, VR>(
    other: KTable<K, VO>,
    joiner: (value: V | null, otherValue: VO | null, key: K) => VR,
    materialized: Materialized<K, VR> = {},
  ): KTable<K, VR> {
    return this.#join('outer', other, joiner as Joiner, materialized)
  }

  /**
   * Groups the table by another key and value. Where a value changes, the old one is taken out of its
   * group and the new one is put into its own, so an aggregation needs a function for both. A null
   * key or value is in no group.
   *
   * @example
   * sensors
   *   .groupBy((_id, sensor) => [sensor.place, 1], { keySerde: serdes.string, valueSerde: serdes.integer })
   *   .reduce((sum, one) => sum + one, (sum, one) => sum - one)
   */
  groupBy<KR, VR>(
    this: BothKnown<OtherRecords<S>>,
    mapper: (key: K, value: V) => KeyValue<KR | null, VR | null>,
  ): KGroupedTable<KR, VR, BothGiven<S>>
  groupBy<KR, VR, O extends keyof Grouped<KR, VR> = never>(
    mapper: (key: K, value: V) => KeyValue<KR | null, VR | null>,
    grouped: Options<O, Grouped<KR, VR>> & BothAsked<OtherRecords<S>, KR, VR, O>,
  ): KGroupedTable<KR, VR, BothGiven<S>>
  groupBy<KR, VR>(
    mapper: (key: K, value: V) => KeyValue<KR | null, VR | null>,
    grouped: Grouped<KR, VR> = {},
  ): KGroupedTable<KR, VR, BothGiven<S>> {
    const { graph, node: parent } = this.#parts
    const node = graph.name(grouped.name, 'KTABLE-SELECT-')
    const work = repartitionMapProcessor(
      mapper as (key: unknown, value: unknown) => KeyValue<unknown, unknown>,
    )
    graph.topology.addNode(node, work, [parent])
    this.#parts.enableOldValues(true)
    const { keySerde, valueSerde, name } = grouped
    return new KGroupedTable<KR, VR, BothGiven<S>>({
      graph,
      node,
      keySerde,
      valueSerde,
      name,
      newTable: (parts) => new KTable(parts),
    })
  }

  /**
   * Holds changes back. Time is stream time: nothing leaves while no record comes, unless the
   * application sets `window.close.idle.ms`.
   *
   * @example
   * windowed.suppress(Suppressed.untilWindowCloses({ maxBytes: 50_000_000 }))
   * counts.suppress(Suppressed.untilTimeLimit(seconds(10), { maxRecords: 1_000 }))
   */
  suppress(this: BothKnown<S>, suppressed: Suppression): KTable<K, V, S>
  suppress(suppressed: Suppression): KTable<K, V> {
    const graph = this.#parts.graph
    const node = graph.ownName(suppressed.name, 'KTABLE-SUPPRESS-')
    const storeName =
      suppressed.name === undefined
        ? graph.newStoreName('KTABLE-SUPPRESS-')
        : `${suppressed.name}-store`
    const untilWindowCloses = suppressed.kind === 'window-close'
    if (untilWindowCloses && this.#parts.graceMs === undefined)
      throw topologyError(
        `${node}: untilWindowCloses needs a table of windowed keys; use untilTimeLimit here`,
      )
    // A result that is held back says what was there before it.
    this.#parts.enableOldValues(true)
    const work = suppressProcessor({
      storeName,
      untilWindowCloses,
      waitMs: untilWindowCloses ? this.#parts.graceMs! : suppressed.waitMs,
      maxRecords: suppressed.maxRecords ?? Number.POSITIVE_INFINITY,
      maxBytes: suppressed.maxBytes ?? Number.POSITIVE_INFINITY,
      whenFull: suppressed.whenFull,
    })
    graph.topology.addNode(node, work, [this.#parts.node]).addStateStore(
      suppressBuffer({
        name: storeName,
        isMeasured: suppressed.maxBytes !== undefined,
        logging: suppressed.logging,
        keySerde: this.#parts.keySerde,
        valueSerde: this.#parts.valueSerde,
      }),
      node,
    )
    return new KTable<K, V>({
      graph,
      node,
      keySerde: this.#parts.keySerde,
      valueSerde: this.#parts.valueSerde,
      view: () => suppressedView(storeName, this.#parts.view()),
      enableOldValues: () => true,
      graceMs: this.#parts.graceMs,
      storeName: undefined,
    })
  }

  #join<VO, VR>(
    kind: TableJoinKind,
    other: KTable<K, VO>,
    joiner: Joiner,
    materialized: Materialized<K, VR>,
  ): KTable<K, VR> {
    const { graph, node: leftNode } = this.#parts
    const { node: rightNode } = other.#parts
    const { keySerde = this.#parts.keySerde, valueSerde } = materialized
    // As in Java, whoever says how the result is kept has it kept.
    const storeName =
      materialized.storeName ??
      (saysHow(materialized) ? graph.newStoreName('KTABLE-MERGE-') : undefined)
    const node = graph.name(materialized.name, 'KTABLE-MERGE-')
    graph.topology.copartition([leftNode, rightNode])
    if (kind !== 'inner') this.#parts.enableOldValues(true)
    if (kind === 'outer') other.#parts.enableOldValues(true)
    const state: TableState = { storeName, sendOldValues: false }
    const join = {
      kind,
      left: this.#parts.view(),
      right: other.#parts.view(),
      joiner: (key: unknown, left: unknown, right: unknown): unknown => joiner(left, right, key),
    }
    const leftName = graph.suffixed(materialized.name, '-join-this', 'KTABLE-JOINTHIS-')
    const rightName = graph.suffixed(materialized.name, '-join-other', 'KTABLE-JOINOTHER-')
    const plan = { ...join, flags: state }
    graph.topology
      .addNode(leftName, tableJoinProcessor(plan, true), [leftNode], join.right.storeNames)
      .addNode(rightName, tableJoinProcessor(plan, false), [rightNode], join.left.storeNames)
      .addNode(node, tableMergeProcessor(state), [leftName, rightName])
    if (storeName !== undefined)
      graph.topology.addStateStore(
        tableStore(graph, { name: storeName, keySerde, valueSerde }, materialized),
        node,
      )
    return new KTable<K, VR>({
      graph,
      node,
      keySerde,
      valueSerde,
      view: () => (storeName === undefined ? joinView(join) : storeView(storeName)),
      enableOldValues: () => {
        this.#parts.enableOldValues(true)
        other.#parts.enableOldValues(true)
        state.sendOldValues = true
        return true
      },
      graceMs: undefined,
      storeName: materialized.storeName,
    })
  }

  #filter(
    predicate: (key: K, value: V) => boolean,
    materialized: Materialized<K, V>,
  ): KTable<K, V> {
    const compute = (key: unknown, value: unknown): unknown =>
      predicate(key as K, value as V) ? value : null
    const valueSerde = materialized.valueSerde ?? this.#parts.valueSerde
    return this.#derive('KTABLE-FILTER-', compute, true, materialized, valueSerde)
  }

  #derive<VR>(
    prefix: string,
    compute: (key: unknown, value: unknown) => unknown,
    isFilter: boolean,
    materialized: Materialized<K, VR>,
    valueSerde: Serde<VR> | undefined,
  ): KTable<K, VR> {
    const graph = this.#parts.graph
    const { storeName } = materialized
    const { keySerde = this.#parts.keySerde } = materialized
    if (storeName === undefined && saysHow(materialized)) graph.newStoreName(prefix)
    const node = graph.name(materialized.name, prefix)
    const state: TableState = { storeName, sendOldValues: false }
    const parent = this.#parts
    const enableOldValues = (force: boolean): boolean => {
      if (!state.sendOldValues)
        state.sendOldValues = storeName !== undefined || parent.enableOldValues(force)
      return state.sendOldValues
    }
    graph.topology.addNode(node, tableValuesProcessor(compute, state, isFilter), [this.#parts.node])
    if (storeName !== undefined)
      graph.topology.addStateStore(
        tableStore(graph, { name: storeName, keySerde, valueSerde }, materialized),
        node,
      )
    // A filter that knows old values need not say that what was absent is absent.
    if (isFilter && parent.enableOldValues(false)) state.sendOldValues = true
    return new KTable<K, VR>({
      graph,
      node,
      keySerde,
      valueSerde,
      view: () =>
        storeName === undefined ? computedView(parent.view(), compute) : storeView(storeName),
      enableOldValues,
      graceMs: this.#parts.graceMs,
      storeName,
    })
  }
}

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
    graph.topology.addStateStore(
      tableStore(graph, { name: storeName, keySerde, valueSerde }, materialized),
      node,
    )
  }
  addNode(state)
  if (materialized.storeName !== undefined) materialize()
  return new KTable<K, V>({
    ...upstream,
    view() {
      if (state.storeName === undefined) materialize()
      return storeView(storeName)
    },
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
