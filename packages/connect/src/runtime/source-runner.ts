import type { SourceRecord } from '../data/record.ts'
import type { ConnectObject } from '../data/schema.ts'
import { ConnectError } from '../errors.ts'
import type { SourceTask } from '../plugin.ts'
import type { ConversionFailure } from './conversion.ts'
import type { Failure, Letter } from './dead-letters.ts'
import type { OutgoingRecord, RecordWriter, WriteFailure } from './kafka.ts'
import { pause } from './pause.ts'
import type { RunnerOptions } from './runner-options.ts'

export interface SourceRunnerOptions extends RunnerOptions {
  readonly producerOverrides: Readonly<Record<string, string>>
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
    const { counters, conversion } = this.#options
    const { signal } = this.#stopping
    counters.recordsIn += sources.length
    counters.batches++
    const outgoing: Outgoing[] = []
    for (const source of sources)
      try {
        this.#add(outgoing, source, conversion.fromSource(source))
      } catch (failure) {
        await this.#convertAgain(outgoing, source, failure)
        // Nothing of the batch counts as done: the source gives it again.
        if (signal.aborted) return
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
  #onRefused(item: Outgoing, refusal: WriteFailure): Outgoing[] {
    const error = refusal.isTooLarge
      ? new ConnectError('CONNECT_RECORD_TOO_LARGE', refusal.error.message, {
          cause: refusal.error,
        })
      : refusal.error
    if (item.isDeadLetter)
      throw new ConnectError('CONNECT_FAILED', 'a dead letter could not be written', {
        cause: error,
      })
    const failure: Failure = { stage: 'KAFKA_PRODUCE', className: 'KafkaProducer', error }
    const letter = this.#dead(item.source, failure, item.record)
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

  #add(outgoing: Outgoing[], source: SourceRecord, record: OutgoingRecord | undefined): void {
    if (!record) {
      this.#options.counters.skipped++
      return
    }
    if (!this.#topics.has(record.topic)) {
      this.#topics.add(record.topic)
      this.#options.onTopic(record.topic)
    }
    outgoing.push({ source, record, isDeadLetter: false })
  }

  /** Tries a record again that failed, or sends it the way of errors. */
  async #convertAgain(outgoing: Outgoing[], source: SourceRecord, failure: unknown): Promise<void> {
    const { conversion, retries } = this.#options
    const { signal } = this.#stopping
    try {
      const record = await retries.again(() => conversion.fromSource(source), failure, signal)
      this.#add(outgoing, source, record)
    } catch (last) {
      if (signal.aborted) return
      const letter = this.#dead(source, last as ConversionFailure)
      if (letter) outgoing.push(letter)
    }
  }

  #dead(source: SourceRecord, failure: Failure, written?: OutgoingRecord): Outgoing | undefined {
    const { policy, conversion } = this.#options
    const letter = (): Letter => ({
      key: written?.key ?? null,
      value: written?.value ?? rawOf(source),
      headers: conversion.headers(source),
      topic: source.topic,
    })
    const record = policy.handle(letter, failure)
    return record && { source, record, isDeadLetter: true }
  }
}

/** The bytes of a record that could not be converted: the source's own, or what it says as text. */
function rawOf(source: SourceRecord): Uint8Array | null {
  if (source.raw) return source.raw
  if (source.value instanceof Uint8Array) return source.value
  return source.value === null ? null : Buffer.from(JSON.stringify(source.value) ?? '')
}
