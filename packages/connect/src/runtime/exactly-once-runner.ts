import type { SourceRecord } from '../data/record.ts'
import type { ConnectObject } from '../data/schema.ts'
import { ConnectError } from '../errors.ts'
import type { SourceTask, SourceTransactions } from '../plugin.ts'
import type { ConnectorOffsets } from '../storage/connector-offsets.ts'
import type { OutgoingRecord, TransactionalWriter, WriteOutcome } from './kafka.ts'
import { type Outgoing, OutgoingRecords } from './outgoing.ts'
import { pause } from './pause.ts'
import type { RunnerOptions } from './runner-options.ts'
import { TransactionWishes } from './transaction-wishes.ts'

export type TransactionBoundary = 'poll' | 'interval' | 'connector'

export interface ExactlyOnceOptions extends RunnerOptions {
  readonly transactionalId: string
  readonly producerOverrides: Readonly<Record<string, string>>
  readonly boundary: TransactionBoundary
  /** How long a transaction lasts with the boundary `interval`. */
  readonly intervalMs: number
  /** Before the id is taken: tasks of former generations write no more. */
  readonly fence: (signal: AbortSignal) => Promise<void>
  /** Called when the source has begun: it may be ready at once. */
  readonly onStarted: () => void
  /** After it: this is still the task to run. @throws where it is not. */
  readonly verify: () => Promise<void>
}

/** What belongs to one transaction. */
interface Transaction {
  /** Whether Kafka has a part of it. */
  isOpen: boolean
  readonly sources: SourceRecord[]
  outgoing: Outgoing[]
  /** How many of `outgoing` were written. */
  writtenCount: number
  readonly startedMs: number
}

/** Kafka did not do as it was asked, and nobody knows what became of the transaction. */
class Interrupted extends Error {}

/**
 * Runs a source task by transactions (KIP-618): records and the source's offsets become visible
 * together or not at all.
 *
 * Invariants:
 * - A task begins only when nobody else can write in its place, and when all that its predecessors
 *   committed was read.
 * - `commit` is called in the order of polling, after the transaction is committed.
 * - Where Kafka's answer is unknown, the task begins anew from the offsets that were committed.
 */
export class ExactlyOnceRunner {
  readonly #options: ExactlyOnceOptions
  readonly #stopping = new AbortController()
  readonly #records: OutgoingRecords
  readonly #wishes: TransactionWishes | undefined
  #offsets: ConnectorOffsets | undefined
  #task: SourceTask | undefined
  #writer: TransactionalWriter | undefined
  #transaction: Transaction
  #note: string | undefined

  constructor(options: ExactlyOnceOptions) {
    this.#options = options
    this.#records = new OutgoingRecords(options)
    this.#wishes = options.boundary === 'connector' ? new TransactionWishes() : undefined
    this.#transaction = this.#newTransaction()
  }

  get note(): string | undefined {
    return this.#note ?? this.#task?.note
  }
  get isReady(): boolean {
    return this.#task?.isReady ?? false
  }
  /** Where the source says when transactions end; undefined with other boundaries. */
  get wishes(): SourceTransactions | undefined {
    return this.#wishes
  }

  /** Runs until `stop`. `createTask` is called anew whenever the source begins anew. @throws what failed the task. */
  async run(offsets: ConnectorOffsets, createTask: () => SourceTask): Promise<void> {
    const { clock, backoff, logger, counters, clientId } = this.#options
    const { signal } = this.#stopping
    this.#offsets = offsets
    while (!signal.aborted)
      try {
        await this.#runOnce(createTask)
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error
        counters.retries++
        this.#note = `Kafka does not take a transaction: ${(error.cause as Error).message}`
        logger.warn({ client: clientId, err: error.cause }, 'a source begins anew where it was')
        await pause(clock, backoff.nextMs(), signal)
      }
  }

  /** Asks `run` to end: what was polled is written first. */
  stop(): void {
    this.#stopping.abort()
  }

  /** Ends what does not end by itself. */
  async cut(): Promise<void> {
    await this.#task?.stop()
    await this.#writer?.close()
  }

  async #runOnce(createTask: () => SourceTask): Promise<void> {
    const { kafka, clientId, transactionalId, producerOverrides, fence, verify } = this.#options
    const { signal } = this.#stopping
    await kafkas(fence(signal))
    if (signal.aborted) return
    const writer = kafka.transactionalWriter(clientId, transactionalId, producerOverrides)
    this.#writer = writer
    this.#transaction = this.#newTransaction()
    let task: SourceTask | undefined
    try {
      await kafkas(writer.claim())
      await kafkas(verify())
      await kafkas(this.#offsets!.refresh())
      task = createTask()
      this.#task = task
      await task.start()
      this.#options.onStarted()
      while (!signal.aborted) await this.#step(task)
      // A transaction that the source did not end is taken back: its records come again.
      if (this.#options.boundary !== 'connector') await this.#commit(task)
    } finally {
      // What is left open would hold up whoever reads what is committed.
      if (this.#transaction.isOpen) await writer.abort().catch(() => {})
      await task?.stop()
      await writer.close()
    }
  }

  async #step(task: SourceTask): Promise<void> {
    const { boundary, clock } = this.#options
    const polled = await this.#poll(task)
    for (const source of polled) {
      await this.#take(source)
      // Nothing of the batch counts as done: the source gives it again.
      if (this.#stopping.signal.aborted && !this.#transaction.sources.includes(source)) return
      const wish = this.#wishes?.of(source)
      if (wish) await this.#end(task, wish)
    }
    if (boundary === 'poll') await this.#commit(task)
    else {
      await this.#write([])
      if (polled.length > 0) {
        const wish = this.#wishes?.ofBatch()
        if (wish) await this.#end(task, wish)
      }
      const isDue = clock.monotonicMs() - this.#transaction.startedMs >= this.#options.intervalMs
      if (boundary === 'interval' && isDue) await this.#commit(task)
    }
    if (polled.length > 0) {
      this.#note = undefined
      this.#options.backoff.reset()
    }
  }

  /** The next records; with the boundary `interval` none when the transaction is due. */
  async #poll(task: SourceTask): Promise<readonly SourceRecord[]> {
    const { boundary, clock, intervalMs, counters } = this.#options
    const { signal } = this.#stopping
    const due = new AbortController()
    const waitMs = this.#transaction.startedMs + intervalMs - clock.monotonicMs()
    const timer =
      boundary === 'interval' && this.#transaction.sources.length > 0
        ? clock.setTimer(() => due.abort(), Math.max(0, waitMs))
        : undefined
    try {
      const polled = await task.poll(timer ? AbortSignal.any([signal, due.signal]) : signal)
      if (polled.length > 0) counters.batches++
      counters.recordsIn += polled.length
      if (this.#transaction.sources.length === 0) this.#transaction = this.#newTransaction()
      return polled
    } finally {
      if (timer) clock.clearTimer(timer)
    }
  }

  async #take(source: SourceRecord): Promise<void> {
    const { signal } = this.#stopping
    let item: Outgoing | undefined
    try {
      item = this.#records.convert(source)
    } catch (failure) {
      item = await this.#records.convertAgain(source, failure, signal)
      if (signal.aborted && !item) return
    }
    if (item) this.#transaction.outgoing.push(item)
    this.#transaction.sources.push(source)
  }

  async #end(task: SourceTask, wish: 'commit' | 'abort'): Promise<void> {
    if (wish === 'abort') {
      // The records are dropped, and their offsets count, so that they do not come again.
      await this.#abort()
      this.#transaction.outgoing = []
    }
    await this.#commit(task)
  }

  async #commit(task: SourceTask): Promise<void> {
    const { sources, outgoing } = this.#transaction
    if (sources.length === 0) return
    const offsets = [...latestOffsets(sources).values()]
    await this.#write(this.#offsets!.records(offsets))
    if (this.#transaction.isOpen) await kafkas(this.#writer!.commit())
    for (const item of outgoing) this.#records.count(item)
    this.#transaction = this.#newTransaction()
    this.#options.counters.lastCommitMs = this.#options.clock.nowMs()
    try {
      await this.#offsets!.copy(offsets)
    } catch (error) {
      this.#options.logger.warn(
        { client: this.#options.clientId, err: error },
        'offsets are in the topic of the connector, and not in that of the workers',
      )
    }
    task.commit(sources.length)
  }

  /** Writes what was not written yet, and `offsets`; what Kafka never takes becomes a dead letter. */
  async #write(offsets: readonly OutgoingRecord[]): Promise<void> {
    const transaction = this.#transaction
    let isOneByOne = false
    for (;;) {
      const left = transaction.outgoing.slice(transaction.writtenCount)
      if (left.length + offsets.length === 0) return
      if (!transaction.isOpen) {
        await kafkas(async () => this.#writer!.begin())
        transaction.isOpen = true
      }
      const records = [...left.map(({ record }) => record), ...offsets]
      const outcomes = isOneByOne
        ? await this.#writeOneByOne(records)
        : await this.#writer!.write(records)
      transaction.writtenCount = transaction.outgoing.length
      const failure = outcomes.find((outcome) => outcome !== undefined)
      if (!failure) return
      const failed = outcomes.filter((outcome) => outcome !== undefined)
      if (failed.some(({ isRetriable, isFenced }) => isRetriable || isFenced))
        throw new Interrupted('Kafka', { cause: failure.error })
      const guilty = left[outcomes.indexOf(failure)]
      if (!guilty) throw failure.error
      await this.#abort()
      // All that stood in the transaction is written again. A record that is refused takes others with
      // it: they go one by one until it is known.
      if (isOneByOne || failed.length === 1) {
        const letter = this.#records.refused(guilty, failure)
        transaction.outgoing.splice(
          transaction.outgoing.indexOf(guilty),
          1,
          ...(letter ? [letter] : []),
        )
      }
      isOneByOne = true
    }
  }

  /** Writes until the first that is refused: only that one is at fault. */
  async #writeOneByOne(records: readonly OutgoingRecord[]): Promise<readonly WriteOutcome[]> {
    const outcomes: WriteOutcome[] = []
    for (const record of records) {
      const [outcome] = await this.#writer!.write([record])
      outcomes.push(outcome)
      if (outcome) break
    }
    return outcomes
  }

  async #abort(): Promise<void> {
    if (this.#transaction.isOpen) await kafkas(this.#writer!.abort())
    this.#transaction.isOpen = false
    this.#transaction.writtenCount = 0
  }

  #newTransaction(): Transaction {
    return {
      isOpen: false,
      sources: [],
      outgoing: [],
      writtenCount: 0,
      startedMs: this.#options.clock.monotonicMs(),
    }
  }
}

/** The newest offset of each partition of the source. */
function latestOffsets(
  sources: readonly SourceRecord[],
): Map<string, readonly [ConnectObject, ConnectObject]> {
  const offsets = new Map<string, readonly [ConnectObject, ConnectObject]>()
  for (const { sourcePartition, sourceOffset } of sources)
    if (sourcePartition && sourceOffset)
      offsets.set(JSON.stringify(sourcePartition), [sourcePartition, sourceOffset])
  return offsets
}

/** Waits for what Kafka is asked. @throws Interrupted */
async function kafkas<Result>(asked: Promise<Result> | (() => Promise<Result>)): Promise<Result> {
  try {
    return await (typeof asked === 'function' ? asked() : asked)
  } catch (cause) {
    // What the workers refuse, and what is not allowed, does not pass by itself.
    if (cause instanceof ConnectError) throw cause
    if (/AUTHORIZATION|UNSUPPORTED/.test(String((cause as { code?: unknown }).code))) throw cause
    throw new Interrupted('Kafka', { cause })
  }
}
