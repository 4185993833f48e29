import { keySerdeOr, valueSerdeOr } from '../serdes/defaults.ts'
import { bareEnvironment, type SerdeSettings } from '../state/bare-environment.ts'
import type { Topology } from './topology.ts'

/**
 * Looks for a serde that is missing, before anything runs.
 *
 * @throws StreamsError `STREAMS_TOPOLOGY_INVALID`, with the node or the store that needs it
 */
export function checkSerdes(topology: Topology, settings: SerdeSettings): void {
  for (const node of topology.nodes.values()) {
    if (node.kind === 'processor') continue
    keySerdeOr(node.keySerde, settings['default.key.serde'], node.name)
    valueSerdeOr(node.valueSerde, settings['default.value.serde'], node.name)
  }
  for (const store of topology.stores.values()) store.create(bareEnvironment(store.name, settings))
}
