import { topologyError } from '../errors.ts'
import type { TableView } from '../processors/table.ts'
import { streamTableJoinProcessor } from '../processors/table-join.ts'
import type { Graph } from './graph.ts'
import type { TableParts } from './ktable.ts'
import type { Joined } from './options.ts'
import { type JoinedStream, repartitionForJoin } from './stream-join.ts'

type Joiner = (value: unknown, tableValue: unknown, key: unknown) => unknown

export interface StreamTableJoin<K, V> {
  readonly stream: JoinedStream<K, V>
  readonly table: TableParts<K, unknown>
  readonly isLeft: boolean
  readonly joiner: Joiner
  readonly joined: Joined<K, V>
}

/** Adds a join of a stream with a table of its partitions, and gives the node of its results. */
export function addTableJoin<K, V>(join: StreamTableJoin<K, V>): string {
  const { stream, table, isLeft, joiner, joined } = join
  const { graph } = stream
  if ('gracePeriodMs' in joined || 'gracePeriod' in joined)
    throw topologyError(
      `${stream.node}: a grace period for a join with a table needs a versioned table, which is not supported yet`,
    )
  const keySerde = joined.keySerde ?? stream.keySerde
  const valueSerde = joined.valueSerde ?? stream.valueSerde
  const parent = repartitionForJoin(stream, joined.name, keySerde, valueSerde)
  graph.topology.copartition([parent, table.node])
  const node = graph.name(joined.name, isLeft ? 'KSTREAM-LEFTJOIN-' : 'KSTREAM-JOIN-')
  addLookup(graph, node, parent, { view: table.view(), isLeft, keyOf: (key) => key, joiner })
  return node
}

/** How a record of a stream finds the value of a table. */
export interface Lookup {
  readonly view: TableView
  readonly isLeft: boolean
  readonly keyOf: (key: unknown, value: unknown) => unknown
  readonly joiner: Joiner
}

/** Adds a node that looks up what a table has for each record. */
export function addLookup(graph: Graph, node: string, parent: string, lookup: Lookup): void {
  const { joiner, view, isLeft } = lookup
  const work = streamTableJoinProcessor({
    ...lookup,
    joiner: (key, value, tableValue) => joiner(value, tableValue, key),
  })
  graph.topology.addNode(node, work, [parent], view.storeNames)
  if (isLeft) graph.usesNullKeys(node)
}
