import type { RecordContext, RecordHeaders } from '../record.ts'
import type { KeyValueStore } from '../state/key-value-store.ts'
import type { SessionStore } from '../state/session-store.ts'
import type { WindowStore } from '../state/window-store.ts'
import type { Cancellable, PunctuationType } from '../topology/processor-node.ts'

/** A record as a processor gets and gives it. */
export interface StreamRecord<K, V> {
  readonly key: K
  readonly value: V
  readonly timestampMs: number
  readonly headers: RecordHeaders
}

/**
 * A record that a processor gives; without headers of its own it has those of the one under work (none
 * within a punctuator).
 */
export interface ForwardedRecord<K, V> extends Omit<StreamRecord<K, V>, 'headers'> {
  readonly headers?: RecordHeaders
}

/** Where a record came from. */
export type RecordMetadata = Readonly<Pick<RecordContext, 'topic' | 'partition' | 'offset'>>

/** What a processor can reach. */
export interface ProcessorContext<K, V> {
  readonly applicationId: string
  readonly taskId: string
  /** The record that came from a topic and led here; none within a punctuator. Copy what outlives the call. */
  readonly recordMetadata: RecordMetadata | undefined
  /** Sends a record on: to every node that follows, or to the one named. */
  forward(record: ForwardedRecord<K, V>, child?: string): void
  /** A key-value store that the processor is connected to. */
  keyValueStore<SK, SV>(name: string): KeyValueStore<SK, SV>
  /** A window store that the processor is connected to. */
  windowStore<SK, SV>(name: string): WindowStore<SK, SV>
  /** A session store that the processor is connected to. */
  sessionStore<SK, SV>(name: string): SessionStore<SK, SV>
  /** The highest timestamp that the task has seen; -1 before the first record. */
  streamTimeMs(): number
  nowMs(): number
  /** Calls back whenever the time of this kind has moved on by the interval. */
  schedule(
    intervalMs: number,
    type: PunctuationType,
    callback: (timestampMs: number) => void,
  ): Cancellable
  /** Asks for a commit as soon as may be, ahead of `commit.interval.ms`. */
  commit(): void
}

/** Work that the operators do not cover. One per task; synchronous. */
export interface Processor<KIn, VIn, KOut, VOut> {
  init?(context: ProcessorContext<KOut, VOut>): void
  process(record: StreamRecord<KIn, VIn>): void
  close?(): void
}

/** What a processor that leaves keys as they are can reach. */
export interface ValuesProcessorContext<K, V> extends Omit<ProcessorContext<K, V>, 'forward'> {
  /** Sends on a value in place of the one under work; a punctuator has none, and cannot forward. */
  forward(value: V, changes?: { timestampMs?: number; headers?: RecordHeaders }): void
}

/** As {@link Processor}, but keys stay, so that nothing has to be repartitioned. */
export interface ValuesProcessor<K, VIn, VOut> {
  init?(context: ValuesProcessorContext<K, VOut>): void
  process(record: StreamRecord<K, VIn>): void
  close?(): void
}
