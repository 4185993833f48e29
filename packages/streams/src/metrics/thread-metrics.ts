import { Sensor } from './sensor.ts'
import { MetricGroup, type StreamsMetric } from './streams-metric.ts'

/** What a stream thread measures of itself. Times in are those of a monotonic clock. */
export class ThreadMetrics {
  readonly #poll = new Sensor()
  readonly #pollRecords = new Sensor()
  readonly #process = new Sensor()
  readonly #processLatency = new Sensor()
  readonly #processTime = new Sensor()
  readonly #punctuate = new Sensor()
  readonly #commit = new Sensor()
  readonly #taskCreated = new Sensor()
  readonly #taskClosed = new Sensor()
  #blockedMs = 0

  /** Waits for Kafka. What others of the process do meanwhile counts as waiting, too. */
  async blocked<T>(waiting: () => Promise<T>): Promise<T> {
    const startMs = performance.now()
    try {
      return await waiting()
    } finally {
      this.#blockedMs += performance.now() - startMs
    }
  }

  /** A poll that took until now, and what it brought. */
  polled(startMs: number, recordCount: number): void {
    const nowMs = performance.now()
    this.#poll.record(nowMs - startMs, nowMs)
    this.#blockedMs += nowMs - startMs
    this.#pollRecords.record(recordCount, nowMs)
  }

  /** Records that were processed until now, in one round of the loop. */
  processed(startMs: number, recordCount: number): void {
    if (recordCount === 0) return
    const nowMs = performance.now()
    this.#process.record(recordCount, nowMs)
    this.#processTime.record(nowMs - startMs, nowMs)
    this.#processLatency.record((nowMs - startMs) / recordCount, nowMs)
  }

  punctuated(startMs: number): void {
    const nowMs = performance.now()
    this.#punctuate.record(nowMs - startMs, nowMs)
  }

  committed(startMs: number): void {
    const nowMs = performance.now()
    this.#commit.record(nowMs - startMs, nowMs)
  }

  taskCreated(): void {
    this.#taskCreated.record(1, performance.now())
  }

  taskClosed(): void {
    this.#taskClosed.record(1, performance.now())
  }

  collect(threadId: string): StreamsMetric[] {
    const nowMs = performance.now()
    return new MetricGroup('stream-thread-metrics', { 'thread-id': threadId }, nowMs)
      .avgAndMax('poll-latency', this.#poll)
      .invocations('poll', this.#poll)
      .add('poll-ratio', this.#poll.ratio(nowMs))
      .avgAndMax('poll-records', this.#pollRecords)
      .avgAndMax('process-latency', this.#processLatency)
      .sums('process', this.#process)
      .add('process-ratio', this.#processTime.ratio(nowMs))
      .avgAndMax('process-records', this.#process)
      .avgAndMax('punctuate-latency', this.#punctuate)
      .invocations('punctuate', this.#punctuate)
      .add('punctuate-ratio', this.#punctuate.ratio(nowMs))
      .avgAndMax('commit-latency', this.#commit)
      .invocations('commit', this.#commit)
      .add('commit-ratio', this.#commit.ratio(nowMs))
      .add('blocked-time-ns-total', Math.round(this.#blockedMs * 1e6))
      .invocations('task-created', this.#taskCreated)
      .invocations('task-closed', this.#taskClosed).metrics
  }
}
