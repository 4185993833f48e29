import type { RawRecord } from '../record.ts'
import type { StreamTask } from '../runtime/task.ts'
import { KeyValueStore } from '../state/key-value-store.ts'
import { SessionStore } from '../state/session-store.ts'
import type { StateStore, StoreSpec } from '../state/state-store.ts'
import { SuppressBuffer } from '../state/suppress-buffer.ts'
import { Sensor } from './sensor.ts'
import { MetricGroup, type StreamsMetric } from './streams-metric.ts'

// What `metrics.recording.level` DEBUG measures beside. Each call costs two looks at the clock, so the
// methods are wrapped where it is asked for, and untouched where not. Latencies are nanoseconds, as in Java.

type Method = (...given: never[]) => unknown

interface MeasuredStore {
  readonly tags: Readonly<Record<string, string>>
  readonly calls: ReadonlyMap<string, Sensor>
}

/**
 * The methods by which stores are measured, with the names that Java has for what they do. Others go
 * through these, or give iterators, whose work is done later.
 */
const operations: Readonly<Record<string, string>> = {
  put: 'put',
  replace: 'put',
  add: 'put',
  remove: 'remove',
  flush: 'flush',
  restore: 'restore',
}

/** Looking a key up is called differently in each kind of store. */
const lookUp = (store: StateStore): string => (store instanceof KeyValueStore ? 'get' : 'fetch')

/** Measures a task and its stores. */
export class DebugMetrics {
  readonly #task: StreamTask
  readonly #processLatency = new Sensor()
  readonly #lateness = new Sensor()
  readonly #stores: MeasuredStore[] = []
  readonly #hitRatios = new Map<string, Sensor>()

  constructor(task: StreamTask) {
    this.#task = task
    this.#measureProcess()
    for (const { store, spec } of task.stores.values()) this.#measureStore(store, spec)
  }

  /** @param bufferCount records that wait for the task */
  collect(threadId: string, bufferCount: number): StreamsMetric[] {
    const nowMs = performance.now()
    const tags = { 'thread-id': threadId, 'task-id': this.#task.id }
    const metrics = new MetricGroup('stream-task-metrics', tags, nowMs)
      .invocations('process', this.#processLatency)
      .avgAndMax('process-latency', this.#processLatency)
      .avgAndMax('record-lateness', this.#lateness)
      .add('active-buffer-count', bufferCount).metrics
    for (const { tags: storeTags, calls } of this.#stores) {
      const group = new MetricGroup('stream-state-metrics', { ...tags, ...storeTags }, nowMs)
      for (const [name, sensor] of calls)
        group.add(`${name}-rate`, sensor.rate(nowMs)).avgAndMax(`${name}-latency`, sensor)
      metrics.push(...group.metrics)
    }
    metrics.push(...this.#cacheMetrics(tags, nowMs))
    return metrics
  }

  /** The share of reads that found their key in the record cache, as it was at each look. */
  #cacheMetrics(tags: Readonly<Record<string, string>>, nowMs: number): StreamsMetric[] {
    const metrics: StreamsMetric[] = []
    for (const [name, sensor] of this.#hitRatios) {
      const { hits = 0, misses = 0 } = this.#task.stores.get(name)?.store.cacheReads ?? {}
      if (hits + misses > 0) sensor.record(hits / (hits + misses), nowMs)
      const cacheTags = { ...tags, 'record-cache-id': name }
      metrics.push(
        ...new MetricGroup('stream-record-cache-metrics', cacheTags, nowMs)
          .avgAndMax('hit-ratio', sensor)
          .add('hit-ratio-min', sensor.min(nowMs)).metrics,
      )
    }
    return metrics
  }

  #measureProcess(): void {
    const task = this.#task
    const process = task.process.bind(task)
    task.process = (topic: string, partition: number, record: RawRecord): void => {
      const startMs = performance.now()
      try {
        process(topic, partition, record)
      } finally {
        const nowMs = performance.now()
        this.#processLatency.record((nowMs - startMs) * 1e6, nowMs)
        const lateMs = task.streamTimeMs - task.context.timestampMs
        if (task.context.timestampMs >= 0) this.#lateness.record(Math.max(0, lateMs), nowMs)
      }
    }
  }

  #measureStore(store: StateStore, spec: StoreSpec): void {
    // Of these Java measures how much they hold, and no calls.
    if (store instanceof SuppressBuffer) return
    if (store.cacheReads) this.#hitRatios.set(spec.name, new Sensor())
    const calls = new Map<string, Sensor>()
    const methods = store as unknown as Record<string, Method | undefined>
    for (const [name, operation] of Object.entries({ ...operations, find: lookUp(store) })) {
      const method = methods[name]
      if (!method) continue
      const sensor = calls.get(operation) ?? new Sensor()
      calls.set(operation, sensor)
      methods[name] = (...given) => {
        const startMs = performance.now()
        try {
          return method.apply(store, given)
        } finally {
          const nowMs = performance.now()
          sensor.record((nowMs - startMs) * 1e6, nowMs)
        }
      }
    }
    this.#stores.push({ tags: storeTags(store, spec), calls })
  }
}

/** How Java tags a store: by where it is, and its kind. */
export function storeTags(store: StateStore, spec: StoreSpec): Readonly<Record<string, string>> {
  return { [scopeOf(store, spec)]: spec.name }
}

function scopeOf(store: StateStore, spec: StoreSpec): string {
  const place = spec.persistent ? 'rocksdb' : 'in-memory'
  if (store instanceof KeyValueStore) return `${place}-state-id`
  return store instanceof SessionStore ? `${place}-session-state-id` : `${place}-window-state-id`
}
