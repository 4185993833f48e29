import { StreamsError } from '../errors.ts'
import { type Change, keptHeaders } from '../record.ts'
import type { Buffered, SuppressBuffer } from '../state/suppress-buffer.ts'
import type { NodeContext, NodeProcessor, ProcessorSupplier } from '../topology/processor-node.ts'
import type { Windowed } from '../windows.ts'
import type { TableEntry, TableView } from './table.ts'

/** How results are held back. */
export interface SuppressPlan {
  readonly storeName: string
  /** How long after its time a result leaves. */
  readonly waitMs: number
  /** Whether a result's time is its window's end, and results are final. */
  readonly untilWindowCloses: boolean
  readonly maxRecords: number
  readonly maxBytes: number
  readonly whenFull: 'emit-early' | 'shut-down'
}

/** Looks things up as they were before what is held back. */
export const suppressedView = (storeName: string, parent: TableView): TableView => ({
  storeNames: [storeName, ...parent.storeNames],
  open(context) {
    const buffer = context.store(storeName) as SuppressBuffer<unknown, unknown>
    const getter = parent.open(context)
    return (key): TableEntry | undefined => {
      const buffered = buffer.find(key)
      if (!buffered) return getter(key)
      // What was before has no time of its own, as in Java.
      const { priorValue } = buffered
      return priorValue === null ? undefined : { value: priorValue, timestampMs: -1 }
    }
  },
})

/** Holds a table's changes back until stream time says that they may leave. */
export const suppressProcessor =
  (plan: SuppressPlan): ProcessorSupplier =>
  (context) =>
    new SuppressProcessor(context, plan)

class SuppressProcessor implements NodeProcessor {
  readonly #context: NodeContext
  readonly #plan: SuppressPlan
  readonly #buffer: SuppressBuffer<unknown, unknown>
  #observedMs: number
  readonly #emit: (result: Buffered<unknown, unknown>) => void
  readonly #isDue: (timeMs: number) => boolean

  constructor(context: NodeContext, plan: SuppressPlan) {
    this.#context = context
    this.#plan = plan
    this.#buffer = context.store(plan.storeName) as SuppressBuffer<unknown, unknown>
    this.#observedMs = context.streamTimeMs()
    this.#emit = (result) => this.#forward(result)
    this.#isDue = (timeMs) => timeMs <= this.#observedMs - plan.waitMs
  }

  process(key: unknown, value: unknown, timestampMs: number): void {
    if (timestampMs > this.#observedMs) this.#observedMs = timestampMs
    const timeMs = this.#plan.untilWindowCloses
      ? (key as Windowed<unknown>).window.endMs
      : timestampMs
    const { topic, partition, offset, carriedHeaders } = this.#context.record
    this.#buffer.put(timeMs, this.#buffer.identity(key), key, value as Change<unknown>, {
      timestampMs,
      topic,
      partition,
      offset,
      headers: keptHeaders(carriedHeaders),
    })
    this.#release()
  }

  advanceStreamTime(timeMs: number): void {
    if (!this.#plan.untilWindowCloses || timeMs <= this.#observedMs) return
    this.#observedMs = timeMs
    this.#release()
  }

  nextEmitMs(): number | undefined {
    const { minTimeMs } = this.#buffer
    if (minTimeMs === undefined || !this.#plan.untilWindowCloses) return undefined
    return minTimeMs + this.#plan.waitMs
  }

  #release(): void {
    this.#buffer.evictWhile(this.#isDue, this.#emit)
    if (!this.#isFull()) return
    if (this.#plan.whenFull === 'shut-down') {
      const { size, byteCount } = this.#buffer
      const { maxRecords, maxBytes } = this.#plan
      throw new StreamsError(
        'STREAMS_BUFFER_FULL',
        `${this.#context.nodeName}: ${size} results wait, at most ${maxRecords} may, with ${byteCount} bytes, at most ${maxBytes}; raise the bound or let the buffer emit early`,
      )
    }
    this.#buffer.evictWhile(() => this.#isFull(), this.#emit)
  }

  #isFull(): boolean {
    const { maxRecords, maxBytes } = this.#plan
    return this.#buffer.size > maxRecords || this.#buffer.byteCount > maxBytes
  }

  #forward(result: Buffered<unknown, unknown>): void {
    // A window that ended without a value is not worth a tombstone: nothing came out of it before.
    if (this.#plan.untilWindowCloses && result.newValue === null) return
    this.#context.metrics.suppressionEmits.record(1, this.#context.nowMs())
    const { record } = this.#context
    const { topic, partition, offset, timestampMs, carriedHeaders, rawKey, rawValue } = record
    const from = result.context
    record.set(from.topic, from.partition, from.offset, from.timestampMs, from.headers)
    record.rawKey = null
    record.rawValue = null
    this.#context.forward(
      result.key,
      { newValue: result.newValue, oldValue: result.oldValue },
      from.timestampMs,
    )
    record.set(topic, partition, offset, timestampMs, carriedHeaders)
    record.rawKey = rawKey
    record.rawValue = rawValue
  }
}
