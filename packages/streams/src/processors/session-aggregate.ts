import { Change, noHeaders } from '../record.ts'
import type { Session, SessionStore } from '../state/session-store.ts'
import { windowedOf } from '../state/session-store.ts'
import type { NodeContext, NodeProcessor, ProcessorSupplier } from '../topology/processor-node.ts'
import { type SessionWindows, Windowed } from '../windows.ts'
import { FinalResults } from './final-results.ts'
import type { TableView } from './table.ts'
import type { WindowAggregatePlan } from './window-aggregate.ts'

export interface SessionAggregatePlan extends WindowAggregatePlan<SessionWindows> {
  /** Makes one aggregate of those of two sessions that have become one. */
  readonly merge: (key: unknown, one: unknown, other: unknown) => unknown
}

/** Aggregates by key and session. Records without key, and those of closed sessions, change nothing. */
export const sessionAggregateProcessor =
  (plan: SessionAggregatePlan): ProcessorSupplier =>
  (context) =>
    new SessionAggregateProcessor(context, plan)

/** Looks things up in a store of sessions. */
export const sessionView = (storeName: string): TableView => ({
  storeNames: [storeName],
  open(context) {
    const store = context.store(storeName) as SessionStore<unknown, unknown>
    return (key) => {
      const { key: inner, window } = key as Windowed<unknown>
      const value = store.fetchSession(inner, window.startMs, window.endMs)
      return value === undefined ? undefined : { value, timestampMs: window.endMs }
    }
  },
})

class SessionAggregateProcessor implements NodeProcessor {
  readonly #context: NodeContext
  readonly #plan: SessionAggregatePlan
  readonly #store: SessionStore<unknown, unknown>
  readonly #sendOldValues: boolean
  readonly #finals: FinalResults | undefined
  readonly #isHeldBack: boolean = false
  /** Where the task was before a restart, so that a late record stays late. */
  #observedMs: number

  constructor(context: NodeContext, plan: SessionAggregatePlan) {
    this.#context = context
    this.#plan = plan
    this.#store = context.store(plan.storeName) as SessionStore<unknown, unknown>
    this.#sendOldValues = plan.flags.sendOldValues
    this.#observedMs = context.streamTimeMs()
    if (plan.emit === 'on-window-close') this.#finals = new FinalResults(context, plan.storeName)
    else
      this.#isHeldBack = this.#store.holdBack({
        sendOldValues: this.#sendOldValues,
        forward: (session, oldValue) =>
          context.forward(windowedOf(session), new Change(session.value, oldValue), session.endMs),
      })
  }

  process(key: unknown, value: unknown, timestampMs: number): void {
    if (key === null) {
      this.#context.drop('null-key')
      return
    }
    if (timestampMs > this.#observedMs) this.#observedMs = timestampMs
    const { windows, aggregation, merge } = this.#plan
    const { inactivityGapMs, graceMs } = windows
    const closeTimeMs = this.#observedMs - graceMs - inactivityGapMs
    const merged = this.#store.find(
      key,
      timestampMs - inactivityGapMs,
      timestampMs + inactivityGapMs,
    )
    let startMs = timestampMs
    let endMs = timestampMs
    let aggregate = aggregation.initial()
    for (const session of merged) {
      aggregate = merge(key, aggregate, session.value)
      startMs = Math.min(startMs, session.startMs)
      endMs = Math.max(endMs, session.endMs)
    }
    if (endMs < closeTimeMs) this.#context.drop('late')
    else {
      // Where only a session of this very time was found, it is overwritten.
      if (startMs !== timestampMs || endMs !== timestampMs)
        for (const session of merged) this.#remove(session, timestampMs)
      aggregate = aggregation.add(key, value, aggregate)
      this.#store.put(key, startMs, endMs, aggregate, timestampMs)
      this.#forward(new Windowed(key, { startMs, endMs }), null, aggregate)
    }
    if (this.#finals?.isDue(closeTimeMs)) this.#emitFinal(this.#finals, closeTimeMs)
  }

  advanceStreamTime(timeMs: number): void {
    if (timeMs <= this.#observedMs) return
    this.#observedMs = timeMs
    // Both ends belong to a session: it is over 1 ms after its end.
    const { inactivityGapMs, graceMs } = this.#plan.windows
    const closeTimeMs = timeMs + 1 - graceMs - inactivityGapMs
    if (this.#finals?.isBehind(closeTimeMs)) this.#emitFinal(this.#finals, closeTimeMs)
  }

  nextEmitMs(): number | undefined {
    if (!this.#finals) return undefined
    const endMs = this.#store.firstEndMs(Math.max(0, this.#finals.emittedMs))
    const { inactivityGapMs, graceMs } = this.#plan.windows
    return endMs === undefined ? undefined : endMs + inactivityGapMs + graceMs
  }

  #remove(session: Session<unknown, unknown>, changedMs: number): void {
    const { key, startMs, endMs, value } = session
    this.#store.remove(key, startMs, endMs, changedMs)
    this.#forward(windowedOf(session), value, null)
  }

  #emitFinal(finals: FinalResults, closeTimeMs: number): void {
    const upperMs = closeTimeMs - 1
    const lowerMs = Math.max(0, finals.emittedMs)
    if (upperMs < 0 || upperMs < lowerMs) return
    finals.measured(() => {
      const ended = this.#store.findByEnd(lowerMs, upperMs)
      for (const session of ended)
        this.#context.forward(windowedOf(session), new Change(session.value, null), session.endMs)
      return ended.length
    })
    finals.closed(closeTimeMs)
  }

  /** A session's result has the time of its end and, as in Java, no headers where it is not held back. */
  #forward(windowed: Windowed<unknown>, oldValue: unknown, newValue: unknown): void {
    if (this.#finals || this.#isHeldBack) return
    this.#context.forwardWithHeaders(
      windowed,
      new Change(newValue, this.#sendOldValues ? oldValue : null),
      windowed.window.endMs,
      noHeaders,
    )
  }
}
