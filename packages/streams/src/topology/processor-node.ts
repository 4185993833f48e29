import type { NodeMetrics } from '../metrics/node-metrics.ts'
import type { CarriedHeaders, TaskRecord } from '../record.ts'
import type { Serde } from '../serdes/serde.ts'
import type { StateStore } from '../state/state-store.ts'

/** What moves a punctuator: the records' time, or the clock on the wall. */
export type PunctuationType = 'stream-time' | 'wall-clock-time'

/** A punctuation that can be ended. */
export interface Cancellable {
  cancel(): void
}

/** Why a record changes nothing; counted by these names. */
export type DropReason = 'null-key' | 'null-value' | 'late' | 'timestamp' | 'error'

/** What a node of a running task can reach. */
export interface NodeContext {
  readonly nodeName: string
  readonly applicationId: string
  readonly taskId: string
  readonly metrics: NodeMetrics
  /** The record under work. One object per task: copy what outlives the call. */
  readonly record: TaskRecord
  forward(key: unknown, value: unknown, timestampMs: number): void
  forwardTo(child: string, key: unknown, value: unknown, timestampMs: number): void
  /** As `forward`, with headers of its own. */
  forwardWithHeaders(
    key: unknown,
    value: unknown,
    timestampMs: number,
    headers: CarriedHeaders,
    child?: string,
  ): void
  store(name: string): StateStore
  keySerde<K>(given: Serde<K> | undefined): Serde<K>
  valueSerde<V>(given: Serde<V> | undefined): Serde<V>
  /** The highest timestamp that the task has seen; -1 before the first record. */
  streamTimeMs(): number
  nowMs(): number
  /** How far apart, by the clock on the wall, looks for windows that have closed are. */
  readonly emitIntervalMs: number
  schedule(
    intervalMs: number,
    type: PunctuationType,
    callback: (timestampMs: number) => void,
  ): Cancellable
  /**
   * Goes on with a result that is waited for, when those of the task's earlier records have gone on. A
   * failure goes to the processing exception handler.
   */
  defer(work: Promise<unknown>, resume: (result: unknown) => void): void
  drop(reason: DropReason): void
  /** Asks for a commit as soon as may be. */
  commit(): void
  /** Times that processors keep under names of their own; they go into the commit. */
  readonly processorTimes: Map<string, number>
}

/** A node's work. One per task; synchronous. */
export interface NodeProcessor {
  process(key: unknown, value: unknown, timestampMs: number): void
  /**
   * Called when the input has been silent for so long that windows may close by the clock: stream
   * time moves to `timeMs` as if a record of that time had come.
   */
  advanceStreamTime?(timeMs: number): void
  /** The earliest time at which stream time makes this node emit; undefined where nothing waits. */
  nextEmitMs?(): number | undefined
  close?(): void
}

/** Makes a node's work for one task, once its context and stores are there. */
export type ProcessorSupplier = (context: NodeContext) => NodeProcessor
