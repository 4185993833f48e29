import { topologyError } from '../errors.ts'
import type { Aggregation, TableFlags } from '../processors/aggregate.ts'
import { sessionAggregateProcessor, sessionView } from '../processors/session-aggregate.ts'
import { slidingAggregateProcessor } from '../processors/sliding-aggregate.ts'
import type { TableView } from '../processors/table.ts'
import { windowAggregateProcessor, windowView } from '../processors/window-aggregate.ts'
import type { Serde } from '../serdes/serde.ts'
import { sessionWindowedSerde, timeWindowedSerde } from '../serdes/windowed.ts'
import { sessionStore } from '../state/session-store.ts'
import type { StoreSpec } from '../state/state-store.ts'
import { windowStore } from '../state/window-store.ts'
import type { ProcessorSupplier } from '../topology/processor-node.ts'
import {
  type EmitStrategy,
  type SessionWindows,
  SlidingWindows,
  type TimeWindows,
  type Windowed,
} from '../windows.ts'
import type { Graph } from './graph.ts'
import type { Materialized } from './options.ts'
import { keptAs } from './table-store.ts'

/** What one kind of windows asks of an aggregation: its store, its work, and the keys of its results. */
export interface Windowing {
  /** How long after its end a window takes records. */
  readonly graceMs: number
  windowedSerde<K>(inner: Serde<K>): Serde<Windowed<K>>
  /** The store; `materialized` has the serdes that are known. */
  storeOf<K, A>(graph: Graph, storeName: string, materialized: Materialized<K, A>): StoreSpec
  viewOf(storeName: string): TableView
  workOf(storeName: string, aggregation: Aggregation, flags: TableFlags): ProcessorSupplier
}

/** Windows of a fixed size, aligned to the epoch or moving with the records. */
export function timeWindowing(
  windows: TimeWindows | SlidingWindows,
  emit: EmitStrategy,
): Windowing {
  const { graceMs } = windows
  const isSliding = windows instanceof SlidingWindows
  const sizeMs = isSliding ? windows.timeDifferenceMs : windows.sizeMs
  // A sliding window may have to be made of those that began as long before again.
  const neededMs = isSliding ? 2 * sizeMs + graceMs : sizeMs + graceMs
  const isFinal = emit === 'on-window-close'
  return {
    graceMs,
    windowedSerde: (inner) => timeWindowedSerde(inner, sizeMs),
    storeOf: (graph, name, materialized) =>
      windowStore({
        name,
        windowSizeMs: sizeMs,
        retentionMs: retentionOf(
          materialized,
          neededMs,
          isSliding ? 'twice the windows' : 'the windows',
        ),
        keySerde: materialized.keySerde,
        valueSerde: materialized.valueSerde,
        ...keptAs(graph, materialized, isSliding && isFinal),
        isForFinalResults: isFinal,
        isHeld: isFinal && !isSliding,
      }),
    viewOf: windowView,
    workOf: (storeName, aggregation, flags) =>
      isSliding
        ? slidingAggregateProcessor({ storeName, windows, emit, aggregation, flags })
        : windowAggregateProcessor({ storeName, windows, emit, aggregation, flags }),
  }
}

/** Sessions; `merge` makes one aggregate of those of two sessions that have become one. */
export function sessionWindowing(
  windows: SessionWindows,
  emit: EmitStrategy,
  merge: (key: unknown, one: unknown, other: unknown) => unknown,
): Windowing {
  const graceMs = windows.graceMs + windows.inactivityGapMs
  return {
    graceMs,
    windowedSerde: sessionWindowedSerde,
    storeOf: (graph, name, materialized) =>
      sessionStore({
        ...keptAs(graph, materialized, emit === 'on-window-close'),
        name,
        retentionMs: retentionOf(materialized, graceMs, 'the inactivity gap'),
        keySerde: materialized.keySerde,
        valueSerde: materialized.valueSerde,
      }),
    viewOf: sessionView,
    workOf: (storeName, aggregation, flags) =>
      sessionAggregateProcessor({ storeName, windows, emit, aggregation, flags, merge }),
  }
}

function retentionOf(
  { retentionMs }: { readonly retentionMs?: number | undefined },
  neededMs: number,
  what: string,
): number {
  if (retentionMs === undefined) return neededMs
  if (retentionMs >= neededMs) return retentionMs
  throw topologyError(
    `retentionMs of ${retentionMs} ms is shorter than ${what} and their grace, ${neededMs} ms`,
  )
}
