import type { StateStore } from '../state/state-store.ts'
import { Sensor } from './sensor.ts'
import { MetricGroup, type StreamsMetric } from './streams-metric.ts'

type Scan = (...given: never[]) => Generator<unknown>

/** The methods of stores that all of their iterators come from. */
const scans = ['within', 'windowsOf', 'windowsWithin', 'sessionsOf', 'sessionsWithin']

/**
 * Measures a store's iterators from their first entry to their end, or until their loop is left. One that
 * is neither read to its end nor left counts as open as long as the store is there, as in Java.
 */
export class IteratorMetrics {
  /** By the clock on the wall, in the order in which they were opened. */
  readonly #openSinceMs = new Set<{ readonly sinceMs: number }>()
  readonly #durations = new Sensor()

  constructor(store: StateStore) {
    const methods = store as unknown as Record<string, Scan | undefined>
    for (const name of scans) {
      const method = methods[name]
      if (method) methods[name] = (...given) => this.#measured(method.apply(store, given))
    }
  }

  /** @param isDebug whether what Java records at DEBUG is wanted, too; durations are nanoseconds */
  collect(tags: Readonly<Record<string, string>>, isDebug: boolean): StreamsMetric[] {
    const [oldest] = this.#openSinceMs
    const group = new MetricGroup('stream-state-metrics', tags, performance.now())
      .add('num-open-iterators', this.#openSinceMs.size)
      .add('oldest-iterator-open-since-ms', oldest?.sinceMs ?? 0)
    if (isDebug) group.avgAndMax('iterator-duration', this.#durations)
    return group.metrics
  }

  *#measured(iterator: Generator<unknown>): Generator<unknown> {
    const startMs = performance.now()
    const open = { sinceMs: Math.floor(performance.timeOrigin + startMs) }
    this.#openSinceMs.add(open)
    try {
      yield* iterator
    } finally {
      this.#openSinceMs.delete(open)
      const nowMs = performance.now()
      this.#durations.record((nowMs - startMs) * 1e6, nowMs)
    }
  }
}
