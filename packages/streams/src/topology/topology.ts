import { topologyError } from '../errors.ts'
import { adaptProcessor } from '../processors/adapter.ts'
import type { Processor } from '../processors/processor-api.ts'
import type { RecordContext } from '../record.ts'
import type { Serde } from '../serdes/serde.ts'
import type { StoreSpec } from '../state/state-store.ts'
import { describeTopology } from './describe.ts'
import { checkedName } from './names.ts'
import type { ProcessorSupplier } from './processor-node.ts'

/** Where a consumer begins that has no committed offset. */
export type OffsetReset = 'earliest' | 'latest' | 'none'

/** Gives a record's time in milliseconds; a negative one drops the record. */
export type TimestampExtractor = (
  record: Readonly<RecordContext>,
  value: unknown,
  partitionTimeMs: number,
) => number

/** Gives the partition for a record, or undefined to leave it to the default. */
export type StreamPartitioner<K, V> = (
  topic: string,
  key: K,
  value: V,
  partitionCount: number,
) => number | undefined

/** Gives the topic for a record. It must exist. */
export type TopicNameExtractor<K, V> = (key: K, value: V, record: Readonly<RecordContext>) => string

export interface SourceSpec {
  readonly kind: 'source'
  readonly name: string
  readonly parents: readonly string[]
  readonly topics: readonly string[]
  readonly keySerde?: Serde<unknown> | undefined
  readonly valueSerde?: Serde<unknown> | undefined
  readonly timestampExtractor?: TimestampExtractor | undefined
  readonly offsetReset?: OffsetReset | undefined
  /** Whether every instance reads the whole topic, into the store of the one node that follows. */
  readonly isGlobal?: boolean | undefined
}

export interface ProcessorSpec {
  readonly kind: 'processor'
  readonly name: string
  readonly parents: readonly string[]
  readonly supplier: ProcessorSupplier
  readonly stores: Set<string>
}

export interface SinkSpec {
  readonly kind: 'sink'
  readonly name: string
  readonly parents: readonly string[]
  readonly topic: string | TopicNameExtractor<unknown, unknown>
  readonly keySerde?: Serde<unknown> | undefined
  readonly valueSerde?: Serde<unknown> | undefined
  readonly partitioner?: StreamPartitioner<unknown, unknown> | undefined
}

export type NodeSpec = SourceSpec | ProcessorSpec | SinkSpec

/** Nodes that are connected, without a topic between them: what tasks are made of. */
export interface SubTopology {
  readonly id: number
  /** In the order in which they were added. */
  readonly nodes: readonly NodeSpec[]
  readonly sourceTopics: readonly string[]
  readonly sinkTopics: readonly string[]
  readonly stores: readonly StoreSpec[]
}

/** A table that every instance has as a whole. */
export interface GlobalTable {
  readonly id: number
  readonly source: SourceSpec
  readonly processor: ProcessorSpec
  readonly topic: string
  readonly store: StoreSpec
}

/** A topic that the application makes for itself; its name gets the application's id in front. */
export interface InternalTopic {
  readonly name: string
  readonly partitions: number | undefined
}

/** Sources, processors, sinks and stores, and who feeds whom. Usually built by a `StreamsBuilder`. */
export class Topology {
  readonly nodes: Map<string, NodeSpec> = new Map<string, NodeSpec>()
  readonly stores: Map<string, StoreSpec> = new Map<string, StoreSpec>()
  readonly internalTopics: Map<string, InternalTopic> = new Map<string, InternalTopic>()
  /** Topics whose records meet by their keys: they need one number of partitions. */
  readonly copartitioned: ReadonlySet<string>[] = []
  readonly #globalStores = new Set<string>()
  readonly #topicsRead = new Map<string, string>()

  /** Adds a source that reads topics; no other source may read one of them. */
  addSource(source: Omit<SourceSpec, 'kind' | 'parents'>): this {
    if (source.topics.length === 0) throw topologyError(`source ${source.name} reads no topic`)
    for (const topic of source.topics) {
      const reader = this.#topicsRead.get(topic)
      if (reader !== undefined)
        throw topologyError(`topic ${topic} is read by ${reader} already; use one stream of it`)
      this.#topicsRead.set(topic, source.name)
    }
    return this.#add({ ...source, kind: 'source', parents: [] })
  }

  /**
   * Adds a processor of yours behind other nodes, connected to stores that are there already.
   *
   * @example
   * new Topology()
   *   .addSource({ name: 'frames', topics: ['iot-frames'], keySerde: serdes.string, valueSerde: frames })
   *   .addProcessor('alarm', () => new Alarm(), ['frames'])
   *   .addSink({ name: 'alarms', parents: ['alarm'], topic: 'alarms', keySerde: serdes.string, valueSerde: serdes.string })
   */
  addProcessor<KIn, VIn, KOut, VOut>(
    name: string,
    supplier: () => Processor<KIn, VIn, KOut, VOut>,
    parents: readonly string[],
    stores: readonly string[] = [],
  ): this {
    return this.addNode(name, adaptProcessor(supplier), parents, stores)
  }

  /** @internal Adds a node of the library's own. */
  addNode(
    name: string,
    supplier: ProcessorSupplier,
    parents: readonly string[],
    stores: readonly string[] = [],
  ): this {
    for (const store of stores) this.#requireStore(store, name)
    // Stores of global tables are open to every node, and do not make one task of those that read them.
    const own = stores.filter((store) => !this.#globalStores.has(store))
    return this.#add({ kind: 'processor', name, parents, supplier, stores: new Set(own) })
  }

  /** @internal Adds a table that every instance has as a whole. */
  addGlobalTable(
    source: Omit<SourceSpec, 'kind' | 'parents' | 'isGlobal'>,
    processor: { readonly name: string; readonly supplier: ProcessorSupplier },
    store: StoreSpec,
  ): this {
    return this.addSource({ ...source, isGlobal: true })
      .addNode(processor.name, processor.supplier, [source.name])
      .addStateStore(store, processor.name)
      .#addGlobalStore(store.name)
  }

  /** Adds a sink that writes to a topic what comes from other nodes. */
  addSink(sink: Omit<SinkSpec, 'kind'>): this {
    return this.#add({ ...sink, kind: 'sink' })
  }

  /** Adds a store and connects it to processors; a store of that name must not be there yet. */
  addStateStore(store: StoreSpec, ...processors: readonly string[]): this {
    checkedName(store.name)
    if (this.stores.has(store.name)) throw topologyError(`a store ${store.name} exists already`)
    this.stores.set(store.name, store)
    for (const processor of processors) this.connectProcessorAndStateStores(processor, store.name)
    return this
  }

  /** Opens stores to a processor; all that share one are of one sub-topology. */
  connectProcessorAndStateStores(processor: string, ...stores: readonly string[]): this {
    const node = this.nodes.get(processor)
    if (node?.kind !== 'processor') throw topologyError(`there is no processor ${processor}`)
    for (const store of stores) {
      this.#requireStore(store, processor)
      // Stores of global tables are open to every node, and make no sub-topology of those that read them.
      if (!this.#globalStores.has(store)) node.stores.add(store)
    }
    return this
  }

  addInternalTopic(topic: InternalTopic): this {
    this.internalTopics.set(checkedName(topic.name), topic)
    return this
  }

  /** The sub-topologies, numbered by the order in which their first nodes were added, as in Java. */
  subTopologies(): SubTopology[] {
    return this.#groups()
      .filter(({ nodes }) => !nodes.some(isGlobalSource))
      .map(({ id, nodes }) => this.#subTopology(id, nodes))
  }

  /** The tables that every instance has as a whole; their numbers are counted with sub-topologies. */
  globalTables(): GlobalTable[] {
    return this.#groups().flatMap(({ id, nodes }) => {
      const [source, processor] = nodes
      if (!source || !isGlobalSource(source) || processor?.kind !== 'processor') return []
      const [storeName] = processor.stores
      return [
        { id, source, processor, topic: source.topics[0]!, store: this.stores.get(storeName!)! },
      ]
    })
  }

  #groups(): { id: number; nodes: NodeSpec[] }[] {
    const rootOf = new Map<string, string>()
    const root = (name: string): string => {
      let at = name
      for (;;) {
        const next = rootOf.get(at)
        if (next === undefined) return at
        at = next
      }
    }
    const unite = (a: string, b: string): void => {
      const from = root(a)
      const to = root(b)
      if (from !== to) rootOf.set(from, to)
    }
    const firstUser = new Map<string, string>()
    for (const node of this.nodes.values()) {
      for (const parent of node.parents) unite(node.name, parent)
      if (node.kind !== 'processor') continue
      for (const store of node.stores) {
        const user = firstUser.get(store)
        if (user === undefined) firstUser.set(store, node.name)
        else unite(node.name, user)
      }
    }
    const groups = new Map<string, NodeSpec[]>()
    for (const node of this.nodes.values()) {
      const group = groups.get(root(node.name))
      if (group) group.push(node)
      else groups.set(root(node.name), [node])
    }
    return [...groups.values()].map((nodes, id) => ({ id, nodes }))
  }

  /** @internal Says that what leads to these nodes must lie in partitions of one number. */
  copartition(nodes: readonly string[]): this {
    const topics = new Set<string>()
    const visit = (name: string): void => {
      const node = this.nodes.get(name)
      if (node?.kind === 'source') for (const topic of node.topics) topics.add(topic)
      else for (const parent of node?.parents ?? []) visit(parent)
    }
    for (const name of nodes) visit(name)
    this.copartitioned.push(topics)
    return this
  }

  /** @internal Whether a way leads from a node to one of others, also through internal topics. */
  leadsTo(from: string, targets: ReadonlySet<string>): boolean {
    const reached = new Set([from])
    for (const name of reached) {
      if (targets.has(name)) return true
      const node = this.nodes.get(name)
      for (const other of this.nodes.values()) {
        const isThroughTopic =
          node?.kind === 'sink' &&
          other.kind === 'source' &&
          typeof node.topic === 'string' &&
          this.internalTopics.has(node.topic) &&
          other.topics.includes(node.topic)
        if (isThroughTopic || other.parents.includes(name)) reached.add(other.name)
      }
    }
    return false
  }

  /** The topology as text, in the format of Java's `Topology.describe().toString()`. */
  describe(): string {
    return describeTopology(this.subTopologies(), this.globalTables())
  }

  #subTopology(id: number, nodes: readonly NodeSpec[]): SubTopology {
    const storeNames = new Set<string>()
    const sourceTopics: string[] = []
    const sinkTopics: string[] = []
    for (const node of nodes) {
      if (node.kind === 'source') sourceTopics.push(...node.topics)
      else if (node.kind === 'processor') for (const store of node.stores) storeNames.add(store)
      else if (typeof node.topic === 'string') sinkTopics.push(node.topic)
    }
    return {
      id,
      nodes,
      sourceTopics,
      sinkTopics,
      stores: [...storeNames].map((name) => this.stores.get(name)!),
    }
  }

  #addGlobalStore(name: string): this {
    this.#globalStores.add(name)
    return this
  }

  #requireStore(store: string, processor: string): void {
    if (!this.stores.has(store))
      throw topologyError(`there is no store ${store} for processor ${processor}; add it first`)
  }

  #add(node: NodeSpec): this {
    if (this.nodes.has(node.name)) throw topologyError(`a node ${node.name} exists already`)
    for (const parent of node.parents) {
      const spec = this.nodes.get(parent)
      if (!spec) throw topologyError(`${node.name} comes after ${parent}, which does not exist`)
      if (spec.kind === 'sink') throw topologyError(`${node.name} cannot come after sink ${parent}`)
    }
    this.nodes.set(node.name, node)
    return this
  }
}

const isGlobalSource = (node: NodeSpec): node is SourceSpec & { isGlobal: true } =>
  node.kind === 'source' && node.isGlobal === true
