import type { SourceRecord } from '../data/record.ts'
import type { ConnectObject } from '../data/schema.ts'
import { ConnectError } from '../errors.ts'
import type { SourceTask } from '../plugin.ts'
import type { RecordWriter, WriteFailure } from './kafka.ts'
import { type Outgoing, OutgoingRecords } from './outgoing.ts'
import { pause } from './pause.ts'
import type { RunnerOptions } from './runner-options.ts'

export interface SourceRunnerOptions extends RunnerOptions {
  readonly producerOverrides: Readonly<Record<string, string>>
  /** Writes offsets of the source; resolved when they are durable. */
  readonly writeOffsets: (
    offsets: readonly (readonly [partition: ConnectObject, offset: ConnectObject])[],
  ) => Promise<void>
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
  readonly #records: OutgoingRecords
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
    this.#records = new OutgoingRecords(options)
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
    const { signal } = this.#stopping
    counters.recordsIn += sources.length
    counters.batches++
    const outgoing: Outgoing[] = []
    for (const source of sources)
      try {
        const item = this.#records.convert(source)
        if (item) outgoing.push(item)
      } catch (failure) {
        const item = await this.#records.convertAgain(source, failure, signal)
        if (item) outgoing.push(item)
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
          if (!failure) this.#records.count(item)
          else if (failure.isRetriable) again.push(item)
          else {
            const letter = this.#records.refused(item, failure)
            if (letter) again.push(letter)
          }
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
}
