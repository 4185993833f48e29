import type { Aggregation, TableFlags } from '../processors/aggregate.ts'
import type { TableView } from '../processors/table.ts'
import { longSerde } from '../serdes/serde.ts'
import type { StoreSpec } from '../state/state-store.ts'
import type { ProcessorSupplier } from '../topology/processor-node.ts'
import { addRepartition, type Graph, repartitionNames, type Upstream } from './graph.ts'
import { type Materialized, saysHow } from './options.ts'

/** @internal */
export interface GroupParts<K, V> extends Upstream<K, V> {
  readonly rekeyed: boolean
  readonly name: string | undefined
}

export const counting: Aggregation = {
  initial: () => 0,
  add: (_key, _value, count) => (count as number) + 1,
}

export const reducing = <V>(reducer: (a: V, b: V) => V): Aggregation => ({
  initial: () => null,
  add: (_key, value, reduced) => (reduced === null ? value : reducer(reduced as V, value as V)),
})

export const aggregating = <K, V, A>(
  initial: () => A,
  aggregator: (key: K, value: V, aggregate: A) => A,
): Aggregation => ({
  initial,
  add: (key, value, aggregate) => aggregator(key as K, value as V, aggregate as A),
})

/**
 * How a count is kept. Java uses up one more number where something is said about it, but no name.
 */
export function countKept<K>(
  graph: Graph,
  given: Materialized<K, number>,
): Materialized<K, number> {
  if (given.storeName === undefined && saysHow(given)) graph.newStoreName('KSTREAM-AGGREGATE-')
  return { valueSerde: longSerde, ...given }
}

/** What an aggregation adds to the topology. */
export interface AggregatePlan<K, A> {
  readonly prefix: string
  readonly materialized: Materialized<K, A>
  readonly storeOf: (storeName: string) => StoreSpec
  readonly viewOf: (storeName: string) => TableView
  readonly workOf: (storeName: string, flags: TableFlags) => ProcessorSupplier
}

/** Where an aggregation can be found in the topology. */
export interface Aggregated {
  readonly node: string
  readonly view: () => TableView
  readonly enableOldValues: () => boolean
}

/** Builds aggregations; a named group shares its repartition topic between them. */
export class GroupBuilder<K, V> {
  readonly parts: GroupParts<K, V>
  #repartitioned: string | undefined

  constructor(parts: GroupParts<K, V>) {
    this.parts = parts
  }

  build<A>(plan: AggregatePlan<K, A>): Aggregated {
    const { graph } = this.parts
    const storeName = plan.materialized.storeName ?? graph.newStoreName(plan.prefix)
    const node = graph.name(plan.materialized.name, plan.prefix)
    const flags: TableFlags = { sendOldValues: false }
    const parent = this.repartitioned(storeName)
    graph.topology
      .addNode(node, plan.workOf(storeName, flags), [parent])
      .addStateStore(plan.storeOf(storeName), node)
    return {
      node,
      view: () => plan.viewOf(storeName),
      enableOldValues: () => {
        flags.sendOldValues = true
        return true
      },
    }
  }

  /** The node behind which records lie by their keys; `storeName` names the topic of a group without a name. */
  repartitioned(storeName: string): string {
    const { graph, node, rekeyed, name } = this.parts
    if (!rekeyed) return node
    if (this.#repartitioned !== undefined && name !== undefined) {
      repartitionNames(graph)
      return this.#repartitioned
    }
    this.#repartitioned = addRepartition({ ...this.parts, prefix: name ?? storeName })
    return this.#repartitioned
  }
}
