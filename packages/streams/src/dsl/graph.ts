import { keyedOnlyProcessor } from '../processors/stateless.ts'
import type { Serde } from '../serdes/serde.ts'
import type { StoreSpec } from '../state/state-store.ts'
import { checkedName } from '../topology/names.ts'
import { type StreamPartitioner, Topology } from '../topology/topology.ts'
import type { KStream } from './kstream.ts'
import type { SerdesState } from './serdes-state.ts'

/** The topology that a builder's streams and tables write into, and the numbers in their names. */
export class Graph {
  readonly topology: Topology = new Topology()
  /** Where tables without a word about it are kept. */
  readonly persistentByDefault: boolean
  /** Makes a stream; given here so that tables need not know streams. */
  readonly newStream: <K, V, S extends SerdesState>(parts: StreamParts<K, V>) => KStream<K, V, S>
  readonly #usersOfNullKeys = new Set<string>()
  #next = 0

  constructor(
    persistentByDefault: boolean,
    newStream: <K, V, S extends SerdesState>(parts: StreamParts<K, V>) => KStream<K, V, S>,
  ) {
    this.persistentByDefault = persistentByDefault
    this.newStream = newStream
  }

  /** The given name, or the next one with this prefix. A number is used up either way, as in Java. */
  name(given: string | undefined, prefix: string): string {
    const generated = this.newName(prefix)
    return given === undefined ? generated : checkedName(given)
  }
  /** The given name with a suffix, or the next one with this prefix. A number is used up either way. */
  suffixed(given: string | undefined, suffix: string, prefix: string): string {
    const generated = this.newName(prefix)
    return given === undefined ? generated : checkedName(given) + suffix
  }
  /** The given name, which uses up no number where Java's does not, or the next one with this prefix. */
  ownName(given: string | undefined, prefix: string): string {
    return given === undefined ? this.newName(prefix) : checkedName(given)
  }
  newName(prefix: string): string {
    return prefix + String(this.#next++).padStart(10, '0')
  }
  newStoreName(prefix: string): string {
    return this.newName(`${prefix}STATE-STORE-`)
  }

  /**
   * Opens stores to a node: those of the names, and those that come along. As with Java's
   * `ConnectedStoreProvider`, several processors may bring one store.
   */
  connectStores(node: string, stores: readonly (string | StoreSpec)[] = []): void {
    for (const store of stores) {
      const name = typeof store === 'string' ? store : store.name
      if (typeof store !== 'string' && this.topology.stores.get(name) !== store)
        this.topology.addStateStore(store)
      this.topology.connectProcessorAndStateStores(node, name)
    }
  }

  /** Says that a node, a left or outer join, gives results for records without key (KIP-962). */
  usesNullKeys(node: string): void {
    this.#usersOfNullKeys.add(node)
  }

  /** Whether a record without key may come from this node to one that uses it. */
  isNullKeyUsed(node: string): boolean {
    return this.#usersOfNullKeys.size > 0 && this.topology.leadsTo(node, this.#usersOfNullKeys)
  }
}

/** What a stream or table is built on: a node, and the serdes that are known there. */
export interface Upstream<K, V> {
  readonly graph: Graph
  readonly node: string
  readonly keySerde: Serde<K> | undefined
  readonly valueSerde: Serde<V> | undefined
}

export interface StreamParts<K, V> extends Upstream<K, V> {
  /** Whether the key may have changed since the records were last partitioned by it. */
  readonly rekeyed: boolean
}

export interface RepartitionPlan<K, V> extends Upstream<K, V> {
  /** The topic's name without its suffix. */
  readonly prefix: string
  readonly partitions?: number | undefined
  readonly partitioner?: StreamPartitioner<K, V> | undefined
}

/**
 * Names for the nodes of a repartition. Their numbers are used up whether the names are needed or
 * not: Java does so, and later names agree.
 */
export const repartitionNames = (
  graph: Graph,
): { sink: string; filter: string; source: string } => ({
  sink: graph.newName('KSTREAM-SINK-'),
  filter: graph.newName('KSTREAM-FILTER-'),
  source: graph.newName('KSTREAM-SOURCE-'),
})

/**
 * Sends a stream through a topic of its own, so that records with one key meet in one task, and
 * gives the name of the source node behind it. Records without key end here.
 */
export function addRepartition<K, V>(plan: RepartitionPlan<K, V>): string {
  const { graph, prefix } = plan
  const suffix = '-repartition'
  const topic = prefix.endsWith(suffix) ? prefix : prefix + suffix
  const names = repartitionNames(graph)
  if (!/^KSTREAM.*-[0-9]{10}$/.test(prefix)) {
    names.sink = `${topic}-sink`
    names.filter = `${topic}-filter`
    names.source = `${topic}-source`
  }
  const keySerde = plan.keySerde as Serde<unknown> | undefined
  const valueSerde = plan.valueSerde as Serde<unknown> | undefined
  graph.topology
    .addInternalTopic({ name: topic, partitions: plan.partitions })
    .addNode(
      names.filter,
      keyedOnlyProcessor(() => graph.isNullKeyUsed(names.filter)),
      [plan.node],
    )
    .addSink({
      name: names.sink,
      parents: [names.filter],
      topic,
      keySerde,
      valueSerde,
      partitioner: plan.partitioner as StreamPartitioner<unknown, unknown> | undefined,
    })
    .addSource({
      name: names.source,
      topics: [topic],
      keySerde,
      valueSerde,
    })
  return names.source
}
