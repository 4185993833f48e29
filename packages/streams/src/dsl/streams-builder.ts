import { tableSourceProcessor } from '../processors/table.ts'
import type { Serde } from '../serdes/serde.ts'
import type { StoreSpec } from '../state/state-store.ts'
import type { TimestampExtractor, Topology } from '../topology/topology.ts'
import { Graph } from './graph.ts'
import { KStream } from './kstream.ts'
import { type KTable, tableSource } from './ktable.ts'
import type { Consumed, Materialized } from './options.ts'

export interface StreamsBuilderOptions {
  /** Where tables without a word about it are kept: Java's `default.dsl.store`. Default `persistent`. */
  readonly defaultStore?: 'persistent' | 'memory'
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
export class StreamsBuilder {
  readonly #graph: Graph
  readonly #sources = new Map<string, string>()

  constructor(options: StreamsBuilderOptions = {}) {
    this.#graph = new Graph(options.defaultStore !== 'memory', (parts) => new KStream(parts))
  }

  /** The records of one topic, or of several. A topic that is read twice is read once. */
  stream<K = unknown, V = unknown>(
    topics: string | readonly string[],
    consumed: Consumed<K, V> = {},
  ): KStream<K, V> {
    const { keySerde, valueSerde } = consumed
    const node = this.#source(this.#graph.name(consumed.name, 'KSTREAM-SOURCE-'), topics, consumed)
    return new KStream<K, V>({ graph: this.#graph, node, keySerde, valueSerde, rekeyed: false })
  }

  /** The newest value of each key of a topic. */
  table<K = unknown, V = unknown>(
    topic: string,
    consumed: Consumed<K, V> = {},
    materialized: Materialized<K, V> = {},
  ): KTable<K, V> {
    const graph = this.#graph
    const storeName = materialized.storeName ?? graph.newStoreName(`${topic}-`)
    const sourceName = graph.name(consumed.name, 'KSTREAM-SOURCE-')
    const name = graph.name(consumed.name && `${consumed.name}-table-source`, 'KTABLE-SOURCE-')
    const source = this.#source(sourceName, topic, consumed)
    const keySerde = materialized.keySerde ?? consumed.keySerde
    const valueSerde = materialized.valueSerde ?? consumed.valueSerde
    const upstream = { graph, node: name, keySerde, valueSerde }
    return tableSource(upstream, storeName, materialized, (state) =>
      graph.topology.addProcessor(name, tableSourceProcessor(state), [source]),
    )
  }

  /** Adds a store for processors; `process` and `processValues` name it. */
  addStateStore(store: StoreSpec): this {
    this.#graph.topology.addStore(store)
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
    const list = typeof topics === 'string' ? [topics] : topics
    const known = this.#sources.get(list.join())
    if (known !== undefined) return known
    this.#sources.set(list.join(), name)
    this.#graph.topology.addSource({
      name,
      topics: list,
      keySerde: consumed.keySerde as Serde<unknown> | undefined,
      valueSerde: consumed.valueSerde as Serde<unknown> | undefined,
      timestampExtractor: consumed.timestampExtractor as TimestampExtractor | undefined,
      offsetReset: consumed.offsetReset,
    })
    return name
  }
}
