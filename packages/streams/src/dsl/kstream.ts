import { adaptProcessor, adaptValuesProcessor } from '../processors/adapter.ts'
import type { Processor, ValuesProcessor } from '../processors/processor-api.ts'
import {
  branchProcessor,
  filterProcessor,
  flatMapProcessor,
  flatMapValuesProcessor,
  mapProcessor,
  mapValuesAsyncProcessor,
  mapValuesProcessor,
  passProcessor,
  peekProcessor,
  selectKeyProcessor,
} from '../processors/stateless.ts'
import { tableSourceProcessor } from '../processors/table.ts'
import type { Serde } from '../serdes/serde.ts'
import type { ProcessorSupplier } from '../topology/processor-node.ts'
import type { StreamPartitioner, TopicNameExtractor } from '../topology/topology.ts'
import { addRepartition, type Graph, type StreamParts } from './graph.ts'
import { JoinableStream } from './joinable-stream.ts'
import { KGroupedStream } from './kgrouped-stream.ts'
import { type KTable, tableSource } from './ktable.ts'
import type {
  Grouped,
  Materialized,
  Named,
  Produced,
  Repartitioned,
  WithStores,
} from './options.ts'
import { type Printed, printAction } from './printed.ts'
import type {
  AskedIfChanged,
  AskedIfNamed,
  BothAsked,
  BothGiven,
  BothKnown,
  BothLearned,
  KnownIfChanged,
  Merged,
  Options,
  OtherKeys,
  OtherRecords,
  OtherValues,
  SerdesState,
} from './serdes-state.ts'

/** A pair of key and value, as `map` and `flatMap` give it. */
export type KeyValue<K, V> = readonly [key: K, value: V]

type Unknown<T> = (key: unknown, value: unknown) => T

/**
 * Records, one after the other. Operators give new streams and leave this one as it is; functions
 * given to them are synchronous. Keys and values of topics may be null: say so in the types where
 * they can be.
 *
 * @typeParam S what the compiler knows of the serdes; left out, it asks for none
 */
export class KStream<K, V, out S extends SerdesState = SerdesState> extends JoinableStream<
  K,
  V,
  S
> {
  readonly #graph: Graph
  readonly #node: string
  readonly #keySerde: Serde<K> | undefined
  readonly #valueSerde: Serde<V> | undefined
  readonly #rekeyed: boolean

  /** @internal Streams come from a `StreamsBuilder` and from other streams. */
  constructor(parts: StreamParts<K, V>) {
    super(parts)
    this.#graph = parts.graph
    this.#node = parts.node
    this.#keySerde = parts.keySerde
    this.#valueSerde = parts.valueSerde
    this.#rekeyed = parts.rekeyed
  }

  /**
   * Keeps the records for which `predicate` holds; a predicate that narrows the type narrows the stream.
   *
   * @example
   * frames.filter((_key, frame) => frame.celsius > 30)
   */
  filter<W extends V>(
    predicate: (key: K, value: V) => value is V & W,
    named?: Named,
  ): KStream<K, W, S>
  filter(predicate: (key: K, value: V) => boolean, named?: Named): KStream<K, V, S>
  filter(predicate: (key: K, value: V) => boolean, named: Named = {}): KStream<K, V, S> {
    const work = filterProcessor(predicate as Unknown<boolean>, false)
    return this.#then('KSTREAM-FILTER-', named, work)
  }

  /**
   * Keeps the records for which `predicate` does not hold.
   *
   * @example
   * frames.filterNot((_key, frame) => frame.isTest)
   */
  filterNot(predicate: (key: K, value: V) => boolean, named: Named = {}): KStream<K, V, S> {
    const work = filterProcessor(predicate as Unknown<boolean>, true)
    return this.#then('KSTREAM-FILTER-', named, work)
  }

  /**
   * Makes one record of each. A key-based operation that follows repartitions.
   *
   * @example
   * frames.map((_key, frame) => [frame.place, frame.celsius])
   */
  map<KR, VR>(
    mapper: (key: K, value: V) => KeyValue<KR, VR>,
    named: Named = {},
  ): KStream<KR, VR, OtherRecords<S>> {
    const node = this.#add('KSTREAM-MAP-', named, mapProcessor(mapper as Unknown<KeyValue<KR, VR>>))
    return this.#rekeyedStream(node)
  }

  /**
   * Gives each record another value.
   *
   * @example
   * frames.mapValues((frame) => frame.celsius * 1.8 + 32)
   */
  mapValues<VR>(
    mapper: (value: V, key: K) => VR,
    named: Named = {},
  ): KStream<K, VR, OtherValues<S>> {
    const work = mapValuesProcessor(mapper as (value: unknown, key: unknown) => unknown)
    return this.#withValues(this.#add('KSTREAM-MAPVALUES-', named, work))
  }

  /**
   * Gives each record another value, which may take a while: the one operator that waits. Records
   * leave in the order in which they came; at most `async.records.max` of a task wait, then
   * no more are read. A commit waits for all of them, so give the work a deadline. Ours, beyond Java.
   *
   * @example
   * stream.mapValuesAsync((address) => geocode(address, { signal: AbortSignal.timeout(5_000) }))
   */
  mapValuesAsync<VR>(
    mapper: (value: V, key: K) => Promise<VR>,
    named: Named = {},
  ): KStream<K, VR, OtherValues<S>> {
    const work = mapValuesAsyncProcessor(
      mapper as (value: unknown, key: unknown) => Promise<unknown>,
    )
    return this.#withValues(this.#add('KSTREAM-MAPVALUES-', named, work))
  }

  /**
   * Gives each record another key. A key-based operation that follows repartitions.
   *
   * @example
   * frames.selectKey((_key, frame) => frame.place)
   */
  selectKey<KR>(mapper: (key: K, value: V) => KR, named: Named = {}): KStream<KR, V, OtherKeys<S>> {
    const work = selectKeyProcessor(mapper as Unknown<unknown>)
    const node = this.#add('KSTREAM-KEY-SELECT-', named, work)
    return this.#next(node, { valueSerde: this.#valueSerde, rekeyed: true })
  }

  /**
   * Makes any number of records of each. A key-based operation that follows repartitions.
   *
   * @example
   * batches.flatMap((_key, batch) => batch.frames.map((frame) => [frame.id, frame] as const))
   */
  flatMap<KR, VR>(
    mapper: (key: K, value: V) => Iterable<KeyValue<KR, VR>>,
    named: Named = {},
  ): KStream<KR, VR, OtherRecords<S>> {
    const work = flatMapProcessor(mapper as Unknown<Iterable<KeyValue<unknown, unknown>>>)
    return this.#rekeyedStream(this.#add('KSTREAM-FLATMAP-', named, work))
  }

  /**
   * Makes any number of values of each, under the same key.
   *
   * @example
   * lines.flatMapValues((line) => line.split(' '))
   */
  flatMapValues<VR>(
    mapper: (value: V, key: K) => Iterable<VR>,
    named: Named = {},
  ): KStream<K, VR, OtherValues<S>> {
    const work = flatMapValuesProcessor(
      mapper as (value: unknown, key: unknown) => Iterable<unknown>,
    )
    return this.#withValues(this.#add('KSTREAM-FLATMAPVALUES-', named, work))
  }

  /**
   * Lets a function look at each record on its way.
   *
   * @example
   * frames.peek((key) => seen.add(key))
   */
  peek(action: (key: K, value: V) => void, named: Named = {}): KStream<K, V, S> {
    return this.#then('KSTREAM-PEEK-', named, peekProcessor(action as Unknown<void>, true))
  }

  /**
   * Gives each record to a function; nothing follows.
   *
   * @example
   * alarms.foreach((key, alarm) => pager.ring(key, alarm.text))
   */
  foreach(action: (key: K, value: V) => void, named: Named = {}): void {
    this.#add('KSTREAM-FOREACH-', named, peekProcessor(action as Unknown<void>, false))
  }

  /**
   * Writes each record as a line, `[label]: key, value`; nothing follows.
   *
   * @example
   * stream.print(Printed.toSysOut({ label: 'frames' }))
   */
  print(printed: Printed<K, V>): void {
    const work = peekProcessor(printAction(printed, this.#node), false)
    this.#add('KSTREAM-PRINTER-', printed, work)
  }

  /**
   * The records of both streams. There is no order between them.
   *
   * @example
   * indoors.merge(outdoors).to('everywhere', produced)
   */
  merge<SO extends SerdesState>(
    other: KStream<K, V, SO>,
    named: Named = {},
  ): KStream<K, V, Merged<S, SO>> {
    const node = this.#graph.name(named.name, 'KSTREAM-MERGE-')
    this.#graph.topology.addNode(node, passProcessor, [this.#node, other.#node])
    return this.#next(node, { rekeyed: this.#rekeyed || other.#rekeyed })
  }

  /**
   * Splits the stream: each record goes to the first branch whose predicate holds, and to `default`
   * where none does (it is left out where nobody reads it).
   *
   * @example
   * const { hot, rest } = stream.split({ hot: (_, frame) => frame.temperature > 30 }, 'rest')
   */
  split<Name extends string, Rest extends string = never>(
    branches: Readonly<Record<Name, (key: K, value: V) => boolean>>,
    rest?: Rest,
    named: Named = {},
  ): Record<Name | Rest, KStream<K, V, S>> {
    const entries = Object.entries(branches) as [Name, (key: K, value: V) => boolean][]
    const streams = this.#split(
      named,
      entries.map(([name, predicate]) => ({ name, predicate })),
      rest === undefined ? undefined : { name: rest },
    )
    const names = [...entries.map(([name]) => name), ...(rest === undefined ? [] : [rest])]
    return Object.fromEntries(names.map((name, index) => [name, streams[index]!])) as Record<
      Name | Rest,
      KStream<K, V, S>
    >
  }

  /**
   * Splits the stream by predicates, named by Java's rules; the last stream is what no predicate took.
   *
   * @example
   * const [hot, rest] = frames.branch([(_key, frame) => frame.celsius > 30])
   */
  branch(
    predicates: readonly ((key: K, value: V) => boolean)[],
    named: Named = {},
  ): KStream<K, V, S>[] {
    const branches = predicates.map((predicate) => ({ name: undefined, predicate }))
    return this.#split(named, branches, { name: undefined })
  }

  /**
   * Sends the stream through a topic of its own and reads it from there.
   *
   * @example
   * frames.selectKey((_key, frame) => frame.place).repartition({ name: 'by-place', numberOfPartitions: 12 })
   */
  repartition(this: BothKnown<S>): KStream<K, V, BothGiven<S>>
  repartition<O extends keyof Repartitioned<K, V>>(
    options: Options<O, Repartitioned<K, V>> & BothAsked<S, K, V, O>,
  ): KStream<K, V, BothGiven<S>>
  repartition(options: Repartitioned<K, V> = {}): KStream<K, V, BothGiven<S>> {
    const keySerde = options.keySerde ?? this.#keySerde
    const valueSerde = options.valueSerde ?? this.#valueSerde
    const prefix = options.name ?? this.#graph.newName('KSTREAM-REPARTITION-')
    const node = addRepartition({
      graph: this.#graph,
      node: this.#node,
      keySerde,
      valueSerde,
      prefix,
      partitions: options.numberOfPartitions,
      partitioner: options.partitioner,
    })
    return this.#next(node, { keySerde, valueSerde, rekeyed: false })
  }

  /**
   * Writes the records to a topic, or to the one that a function names, which must exist.
   *
   * @example
   * frames.to('frames-of-today', { keySerde: serdes.string, valueSerde: serdes.json<Frame>() })
   * frames.to((_key, frame) => `frames-${frame.kind}`)
   */
  to(this: BothKnown<S>, topic: string | TopicNameExtractor<K, V>): void
  to<O extends keyof Produced<K, V>>(
    topic: string | TopicNameExtractor<K, V>,
    produced: Options<O, Produced<K, V>> & BothAsked<S, K, V, O>,
  ): void
  to(topic: string | TopicNameExtractor<K, V>, produced: Produced<K, V> = {}): void {
    this.#graph.topology.addSink({
      name: this.#graph.name(produced.name, 'KSTREAM-SINK-'),
      parents: [this.#node],
      topic: topic as string | TopicNameExtractor<unknown, unknown>,
      keySerde: (produced.keySerde ?? this.#keySerde) as Serde<unknown> | undefined,
      valueSerde: (produced.valueSerde ?? this.#valueSerde) as Serde<unknown> | undefined,
      partitioner: produced.partitioner as StreamPartitioner<unknown, unknown> | undefined,
    })
  }

  /**
   * Groups by the key that the records have.
   *
   * @example
   * frames.groupByKey().count()
   */
  groupByKey(this: KnownIfChanged<S>): KGroupedStream<K, V, BothLearned<S, never>>
  groupByKey<O extends keyof Grouped<K, V>>(
    grouped: Options<O, Grouped<K, V>> & AskedIfChanged<S, K, V, O>,
  ): KGroupedStream<K, V, BothLearned<S, O>>
  groupByKey(grouped: Grouped<K, V> = {}): KGroupedStream<K, V, SerdesState> {
    return new KGroupedStream<K, V, SerdesState>({
      graph: this.#graph,
      node: this.#node,
      keySerde: grouped.keySerde ?? this.#keySerde,
      valueSerde: grouped.valueSerde ?? this.#valueSerde,
      rekeyed: this.#rekeyed,
      name: grouped.name,
    })
  }

  /**
   * Groups by another key; the records go through a topic, so that those of one key meet.
   *
   * @example
   * frames.groupBy((_key, frame) => frame.place, { keySerde: serdes.string, name: 'by-place' }).count()
   */
  groupBy<KR>(
    this: BothKnown<OtherKeys<S>>,
    mapper: (key: K, value: V) => KR,
  ): KGroupedStream<KR, V, BothGiven<S>>
  groupBy<KR, O extends keyof Grouped<KR, V> = never>(
    mapper: (key: K, value: V) => KR,
    grouped: Options<O, Grouped<KR, V>> & BothAsked<OtherKeys<S>, KR, V, O>,
  ): KGroupedStream<KR, V, BothGiven<S>>
  groupBy<KR>(
    mapper: (key: K, value: V) => KR,
    grouped: Grouped<KR, V> = {},
  ): KGroupedStream<KR, V, BothGiven<S>> {
    const work = selectKeyProcessor(mapper as Unknown<unknown>)
    const node = this.#add('KSTREAM-KEY-SELECT-', { name: grouped.name }, work)
    return new KGroupedStream<KR, V, BothGiven<S>>({
      graph: this.#graph,
      node,
      keySerde: grouped.keySerde,
      valueSerde: grouped.valueSerde ?? this.#valueSerde,
      rekeyed: true,
      name: grouped.name,
    })
  }

  /**
   * Reads the records as changes of a table: the newest value of each key.
   *
   * @example
   * frames.toTable({ storeName: 'latest-frames' })
   */
  toTable(this: KnownIfChanged<S>): KTable<K, V, BothLearned<S, never>>
  toTable<O extends keyof Materialized<K, V>>(
    materialized: Options<O, Materialized<K, V>> &
      AskedIfChanged<S, K, V, O> &
      AskedIfNamed<S, K, V, O>,
  ): KTable<K, V, BothLearned<S, O>>
  toTable(materialized: Materialized<K, V> = {}): KTable<K, V> {
    const graph = this.#graph
    const name = graph.name(materialized.name, 'KSTREAM-TOTABLE-')
    const keySerde = materialized.keySerde ?? this.#keySerde
    const valueSerde = materialized.valueSerde ?? this.#valueSerde
    const storeName = materialized.storeName ?? graph.newStoreName('KSTREAM-TOTABLE-')
    const parent = this.#rekeyed
      ? addRepartition({ graph, node: this.#node, keySerde, valueSerde, prefix: name })
      : this.#node
    return tableSource(
      { graph, node: name, keySerde, valueSerde },
      storeName,
      materialized,
      (state) => graph.topology.addNode(name, tableSourceProcessor(state), [parent]),
    )
  }

  /**
   * Gives each record to a processor of yours, which may forward any records.
   *
   * @example
   * frames.process(() => new Deduplicate(), { stores: ['seen'] })
   */
  process<KR = K, VR = V>(
    supplier: () => Processor<K, V, KR, VR>,
    options: WithStores = {},
  ): KStream<KR, VR, OtherRecords<S>> {
    const node = this.#graph.ownName(options.name, 'KSTREAM-PROCESSOR-')
    this.#graph.topology.addNode(node, adaptProcessor(supplier), [this.#node])
    this.#graph.connectStores(node, options.stores)
    return this.#rekeyedStream(node)
  }

  /**
   * Gives each record to a processor of yours that leaves keys as they are.
   *
   * @example
   * frames.processValues(() => new Smooth(), { stores: ['means'] })
   */
  processValues<VR = V>(
    supplier: () => ValuesProcessor<K, V, VR>,
    options: WithStores = {},
  ): KStream<K, VR, OtherValues<S>> {
    const node = this.#graph.ownName(options.name, 'KSTREAM-PROCESSVALUES-')
    this.#graph.topology.addNode(node, adaptValuesProcessor(supplier), [this.#node])
    this.#graph.connectStores(node, options.stores)
    return this.#withValues(node)
  }

  #split(
    named: Named,
    branches: readonly {
      readonly name: string | undefined
      readonly predicate: (key: K, value: V) => boolean
    }[],
    rest: { readonly name: string | undefined } | undefined,
  ): KStream<K, V, S>[] {
    const work: { name: string; predicate: Unknown<boolean> }[] = []
    const node = this.#add('KSTREAM-BRANCH-', named, branchProcessor(work))
    const child = (name: string, predicate: Unknown<boolean>): KStream<K, V, S> => {
      this.#graph.newName('')
      this.#graph.topology.addNode(name, passProcessor, [node])
      work.push({ name, predicate })
      return this.#same(name)
    }
    const streams = branches.map(({ name, predicate }, index) =>
      child(`${node}${name ?? index + 1}`, predicate as Unknown<boolean>),
    )
    if (rest) streams.push(child(`${node}${rest.name ?? 0}`, () => true))
    return streams
  }

  #add(prefix: string, named: Named, work: ProcessorSupplier): string {
    const node = this.#graph.name(named.name, prefix)
    this.#graph.topology.addNode(node, work, [this.#node])
    return node
  }

  #then(prefix: string, named: Named, work: ProcessorSupplier): KStream<K, V, S> {
    return this.#same(this.#add(prefix, named, work))
  }

  #same(node: string): KStream<K, V, S> {
    const [keySerde, valueSerde] = [this.#keySerde, this.#valueSerde]
    return this.#next(node, { keySerde, valueSerde, rekeyed: this.#rekeyed })
  }

  #withValues<VR>(node: string): KStream<K, VR, OtherValues<S>> {
    return this.#next(node, { keySerde: this.#keySerde, rekeyed: this.#rekeyed })
  }

  #rekeyedStream<KR, VR>(node: string): KStream<KR, VR, OtherRecords<S>> {
    return this.#next(node, { rekeyed: true })
  }

  #next<KR, VR, SR extends SerdesState>(
    node: string,
    known: {
      readonly keySerde?: Serde<KR> | undefined
      readonly valueSerde?: Serde<VR> | undefined
      readonly rekeyed: boolean
    },
  ): KStream<KR, VR, SR> {
    const { keySerde, valueSerde, rekeyed } = known
    return new KStream<KR, VR, SR>({ graph: this.#graph, node, keySerde, valueSerde, rekeyed })
  }
}
