import type { HeaderBlock } from '@khlong/kafka-client'
import type { CarriedHeaders, RecordHeaders } from '../record.ts'
import { Sensor } from './sensor.ts'
import { MetricGroup, type StreamsMetric } from './streams-metric.ts'

/** What a source has taken from a topic, or a sink handed to the producer. */
export class TopicTotals {
  records = 0
  bytes = 0
  readonly #fixedBytes: number

  constructor(topic: string) {
    // As Java counts a record: with its topic, partition, offset and time.
    this.#fixedBytes = Buffer.byteLength(topic) + 4 + 8 + 8
  }

  add(key: Buffer | null, value: Buffer | null, headers: CarriedHeaders): void {
    this.records++
    this.bytes += this.#fixedBytes + (key?.byteLength ?? 0) + (value?.byteLength ?? 0)
    const bytes = headerBytes(headers)
    if (bytes > 0) this.bytes += bytes
  }
}

function headerBytes(headers: CarriedHeaders): number {
  if (Array.isArray(headers)) {
    let bytes = 0
    for (const [key, value] of headers as RecordHeaders)
      bytes += Buffer.byteLength(key) + (value?.byteLength ?? 0)
    return bytes
  }
  // Without the lengths of keys and values, which take a byte each up to 63.
  const { count, byteCount } = headers as HeaderBlock
  return byteCount - 2 * count
}

/** What a node gave out of what it held back. */
class Emits {
  readonly records: Sensor = new Sensor()
  readonly latency: Sensor = new Sensor()
}

/**
 * How old records are when a node gets them, in milliseconds by the clock on the wall. Of each record
 * only its time is added up; the clock is looked at once for many.
 */
export class RecordLatency {
  readonly sensor: Sensor = new Sensor()
  #count = 0
  /** The sum of the records' times, the earliest and the latest. In an array of doubles none is made anew. */
  readonly #times = new Float64Array([0, Infinity, -Infinity])

  add(timestampMs: number): void {
    const times = this.#times
    this.#count++
    times[0]! += timestampMs
    if (timestampMs < times[1]!) times[1] = timestampMs
    if (timestampMs > times[2]!) times[2] = timestampMs
  }

  /** Measures what was added by the clock as it was then. */
  settle(lookMs: number): void {
    const count = this.#count
    if (count === 0) return
    const [sum = 0, min = 0, max = 0] = this.#times
    const ages = { count, sum: count * lookMs - sum, min: lookMs - max, max: lookMs - min }
    this.sensor.recordMany(ages, lookMs)
    this.#count = 0
    this.#times.set([0, Infinity, -Infinity])
  }
}

/** What is measured of one node of a task. */
export class NodeMetrics {
  /** At sources and at nodes that nothing follows. */
  recordLatency: RecordLatency | undefined
  #suppressionEmits: Sensor | undefined
  #finalEmits: Emits | undefined
  readonly #topics = new Map<string, TopicTotals>()

  /** What a source has taken from a topic, or a sink given to it. */
  topic(name: string): TopicTotals {
    const known = this.#topics.get(name)
    if (known) return known
    const totals = new TopicTotals(name)
    this.#topics.set(name, totals)
    return totals
  }

  /** Counts what suppress lets go of, from its beginning on. */
  get suppressionEmits(): Sensor {
    this.#suppressionEmits ??= new Sensor()
    return this.#suppressionEmits
  }

  /** Counts final results of windows, and how long it takes to give them, from its beginning on. */
  get finalEmits(): Emits {
    this.#finalEmits ??= new Emits()
    return this.#finalEmits
  }

  /**
   * @param nowMs by the clock on the wall
   * @param isDebug whether what Java records at DEBUG is wanted, too
   */
  collect(
    node: { readonly tags: Readonly<Record<string, string>>; readonly isSource: boolean },
    nowMs: number,
    isDebug: boolean,
  ): StreamsMetric[] {
    const { tags, isSource } = node
    const group = new MetricGroup('stream-processor-node-metrics', tags, nowMs)
    const latency = this.recordLatency?.sensor
    if (latency)
      group
        .avgAndMax('record-e2e-latency', latency)
        .add('record-e2e-latency-min', latency.min(nowMs))
    if (isDebug) {
      if (latency && isSource) group.invocations('process', latency)
      if (this.#suppressionEmits) group.invocations('suppression-emit', this.#suppressionEmits)
      if (this.#finalEmits)
        group
          .sums('window-aggregate-final-emit', this.#finalEmits.records)
          .avgAndMax('window-aggregate-final-emit-latency', this.#finalEmits.latency)
    }
    const direction = isSource ? 'consumed' : 'produced'
    for (const [topic, { records, bytes }] of this.#topics)
      group.metrics.push(
        ...new MetricGroup('stream-topic-metrics', { ...tags, topic }, nowMs)
          .add(`records-${direction}-total`, records)
          .add(`bytes-${direction}-total`, bytes).metrics,
      )
    return group.metrics
  }
}
