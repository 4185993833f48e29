import type { Clock, Logger } from '@khlong/core'
import type { CommitJournal, JournalEntry } from './commit-journal.ts'
import type { PartitionLog } from './partition-log.ts'
import type { PendingBatch } from './pending-batch.ts'

/** `all`: acknowledgements wait for the flush; `leader`: those of acks=1 do not; `none`: only what `flush.messages` and `flush.ms` ask for. */
export type FlushMode = 'all' | 'leader' | 'none'

/**
 * Rounds with more bytes flush their files: writing those bytes twice would cost more. With few files, of which each
 * costs a flush, that is sooner.
 */
const directBytesMin = 1024 * 1024
const fewFilesMax = 2
const fewFilesDirectBytesMin = 128 * 1024

/** Appends that are written and flushed together. */
export interface CommitRound {
  /** Resolves when the batches are in their files (and survive the process). */
  readonly written: Promise<void>
  /** Resolves when they are flushed (and survive the machine). */
  readonly flushed: Promise<void>
  /** Logs whose write failed; their batches of this round are lost, unless {@link isJournaled}. */
  readonly failures: ReadonlyMap<PartitionLog, unknown>
  /** The batches of ordered logs are durable, whatever becomes of their segments. */
  readonly isJournaled: boolean
}

interface OpenRound extends CommitRound {
  readonly logs: Set<PartitionLog>
  /** Logs whose batches must survive in the order of their appends, or not at all. */
  readonly ordered: Set<PartitionLog>
  /** Logs that are written and not flushed. */
  readonly unwaited: Set<PartitionLog>
  readonly failures: Map<PartitionLog, unknown>
  isJournaled: boolean
  readonly resolveWritten: () => void
  readonly resolveFlushed: () => void
}

/** Batches of one log that were taken for a round. */
interface TakenBatches {
  readonly log: PartitionLog
  readonly batches: readonly PendingBatch[]
}

export interface CommitterOptions {
  readonly mode: FlushMode
  readonly journal: CommitJournal
  /** Bytes of the journal after which the other file is used. */
  readonly journalBytesMax: number
  readonly logger: Logger
  readonly clock: Clock
  /** The disk refused to flush: nothing can be promised any more. */
  readonly onFailure: (error: unknown) => void
}

/**
 * Group commit: one round at a time, and everything that comes while it runs shares the next. A round
 * writes each log's batches with one call, makes them durable (by the journal, or file by file), then
 * lets consumers and producers see them.
 *
 * The end of a transaction is a batch in each of several logs, of which none may survive without those
 * before it. They go to the journal first, in the order of their appends, and to their segments when the
 * journal is flushed: what a crash leaves of them is their beginning, and one flush is enough for all.
 */
export class Committer {
  readonly #options: CommitterOptions
  #next: OpenRound | undefined
  #running: Promise<void> | undefined
  /** Resolves when the next round may begin. */
  #held: Promise<void> | undefined
  #committing: Promise<void> | undefined
  /** Logs with batches in the journal that may not be flushed in their segments. */
  readonly #dirty = new Set<PartitionLog>()
  #checkpointing: Promise<void> = Promise.resolve()
  #isFailed = false
  #isJournalUnflushed = false
  roundCount = 0

  constructor(options: CommitterOptions) {
    this.#options = options
  }

  /** Puts a log that has pending batches into the next round. */
  enqueue(log: PartitionLog): CommitRound {
    this.#next ??= openRound()
    this.#next.logs.add(log)
    this.#running ??= this.#run()
    return this.#next
  }

  /**
   * As {@link enqueue} for several logs, of whose batches no crash leaves a later one without those that
   * were appended before it.
   */
  enqueueOrdered(logs: Iterable<PartitionLog>): CommitRound {
    this.#next ??= openRound()
    for (const log of logs) this.#next.ordered.add(log)
    this.#running ??= this.#run()
    return this.#next
  }

  /**
   * Writes what a log has pending, so that it survives the process, and flushes nothing: nobody waits
   * for it. It goes to the journal too, where what follows it may go.
   */
  writeSoon(log: PartitionLog): void {
    this.#next ??= openRound()
    this.#next.unwaited.add(log)
    this.#running ??= this.#run()
  }

  /** Resolves when everything enqueued so far is through. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running
    await this.#checkpointing
  }

  forget(log: PartitionLog): void {
    this.#dirty.delete(log)
  }

  /**
   * Resolves when no round is under way, and lets none begin until what it resolves with is called:
   * meanwhile what was acknowledged is in the segments, and nothing else is written or acknowledged.
   */
  async hold(): Promise<() => void> {
    while (this.#held) await this.#held
    const released = Promise.withResolvers<void>()
    this.#held = released.promise
    await this.#committing
    return () => {
      this.#held = undefined
      released.resolve()
    }
  }

  async #run(): Promise<void> {
    // The end of this turn of the event loop: what all sockets brought goes into one round.
    await new Promise(setImmediate)
    while (this.#next) {
      while (this.#held) await this.#held
      const round = this.#next
      this.#next = undefined
      this.#committing = this.#commit(round)
      await this.#committing
    }
    // In the same turn as the last look at `#next`, so that nothing can slip in between.
    this.#running = undefined
  }

  async #commit(round: OpenRound): Promise<void> {
    this.roundCount++
    const written: TakenBatches[] = []
    const ordered: TakenBatches[] = []
    const take = (log: PartitionLog, into: TakenBatches[]): void => {
      try {
        const batches = into === ordered ? log.takePending() : log.writePending()
        into.push({ log, batches })
      } catch (error) {
        this.#fail(round, log, error)
      }
    }
    for (const log of round.ordered) take(log, ordered)
    for (const log of round.logs) if (!round.ordered.has(log)) take(log, written)
    const unwaited: TakenBatches[] = []
    for (const log of round.unwaited)
      if (!round.ordered.has(log) && !round.logs.has(log)) take(log, unwaited)
    try {
      await this.#makeDurable(round, written, ordered, unwaited)
    } catch (error) {
      // After a failed flush the state of the file is unknown; going on would promise too much.
      this.#isFailed = true
      this.#options.onFailure(error)
    }
    if (this.#isFailed)
      for (const { log } of [...written, ...ordered])
        round.failures.set(log, new Error('the disk failed to flush'))
    else this.#show(round, written)
    round.resolveWritten()
    round.resolveFlushed()
  }

  async #makeDurable(
    round: OpenRound,
    written: TakenBatches[],
    ordered: TakenBatches[],
    unwaited: readonly TakenBatches[],
  ): Promise<void> {
    const isNothing = written.length + ordered.length + unwaited.length === 0
    if (this.#isFailed || isNothing) return
    if (this.#options.mode === 'none') {
      this.#writeInOrder(round, ordered, written)
      const due = written.filter(({ log }) => log.isFlushDue(this.#options.clock.nowMs()))
      if (due.length > 0) await Promise.all(due.map(({ log }) => log.flush()))
      return
    }
    let byteCount = 0
    for (const { batches } of written)
      for (const { bytes } of batches) byteCount += bytes.byteLength
    const isDirect =
      byteCount >= (written.length <= fewFilesMax ? fewFilesDirectBytesMin : directBytesMin)
    const awaited = isDirect ? ordered : [...ordered, ...written]
    const journaled = [...awaited, ...unwaited]
    const isInJournal = journaled.length > 0 && (await this.#writeJournal(journaled))
    // From here on the batches survive the process.
    if (isInJournal || ordered.length === 0) round.resolveWritten()
    const flushes: Promise<void>[] = []
    if (isInJournal && awaited.length > 0) flushes.push(this.#flushJournal())
    if (isDirect || !isInJournal) for (const { log } of written) flushes.push(log.flush())
    // What the journal could not take must not be missing before what it takes later.
    if (!isInJournal) for (const { log } of unwaited) flushes.push(log.flush())
    await Promise.all(flushes)
    round.isJournaled = isInJournal
    for (const { log, batches } of ordered) {
      for (const batch of batches) batch.isOwed = isInJournal
      if (isInJournal) this.#writeTaken(round, log, batches, written)
      else this.#drop(round, log, batches)
    }
  }

  /** Without flushes the order of the writes is what a killed process leaves. */
  #writeInOrder(round: OpenRound, ordered: TakenBatches[], written: TakenBatches[]): void {
    for (const { log, batch } of inOrder(ordered))
      if (round.failures.size === 0) this.#writeTaken(round, log, [batch], written)
      else this.#drop(round, log, [batch])
  }

  #writeTaken(
    round: OpenRound,
    log: PartitionLog,
    batches: readonly PendingBatch[],
    written: TakenBatches[],
  ): void {
    try {
      log.write(batches)
      written.push({ log, batches })
    } catch (error) {
      this.#fail(round, log, error)
    }
  }

  /** Nothing holds the batches: the log goes back to what its files say. */
  #drop(round: OpenRound, log: PartitionLog, batches: readonly PendingBatch[]): void {
    const error = new Error('a write that must come before could not be done')
    log.drop(batches, error)
    this.#fail(round, log, error)
  }

  #show(round: OpenRound, written: readonly TakenBatches[]): void {
    for (const { log, batches } of written) {
      const last = batches.at(-1)
      if (last && !round.failures.has(log)) log.advance(last.header.lastOffset + 1)
    }
  }

  #fail(round: OpenRound, log: PartitionLog, error: unknown): void {
    round.failures.set(log, error)
    this.#options.logger.error({ log: log.name, err: error }, 'a log could not be written')
  }

  /** False where the journal cannot be written, as on a full disk. */
  async #writeJournal(taken: readonly TakenBatches[]): Promise<boolean> {
    const { journal, journalBytesMax, logger } = this.#options
    try {
      if (journal.position > journalBytesMax) await this.#turnJournal()
      journal.write(inOrder(taken).map(entryOf))
    } catch (error) {
      logger.warn({ err: error }, 'the commit journal cannot be written')
      return false
    }
    for (const { log } of taken) this.#dirty.add(log)
    this.#isJournalUnflushed = true
    return true
  }

  async #flushJournal(): Promise<void> {
    this.#isJournalUnflushed = false
    await this.#options.journal.flush()
  }

  /**
   * Goes on in the journal's other file, whose batches were flushed in their segments since it was left,
   * and begins to flush those of the file that is left now.
   */
  async #turnJournal(): Promise<void> {
    await this.#checkpointing
    const logs = [...this.#dirty]
    if (logs.some((log) => log.isOwing))
      throw new Error('the commit journal holds batches that could not be written elsewhere')
    // What follows goes to the other file: nothing of this one may be missing then.
    if (this.#isJournalUnflushed) await this.#flushJournal()
    this.#options.journal.turn()
    this.#dirty.clear()
    this.#checkpointing = (async () => {
      for (const log of logs) await log.checkpoint()
    })().catch((error) => {
      this.#isFailed = true
      this.#options.onFailure(error)
    })
  }
}

function openRound(): OpenRound {
  const written = Promise.withResolvers<void>()
  const flushed = Promise.withResolvers<void>()
  return {
    logs: new Set(),
    ordered: new Set(),
    unwaited: new Set(),
    failures: new Map(),
    isJournaled: false,
    written: written.promise,
    flushed: flushed.promise,
    resolveWritten: written.resolve,
    resolveFlushed: flushed.resolve,
  }
}

function inOrder(
  taken: readonly TakenBatches[],
): { readonly log: PartitionLog; readonly batch: PendingBatch }[] {
  const all = taken.flatMap(({ log, batches }) => batches.map((batch) => ({ log, batch })))
  return all.sort((a, b) => a.batch.order - b.batch.order)
}

function entryOf({ log, batch }: { log: PartitionLog; batch: PendingBatch }): JournalEntry {
  return { topicId: log.topicIdBytes, partition: log.identity.partition, batch: batch.bytes }
}
