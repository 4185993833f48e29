import { compareText, hashOrder, TreeSet } from './java-order.ts'
import type { GlobalTable, NodeSpec, SubTopology } from './topology.ts'

interface Described {
  readonly spec: NodeSpec
  /** Nodes on all ways that begin here, this one included. */
  size: number
  readonly before: TreeSet<Described>
  readonly after: TreeSet<Described>
}

const bySizeThenName = (a: Described, b: Described): number =>
  b.size - a.size || compareText(a.spec.name, b.spec.name)

/** Writes sub-topologies as Java's `TopologyDescription.toString()` does. */
export function describeTopology(
  subTopologies: readonly SubTopology[],
  globalTables: readonly GlobalTable[],
): string {
  const parts = [
    ...subTopologies.map((one) => ({ id: one.id, text: describeSubTopology(one) })),
    ...globalTables.map((one) => ({ id: one.id, text: describeGlobalTable(one) })),
  ].sort((a, b) => a.id - b.id)
  return `Topologies:\n ${parts.map(({ text }) => text).join('')}`
}

const describeGlobalTable = ({ id, source, processor, topic, store }: GlobalTable): string =>
  `  Sub-topology: ${id} for global store (will not generate tasks)\n` +
  `    Source: ${source.name} (topics: [${topic}])\n      --> ${processor.name}\n` +
  `    Processor: ${processor.name} (stores: [${store.name}])\n      --> none\n      <-- ${source.name}\n`

function describeSubTopology(subTopology: SubTopology): string {
  const described = new Map<string, Described>()
  const specs = new Map(subTopology.nodes.map((spec) => [spec.name, spec]))
  for (const name of hashOrder(specs.keys()))
    described.set(name, {
      spec: specs.get(name)!,
      size: 1,
      before: new TreeSet(bySizeThenName),
      after: new TreeSet(bySizeThenName),
    })
  // Neighbours are put in order while sizes still grow; the result depends on it.
  for (const node of described.values()) {
    for (const parentName of node.spec.parents) {
      const parent = described.get(parentName)!
      node.before.add(parent)
      parent.after.add(node)
      grow(parent, node.size)
    }
  }
  const lines = [...described.values()].sort(bySizeThenName).map(describeNode)
  return `  Sub-topology: ${subTopology.id}\n${lines.join('')}\n`
}

function grow(node: Described, by: number): void {
  node.size += by
  for (const parent of node.before) grow(parent, by)
}

function describeNode({ spec, before, after }: Described): string {
  const from = `      <-- ${names(before)}\n`
  const to = `      --> ${names(after)}\n`
  switch (spec.kind) {
    case 'source':
      return `    Source: ${spec.name} (topics: [${hashOrder(spec.topics).join(', ')}])\n${to}`
    case 'processor':
      return `    Processor: ${spec.name} (stores: [${hashOrder(spec.stores).join(', ')}])\n${to}${from}`
    case 'sink': {
      const target =
        typeof spec.topic === 'string'
          ? `topic: ${spec.topic}`
          : `extractor class: ${spec.topic.name || 'function'}`
      return `    Sink: ${spec.name} (${target})\n${from}`
    }
  }
}

const names = (nodes: Iterable<Described>): string =>
  [...nodes].map((node) => node.spec.name).join(', ') || 'none'
