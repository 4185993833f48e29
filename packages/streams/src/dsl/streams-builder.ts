import { topologyError } from '../errors.ts'
import { storeView, tableSourceProcessor } from '../processors/table.ts'
import type { Serde } from '../serdes/serde.ts'
import { keyValueStore } from '../state/key-value-store.ts'
import type { StoreSpec } from '../state/state-store.ts'
import type { SourceSpec, TimestampExtractor, Topology } from '../topology/topology.ts'
import { GlobalKTable } from './global-ktable.ts'
import { Graph } from './graph.ts'
import { KStream } from './kstream.ts'
import { type KTable, tableSource } from './ktable.ts'
import type { Consumed, Materialized } from './options.ts'
import type {
  BothAsked,
  BothGiven,
  BothKnown,
  NoDefaultSerdes,
  Options,
  SerdesState,
} from './serdes-state.ts'

export interface StreamsBuilderOptions {
  /** Where tables without a word about it are kept: Java's `default.dsl.store`. Default `persistent`. */
  readonly defaultStore?: 'persistent' | 'memory'
}

class TrackedBuilder<out S extends SerdesState> {
  readonly #graph: Graph
  readonly #sources = new Map<string, string>()

  constructor(options: StreamsBuilderOptions = {}) {
    this.#graph = new Graph(options.defaultStore !== 'memory', (parts) => new KStream(parts))
  }

  /**
   * The records of one topic, or of several. A topic that is read twice is read once. Without a serde
   * the types are unknown; who relies on `default.value.serde` says them: `stream<string, string>(…)`.
   *
   * @example
   * builder.stream('frames', { keySerde: serdes.string, valueSerde: serdes.json<Frame>() })
   */
  stream<K = unknown, V = unknown>(
    this: BothKnown<S>,
    topics: string | readonly string[],
  ): KStream<K, V, BothGiven<S>>
  stream<K = unknown, V = unknown, O extends keyof Consumed<K, V> = never>(
    topics: string | readonly string[],
    consumed: Options<O, Consumed<K, V>> & BothAsked<S, K, V, O>,
  ): KStream<K, V, BothGiven<S>>
  stream<K, V>(topics: string | readonly string[], consumed: Consumed<K, V> = {}): KStream<K, V> {
    const { keySerde, valueSerde } = consumed
    const node = this.#source(this.#graph.name(consumed.name, 'KSTREAM-SOURCE-'), topics, consumed)
    return new KStream<K, V>({ graph: this.#graph, node, keySerde, valueSerde, rekeyed: false })
  }

  /**
   * The newest value of each key of a topic.
   *
   * @example
   * builder.table('sensors', { keySerde: serdes.string, valueSerde: sensor }, { storeName: 'sensors' })
   */
  table<K = unknown, V = unknown>(this: BothKnown<S>, topic: string): KTable<K, V, BothGiven<S>>
  table<K = unknown, V = unknown, O extends keyof Consumed<K, V> = never>(
    topic: string,
    consumed: Options<O, Consumed<K, V>> & BothAsked<S, K, V, O>,
    materialized?: Materialized<K, V>,
  ): KTable<K, V, BothGiven<S>>
  table<K, V>(
    topic: string,
    consumed: Consumed<K, V> = {},
    materialized: Materialized<K, V> = {},
  ): KTable<K, V> {
    const graph = this.#graph
    const storeName = materialized.storeName ?? graph.newStoreName(`${topic}-`)
    const sourceName = graph.suffixed(consumed.name, '-source', 'KSTREAM-SOURCE-')
    const name = graph.name(consumed.name, 'KTABLE-SOURCE-')
    const source = this.#source(sourceName, topic, consumed)
    const keySerde = materialized.keySerde ?? consumed.keySerde
    const valueSerde = materialized.valueSerde ?? consumed.valueSerde
    const upstream = { graph, node: name, keySerde, valueSerde }
    return tableSource(upstream, storeName, materialized, (state) =>
      graph.topology.addNode(name, tableSourceProcessor(state), [source]),
    )
  }

  /**
   * The newest value of each key of a topic, as a whole on every instance: for small tables that
   * streams are joined with by any key. The application starts when it has been read to its end.
   *
   * @example
   * const places = builder.globalTable('places', { keySerde: serdes.string, valueSerde: place })
   * frames.join(places, (_key, frame) => frame.placeId, (frame, place) => ({ ...frame, place }))
   */
  globalTable<K = unknown, V = unknown>(this: BothKnown<S>, topic: string): GlobalKTable<K, V>
  globalTable<K = unknown, V = unknown, O extends keyof Consumed<K, V> = never>(
    topic: string,
    consumed: Options<O, Consumed<K, V>> & BothAsked<S, K, V, O>,
    materialized?: Materialized<K, V>,
  ): GlobalKTable<K, V>
  globalTable<K, V>(
    topic: string,
    consumed: Consumed<K, V> = {},
    materialized: Materialized<K, V> = {},
  ): GlobalKTable<K, V> {
    const graph = this.#graph
    const storeName = materialized.storeName ?? graph.newStoreName(`${topic}-`)
    const sourceName = graph.suffixed(consumed.name, '-source', 'KSTREAM-SOURCE-')
    const name = graph.name(consumed.name, 'KTABLE-SOURCE-')
    const keySerde = materialized.keySerde ?? consumed.keySerde
    const valueSerde = materialized.valueSerde ?? consumed.valueSerde
    const supplier = tableSourceProcessor({ storeName, sendOldValues: false })
    graph.topology.addGlobalTable(
      sourceSpec(sourceName, [topic], consumed),
      { name, supplier },
      keyValueStore({ name: storeName, keySerde, valueSerde, persistent: false, logging: false }),
    )
    return new GlobalKTable<K, V>(storeView(storeName), materialized.storeName)
  }

  /**
   * Adds a store for processors; `process` and `processValues` name it.
   *
   * @example
   * builder.addStateStore(keyValueStore({ name: 'seen', keySerde: serdes.string, valueSerde: serdes.long }))
   */
  addStateStore(store: StoreSpec): this {
    this.#graph.topology.addStateStore(store)
    return this
  }

  /** The topology so far. */
  build(): Topology {
    return this.#graph.topology
  }

  #source<K, V>(
    name: string,
    topics: string | readonly string[],
    consumed: Consumed<K, V>,
  ): string {
    const pattern: unknown = topics
    if (pattern instanceof RegExp)
      throw topologyError(
        `${name} reads topics by a pattern, ${String(pattern)}, which is not supported yet; name the topics`,
      )
    const list = typeof topics === 'string' ? [topics] : topics
    const known = this.#sources.get(list.join())
    if (known !== undefined) return known
    this.#sources.set(list.join(), name)
    this.#graph.topology.addSource(sourceSpec(name, list, consumed))
    return name
  }
}

/**
 * Where a topology begins: streams and tables of topics.
 *
 * @example
 * const builder = new StreamsBuilder()
 * builder
 *   .stream('words', { keySerde: serdes.string, valueSerde: serdes.string })
 *   .groupBy((_key, word) => word, { keySerde: serdes.string })
 *   .count()
 *   .toStream()
 *   .to('counts')
 * const topology = builder.build()
 */
export interface StreamsBuilder<out S extends SerdesState = SerdesState>
  extends TrackedBuilder<S> {}

// A signature that says `StreamsBuilder` takes any of them; `new` without a word has no defaults.
export const StreamsBuilder: new <S extends SerdesState = NoDefaultSerdes>(
  options?: StreamsBuilderOptions,
) => StreamsBuilder<S> = TrackedBuilder

const sourceSpec = <K, V>(
  name: string,
  topics: readonly string[],
  consumed: Consumed<K, V>,
): Omit<SourceSpec, 'kind' | 'parents'> => ({
  name,
  topics,
  keySerde: consumed.keySerde as Serde<unknown> | undefined,
  valueSerde: consumed.valueSerde as Serde<unknown> | undefined,
  timestampExtractor: consumed.timestampExtractor as TimestampExtractor | undefined,
  offsetReset: consumed.offsetReset,
})
