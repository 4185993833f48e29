import type { KafkaRecord, SinkRecord } from '../data/record.ts'
import { ConnectError } from '../errors.ts'
import type { SinkTask } from '../plugin.ts'
import type { ConversionFailure } from './conversion.ts'
import { type Failure, letterOf } from './dead-letters.ts'
import type {
  OutgoingRecord,
  Position,
  RecordReader,
  RecordWriter,
  TopicPartition,
} from './kafka.ts'
import { pause } from './pause.ts'
import type { RunnerOptions } from './runner-options.ts'

export interface SinkRunnerOptions extends RunnerOptions {
  readonly groupId: string
  readonly topics: readonly string[]
  readonly topicsRegex: string
  readonly consumerOverrides: Readonly<Record<string, string>>
}

// How long a stop waits at most for records that do not come.
const pollMs = 250

/**
 * Runs a sink task: fetch, convert, transform, put, flush, commit.
 *
 * Invariants:
 * - An offset is committed only after everything before it was put, flushed, or is durable as a dead
 *   letter, so a crash repeats records and loses none.
 * - One batch is under way at a time; a slow target slows the fetching.
 */
export class SinkRunner {
  readonly #options: SinkRunnerOptions
  readonly #stopping = new AbortController()
  #task: SinkTask | undefined
  #reader: RecordReader | undefined
  #writer: RecordWriter | undefined
  /** Next offsets of what was put since the last commit. */
  readonly #positions = new Map<string, Position>()
  #deadLetters: OutgoingRecord[] = []
  #lastFlushMs = 0
  #busy: Promise<void> = Promise.resolve()
  #note: string | undefined
  readonly #topics = new Set<string>()

  constructor(options: SinkRunnerOptions) {
    this.#options = options
  }

  /** Why nothing moves, while the runner tries again. */
  get note(): string | undefined {
    return this.#note ?? this.#task?.note
  }

  /** Runs until `stop`. @throws what failed the task. */
  async run(task: SinkTask): Promise<void> {
    const { kafka, groupId, clientId, topics, topicsRegex, consumerOverrides, policy } =
      this.#options
    this.#task = task
    try {
      await task.start()
      if (policy.deadLetterTopic !== undefined) this.#writer = await kafka.writer(clientId, {})
      this.#reader = await kafka.reader(
        { groupId, clientId, topics, topicsRegex, overrides: consumerOverrides },
        { onRevoked: (partitions) => this.#onRevoked(partitions) },
      )
      this.#lastFlushMs = this.#options.clock.monotonicMs()
      while (!this.#stopping.signal.aborted) await this.#step(this.#reader)
      await this.#flushAndCommit()
    } finally {
      this.#stopping.abort()
      await this.#reader?.close()
      await this.#writer?.close()
      await task.stop()
    }
  }

  /** Asks `run` to end: what was put is flushed and committed. */
  stop(): void {
    this.#stopping.abort()
  }

  /** Ends what does not end by itself: the task's connections are closed under it. */
  async cut(): Promise<void> {
    await this.#task?.stop()
  }

  /** Puts one record that the task itself refused into the way of errors. */
  reportErrant(record: SinkRecord, error: Error): void {
    const className = this.#task?.constructor.name ?? 'SinkTask'
    this.#handle(record.origin, { stage: 'TASK_PUT', className, error })
  }

  async #step(reader: RecordReader): Promise<void> {
    const { counters, clock, flushIntervalMs } = this.#options
    const untilFlushMs = this.#lastFlushMs + flushIntervalMs - clock.monotonicMs()
    const fetched = await reader.poll(Math.max(0, Math.min(pollMs, untilFlushMs)))
    counters.lag = reader.lag()
    if (fetched.length > 0) {
      this.#busy = this.#process(fetched)
      await this.#busy
    }
    if (clock.monotonicMs() - this.#lastFlushMs >= flushIntervalMs) await this.#flushAndCommit()
  }

  async #process(fetched: readonly KafkaRecord[]): Promise<void> {
    const { counters, conversion } = this.#options
    const { signal } = this.#stopping
    counters.recordsIn += fetched.length
    counters.batches++
    const records: SinkRecord[] = []
    for (const record of fetched) {
      this.#noteTopic(record.topic)
      try {
        const converted = conversion.forSink(record)
        if (converted) records.push(converted)
      } catch (failure) {
        const converted = await this.#convertAgain(record, failure)
        if (converted) records.push(converted)
        // Nothing of the batch counts as done: it comes again.
        if (signal.aborted) return
      }
    }
    if (records.length > 0 && !(await this.#put(records))) return
    await this.#writeDeadLetters()
    counters.recordsOut += records.length
    for (const { topic, partition, offset } of fetched)
      this.#positions.set(`${topic}\0${partition}`, { topic, partition, offset: offset + 1 })
  }

  /** @returns false where the runner was stopped before the target took the batch. */
  async #put(records: readonly SinkRecord[]): Promise<boolean> {
    const { counters, backoff, clock, logger, clientId } = this.#options
    const { signal } = this.#stopping
    for (;;) {
      const before = this.#deadLetters.length
      try {
        await this.#task!.put(records)
        backoff.reset()
        this.#note = undefined
        return true
      } catch (error) {
        if (!(error instanceof ConnectError) || !error.retriable) throw error
        // The same records will come again: what was said of them in this attempt is forgotten.
        this.#deadLetters.length = before
        counters.retries++
        this.#note = error.message
        logger.warn({ client: clientId, err: error }, 'sink is tried again')
      }
      if (signal.aborted) return false
      await pause(clock, backoff.nextMs(), signal)
      if (signal.aborted) return false
    }
  }

  /** What becomes of a record that failed; undefined where it goes the way of errors. */
  async #convertAgain(record: KafkaRecord, failure: unknown): Promise<SinkRecord | undefined> {
    const { conversion, retries } = this.#options
    const { signal } = this.#stopping
    try {
      return await retries.again(() => conversion.forSink(record), failure, signal)
    } catch (last) {
      if (!signal.aborted) this.#handle(record, last as ConversionFailure)
      return undefined
    }
  }

  #noteTopic(topic: string): void {
    if (this.#topics.has(topic)) return
    this.#topics.add(topic)
    this.#options.onTopic(topic)
  }

  #handle(record: KafkaRecord, failure: Failure): void {
    const letter = this.#options.policy.handle(() => letterOf(record), failure)
    if (letter) this.#deadLetters.push(letter)
  }

  async #writeDeadLetters(): Promise<void> {
    const { counters, backoff, clock } = this.#options
    while (this.#deadLetters.length > 0 && this.#writer) {
      const letters = this.#deadLetters
      this.#deadLetters = []
      const outcomes = await this.#writer.write(letters)
      for (const [index, failure] of outcomes.entries()) {
        if (!failure) counters.deadLetters++
        else if (failure.isRetriable) this.#deadLetters.push(letters[index]!)
        else
          throw new ConnectError('CONNECT_FAILED', 'a dead letter could not be written', {
            cause: failure.error,
          })
      }
      if (this.#deadLetters.length > 0) await pause(clock, backoff.nextMs())
    }
  }

  async #onRevoked(partitions: readonly TopicPartition[]): Promise<void> {
    // A batch that is under way is put first, so that its offsets go with the partition. One that
    // failed is the run's to report.
    await this.#busy.catch(() => {})
    try {
      await this.#flushAndCommit()
    } catch (error) {
      this.#options.logger.warn(
        { client: this.#options.clientId, err: error },
        'a sink gives partitions back unflushed; their records come again',
      )
    }
    for (const { topic, partition } of partitions) this.#positions.delete(`${topic}\0${partition}`)
  }

  async #flushAndCommit(): Promise<void> {
    this.#lastFlushMs = this.#options.clock.monotonicMs()
    if (this.#positions.size === 0) return
    const positions = [...this.#positions.values()]
    await this.#task?.flush?.()
    this.#positions.clear()
    try {
      await this.#reader?.commit(positions)
      this.#options.counters.lastCommitMs = this.#options.clock.nowMs()
    } catch (error) {
      // Offsets that are not committed mean that records come again, which sinks bear.
      this.#options.logger.warn({ client: this.#options.clientId, err: error }, 'commit failed')
      for (const position of positions) {
        const key = `${position.topic}\0${position.partition}`
        if (!this.#positions.has(key)) this.#positions.set(key, position)
      }
    }
  }
}
