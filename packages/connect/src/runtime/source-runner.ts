import type { Clock, Logger } from '@khlong/core'
import type { Converter } from '../converters/converter.ts'
import type { HeaderConverter } from '../converters/headers.ts'
import type { KafkaHeader, SourceRecord } from '../data/record.ts'
import type { ConnectObject } from '../data/schema.ts'
import { ConnectError } from '../errors.ts'
import type { SourceTask } from '../plugin.ts'
import type { Transform } from '../transforms/transform.ts'
import type { Backoff } from './backoff.ts'
import type { Letter, Stage } from './dead-letters.ts'
import type { ErrorPolicy } from './error-policy.ts'
import type { ConnectKafka, OutgoingRecord, RecordWriter, WriteFailure } from './kafka.ts'
import type { TaskCounters } from './metrics.ts'
import { pause } from './pause.ts'

export interface SourceRunnerOptions {
  readonly kafka: ConnectKafka
  readonly clientId: string
  readonly producerOverrides: Readonly<Record<string, string>>
  readonly keyConverter: Converter
  readonly valueConverter: Converter
  readonly headerConverter: HeaderConverter
  readonly converterNames: { readonly key: string; readonly value: string; readonly header: string }
  readonly transforms: Transform | undefined
  readonly policy: ErrorPolicy
  readonly counters: TaskCounters
  readonly backoff: Backoff
  readonly flushIntervalMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly onTopic: (topic: string) => void
  /** Writes offsets of the source; resolved when they are durable. */
  readonly writeOffsets: (
    offsets: readonly (readonly [partition: ConnectObject, offset: ConnectObject])[],
  ) => Promise<void>
}

/** What became of one polled record: a record to write, its dead letter, or nothing. */
interface Outgoing {
  readonly source: SourceRecord
  readonly record: OutgoingRecord
  readonly isDeadLetter: boolean
}

/** Records that were polled together. */
interface Batch {
  readonly count: number
  readonly sources: readonly SourceRecord[]
  done: boolean
}

// A batch goes to Kafka while the ones before it are on their way; the source is told in order.
const batchesMax = 8

/**
 * Runs a source task: poll, transform, convert, write, commit.
 *
 * Invariants:
 * - `commit` is called in the order of polling, after the record, or its dead letter, is durable.
 * - At most `batchesMax` batches are under way; beyond, the source is not polled.
 */
export class SourceRunner {
  readonly #options: SourceRunnerOptions
  readonly #stopping = new AbortController()
  readonly #batches: Batch[] = []
  readonly #offsets = new Map<string, readonly [ConnectObject, ConnectObject]>()
  readonly #topics = new Set<string>()
  #task: SourceTask | undefined
  #writer: RecordWriter | undefined
  #failure: Error | undefined
  #wake: (() => void) | undefined
  #lastFlushMs = 0
  #note: string | undefined
  // While a write is repeated, later batches wait for it, so that records stay in their order.
  #repeating: Promise<void> | undefined

  constructor(options: SourceRunnerOptions) {
    this.#options = options
  }

  get note(): string | undefined {
    return this.#note ?? this.#task?.note
  }

  get isReady(): boolean {
    return this.#task?.isReady ?? false
  }

  /** Runs until `stop`. @throws what failed the task. */
  async run(task: SourceTask): Promise<void> {
    const { kafka, clientId, producerOverrides, clock, flushIntervalMs } = this.#options
    this.#task = task
    const { signal } = this.#stopping
    try {
      this.#writer = await kafka.writer(clientId, producerOverrides)
      await task.start()
      this.#lastFlushMs = clock.monotonicMs()
      while (!signal.aborted) {
        if (this.#batches.length >= batchesMax) await this.#nextChange()
        else await this.#take(await task.poll(signal))
        if (this.#failure) break
        if (clock.monotonicMs() - this.#lastFlushMs >= flushIntervalMs) await this.#flushOffsets()
      }
      while (this.#batches.length > 0 && !this.#failure) await this.#nextChange()
      await this.#flushOffsets()
      if (this.#failure) throw this.#failure
    } finally {
      this.#stopping.abort()
      await task.stop()
      await this.#writer?.close()
    }
  }

  /** Asks `run` to end: what was polled is written first. */
  stop(): void {
    this.#stopping.abort()
  }

  /** Ends what does not end by itself: the task's connections are closed under it. */
  async cut(): Promise<void> {
    await this.#task?.stop()
  }

  async #take(sources: readonly SourceRecord[]): Promise<void> {
    if (sources.length === 0) return
    const { counters } = this.#options
    counters.recordsIn += sources.length
    counters.batches++
    const outgoing: Outgoing[] = []
    for (const source of sources) {
      const item = this.#convert(source)
      if (item) outgoing.push(item)
    }
    const batch: Batch = { count: sources.length, sources, done: false }
    this.#batches.push(batch)
    if (this.#repeating) await this.#repeating
    this.#write(outgoing).then(
      () => {
        batch.done = true
        this.#commitDone()
      },
      (error: unknown) => {
        this.#failure ??= error as Error
        // A source that has nothing to give may be waiting in `poll`.
        this.#stopping.abort()
        this.#wake?.()
      },
    )
  }

  /** Writes until every record is durable, or dead. @throws what failed the task. */
  async #write(outgoing: readonly Outgoing[]): Promise<void> {
    let left = outgoing
    let release: (() => void) | undefined
    try {
      while (left.length > 0) {
        const outcomes = await this.#writer!.write(left.map((item) => item.record))
        const again: Outgoing[] = []
        for (const [index, failure] of outcomes.entries()) {
          const item = left[index]!
          if (!failure) this.#count(item)
          else if (failure.isRetriable) again.push(item)
          else again.push(...this.#onRefused(item, failure))
        }
        left = again
        const failure = outcomes.find((outcome) => outcome?.isRetriable)
        if (!failure) continue
        this.#repeating ??= new Promise((resolve) => {
          release = resolve
        })
        await this.#waitForKafka(failure)
      }
      this.#note = undefined
    } finally {
      if (release) {
        this.#repeating = undefined
        release()
      }
    }
  }

  async #waitForKafka(failure: WriteFailure): Promise<void> {
    const { counters, backoff, clock, logger, clientId } = this.#options
    counters.retries++
    this.#note = `Kafka does not take records: ${failure.error.message}`
    logger.warn({ client: clientId, err: failure.error }, 'records are written again')
    if (this.#stopping.signal.aborted)
      throw new ConnectError('CONNECT_FAILED', this.#note, { cause: failure.error })
    await pause(clock, backoff.nextMs(), this.#stopping.signal)
  }

  /** A record that Kafka never takes: its head goes to the dead letter topic. */
  #onRefused(item: Outgoing, failure: WriteFailure): Outgoing[] {
    const error = failure.isTooLarge
      ? new ConnectError('CONNECT_RECORD_TOO_LARGE', failure.error.message, {
          cause: failure.error,
        })
      : failure.error
    if (item.isDeadLetter)
      throw new ConnectError('CONNECT_FAILED', 'a dead letter could not be written', {
        cause: error,
      })
    const letter = this.#dead(item.source, 'KAFKA_PRODUCE', 'KafkaProducer', error, item.record)
    return letter ? [letter] : []
  }

  #count(item: Outgoing): void {
    const { counters } = this.#options
    if (item.isDeadLetter) counters.deadLetters++
    else counters.recordsOut++
  }

  #commitDone(): void {
    while (this.#batches[0]?.done) {
      const { count, sources } = this.#batches.shift()!
      this.#task!.commit(count)
      for (const { sourcePartition, sourceOffset } of sources)
        if (sourcePartition && sourceOffset)
          this.#offsets.set(JSON.stringify(sourcePartition), [sourcePartition, sourceOffset])
    }
    this.#wake?.()
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
    })
  }

  async #flushOffsets(): Promise<void> {
    this.#lastFlushMs = this.#options.clock.monotonicMs()
    if (this.#offsets.size === 0) return
    const offsets = [...this.#offsets.values()]
    this.#offsets.clear()
    await this.#options.writeOffsets(offsets)
    this.#options.counters.lastCommitMs = this.#options.clock.nowMs()
  }

  #convert(source: SourceRecord): Outgoing | undefined {
    const { keyConverter, valueConverter, headerConverter, converterNames, transforms } =
      this.#options
    if (source.error) return this.#dead(source, 'TASK_POLL', 'SourceTask', source.error)
    let stage: Stage = 'TRANSFORMATION'
    let className = 'org.apache.kafka.connect.transforms.Transformation'
    try {
      const changed = transforms ? transforms(source) : source
      if (!changed) {
        this.#options.counters.skipped++
        return undefined
      }
      const { topic } = changed
      stage = 'HEADER_CONVERTER'
      className = converterNames.header
      const headers = changed.headers.map(
        (header): KafkaHeader => [header.key, headerConverter.fromConnect(header, topic)],
      )
      stage = 'KEY_CONVERTER'
      className = converterNames.key
      const key = keyConverter.fromConnect(changed.keySchema, changed.key, topic)
      stage = 'VALUE_CONVERTER'
      className = converterNames.value
      const value = valueConverter.fromConnect(changed.valueSchema, changed.value, topic)
      if (!this.#topics.has(topic)) {
        this.#topics.add(topic)
        this.#options.onTopic(topic)
      }
      const record: OutgoingRecord = {
        topic,
        key,
        value,
        headers,
        ...(changed.partition === null ? {} : { partition: changed.partition }),
        ...(changed.timestampMs === null ? {} : { timestamp: changed.timestampMs }),
      }
      return { source, record, isDeadLetter: false }
    } catch (error) {
      return this.#dead(source, stage, className, error as Error)
    }
  }

  #dead(
    source: SourceRecord,
    stage: Stage,
    className: string,
    error: Error,
    written?: OutgoingRecord,
  ): Outgoing | undefined {
    const { policy, headerConverter } = this.#options
    const letter = (): Letter => ({
      key: written?.key ?? null,
      value: written?.value ?? rawOf(source),
      headers: source.headers.map(
        (header): KafkaHeader => [header.key, headerConverter.fromConnect(header, source.topic)],
      ),
      topic: source.topic,
    })
    const record = policy.handle(letter, { stage, className, error })
    return record && { source, record, isDeadLetter: true }
  }
}

/** The bytes of a record that could not be converted: the source's own, or what it says as text. */
function rawOf(source: SourceRecord): Uint8Array | null {
  if (source.raw) return source.raw
  if (source.value instanceof Uint8Array) return source.value
  return source.value === null ? null : Buffer.from(JSON.stringify(source.value) ?? '')
}
