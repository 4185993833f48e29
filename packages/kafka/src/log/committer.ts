import type { Clock, Logger } from '@khlong/core'
import type { CommitJournal, JournalEntry } from './commit-journal.ts'
import { type CommitRound, OpenRound } from './commit-round.ts'
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

/** Batches of one log that were taken for a round. */
interface TakenBatches {
  readonly log: PartitionLog
  readonly batches: readonly PendingBatch[]
}

/** What a round holds, by what becomes of it: in its segment already, to be written in order, or not waited for. */
interface Taken {
  readonly written: TakenBatches[]
  readonly ordered: TakenBatches[]
  readonly unwaited: TakenBatches[]
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
  #isPlanned = false
  /** The round that waits for its flush. */
  #underWay: Promise<void> | undefined
  /** Resolves when the next round may begin. */
  #held: Promise<void> | undefined
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
    const round = this.#planned()
    round.logs.add(log)
    return round
  }

  /**
   * As {@link enqueue} for several logs, of whose batches no crash leaves a later one without those that
   * were appended before it.
   */
  enqueueOrdered(logs: Iterable<PartitionLog>): CommitRound {
    const round = this.#planned()
    for (const log of logs) round.addOrdered(log)
    return round
  }

  /**
   * Writes what a log has pending, so that it survives the process, and flushes nothing: nobody waits
   * for it. It goes to the journal too, where what follows it may go.
   */
  writeSoon(log: PartitionLog): void {
    this.#planned().addUnwaited(log)
  }

  /** Resolves when everything enqueued so far is through. */
  async idle(): Promise<void> {
    while (this.#next || this.#underWay) await (this.#next?.flushed ?? this.#underWay)
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
    await this.#underWay
    return () => {
      this.#held = undefined
      released.resolve()
      this.#begin()
    }
  }

  /** The next round, which begins at the end of this turn of the event loop: what all sockets brought goes into one. */
  #planned(): OpenRound {
    if (!this.#isPlanned) {
      this.#isPlanned = true
      setImmediate(this.#onPlanned)
    }
    this.#next ??= new OpenRound()
    return this.#next
  }

  readonly #onPlanned = (): void => {
    this.#isPlanned = false
    this.#begin()
  }

  /** Begins the next round, if there is one and nothing is in its way; what is in its way calls again when it ends. */
  #begin(): void {
    const round = this.#next
    if (!round || this.#underWay || this.#held) return
    this.#next = undefined
    this.roundCount++
    const taken = this.#take(round)
    if (!this.#isDoneAtOnce(round, taken)) this.#underWay = this.#commit(round, taken)
  }

  /** Takes what the logs have pending; batches whose order does not matter are written to their segments. */
  #take(round: OpenRound): Taken {
    const taken: Taken = { written: [], ordered: [], unwaited: [] }
    for (const log of round.ordered) this.#takeFrom(round, log, taken.ordered, false)
    for (const log of round.logs)
      if (!round.ordered.has(log)) this.#takeFrom(round, log, taken.written, true)
    for (const log of round.unwaited)
      if (!round.ordered.has(log) && !round.logs.has(log))
        this.#takeFrom(round, log, taken.unwaited, true)
    return taken
  }

  #takeFrom(round: OpenRound, log: PartitionLog, into: TakenBatches[], isWritten: boolean): void {
    try {
      into.push({ log, batches: isWritten ? log.writePending() : log.takePending() })
    } catch (error) {
      this.#fail(round, log, error)
    }
  }

  /** Ends a round that waits for no flush. */
  #isDoneAtOnce(round: OpenRound, taken: Taken): boolean {
    const { written, ordered, unwaited } = taken
    if (!this.#isFailed) {
      const isNothing = written.length + ordered.length + unwaited.length === 0
      if (this.#options.mode !== 'none' && !isNothing) return false
      this.#writeInOrder(round, ordered, written)
      const nowMs = this.#options.clock.nowMs()
      if (written.some(({ log }) => log.isFlushDue(nowMs))) return false
    }
    this.#end(round, taken)
    return true
  }

  async #commit(round: OpenRound, taken: Taken): Promise<void> {
    try {
      await this.#makeDurable(round, taken)
    } catch (error) {
      // After a failed flush the state of the file is unknown; going on would promise too much.
      this.#isFailed = true
      this.#options.onFailure(error)
    }
    this.#end(round, taken)
    this.#underWay = undefined
    this.#begin()
  }

  #end(round: OpenRound, { written, ordered }: Taken): void {
    if (this.#isFailed)
      for (const { log } of [...written, ...ordered])
        round.fail(log, new Error('the disk failed to flush'))
    else this.#show(round, written)
    round.noteFlushed()
  }

  async #makeDurable(round: OpenRound, { written, ordered, unwaited }: Taken): Promise<void> {
    if (this.#options.mode === 'none') {
      const nowMs = this.#options.clock.nowMs()
      const due = written.filter(({ log }) => log.isFlushDue(nowMs))
      await Promise.all(due.map(({ log }) => log.flush()))
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
    if (isInJournal || ordered.length === 0) round.noteWritten()
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
    round.fail(log, error)
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

function inOrder(
  taken: readonly TakenBatches[],
): { readonly log: PartitionLog; readonly batch: PendingBatch }[] {
  const all = taken.flatMap(({ log, batches }) => batches.map((batch) => ({ log, batch })))
  return all.sort((a, b) => a.batch.order - b.batch.order)
}

function entryOf({ log, batch }: { log: PartitionLog; batch: PendingBatch }): JournalEntry {
  return { topicId: log.topicIdBytes, partition: log.identity.partition, batch: batch.bytes }
}
