import type { Logger } from '@khlong/core'
import type { CommitJournal, JournalEntry } from './commit-journal.ts'
import type { PartitionLog } from './partition-log.ts'

/** `all`: acknowledgements wait for the flush; `leader`: those of acks=1 do not; `none`: no flush at all. */
export type FlushMode = 'all' | 'leader' | 'none'

/** Rounds that touch no more partitions flush their files; more of them share the journal. */
const directPartitionsMax = 2
/** Rounds with more bytes flush their files: writing those bytes twice would cost more. */
const directBytesMin = 1024 * 1024

/** Appends that are written and flushed together. */
export interface CommitRound {
  /** Resolves when the batches are in their files (and survive the process). */
  readonly written: Promise<void>
  /** Resolves when they are flushed (and survive the machine). */
  readonly flushed: Promise<void>
  /** Logs whose write failed; their batches of this round are lost. */
  readonly failures: ReadonlyMap<PartitionLog, unknown>
}

interface OpenRound extends CommitRound {
  readonly logs: Set<PartitionLog>
  readonly failures: Map<PartitionLog, unknown>
  readonly resolveWritten: () => void
  readonly resolveFlushed: () => void
}

export interface CommitterOptions {
  readonly mode: FlushMode
  readonly journal: CommitJournal
  /** Bytes of the journal after which the other file is used. */
  readonly journalBytesMax: number
  readonly logger: Logger
  /** The disk refused to flush: nothing can be promised any more. */
  readonly onFailure: (error: unknown) => void
}

/**
 * Group commit: one round at a time, and everything that comes while it runs shares the next. A round
 * writes each log's batches with one call, makes them durable (by the journal, or file by file), then
 * lets consumers and producers see them.
 */
export class Committer {
  readonly #options: CommitterOptions
  #next: OpenRound | undefined
  #running: Promise<void> | undefined
  /** Logs with batches in the journal that may not be flushed in their segments. */
  readonly #dirty = new Set<PartitionLog>()
  #checkpointing: Promise<void> = Promise.resolve()
  #isFailed = false
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

  /** Resolves when everything enqueued so far is through. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running
    await this.#checkpointing
  }

  forget(log: PartitionLog): void {
    this.#dirty.delete(log)
  }

  async #run(): Promise<void> {
    // The end of this turn of the event loop: what all sockets brought goes into one round.
    await new Promise(setImmediate)
    while (this.#next) {
      const round = this.#next
      this.#next = undefined
      await this.#commit(round)
    }
    // In the same turn as the last look at `#next`, so that nothing can slip in between.
    this.#running = undefined
  }

  async #commit(round: OpenRound): Promise<void> {
    this.roundCount++
    const written: { log: PartitionLog; offset: number; batches: Buffer[] }[] = []
    let byteCount = 0
    for (const log of round.logs) {
      try {
        const batches = log.writePending()
        written.push({ log, offset: log.writtenOffset, batches })
        for (const batch of batches) byteCount += batch.byteLength
      } catch (error) {
        round.failures.set(log, error)
        this.#options.logger.error({ log: log.name, err: error }, 'a log could not be written')
      }
    }
    round.resolveWritten()
    if (this.#options.mode !== 'none' && written.length > 0 && !this.#isFailed)
      try {
        await this.#flush(written, byteCount)
      } catch (error) {
        // After a failed flush the state of the file is unknown; going on would promise too much.
        this.#isFailed = true
        this.#options.onFailure(error)
      }
    if (this.#isFailed)
      for (const { log } of written) round.failures.set(log, new Error('the disk failed to flush'))
    else for (const { log, offset } of written) log.advance(offset)
    round.resolveFlushed()
  }

  async #flush(
    written: readonly { log: PartitionLog; batches: Buffer[] }[],
    byteCount: number,
  ): Promise<void> {
    const isDirect = written.length <= directPartitionsMax || byteCount >= directBytesMin
    if (!isDirect && (await this.#flushJournal(written))) return
    await Promise.all(written.map(({ log }) => log.flush()))
  }

  /** False where the journal cannot be written, as on a full disk; then files are flushed one by one. */
  async #flushJournal(
    written: readonly { log: PartitionLog; batches: Buffer[] }[],
  ): Promise<boolean> {
    const { journal, journalBytesMax, logger } = this.#options
    const entries: JournalEntry[] = []
    for (const { log, batches } of written)
      for (const batch of batches)
        entries.push({ topicId: log.topicIdBytes, partition: log.identity.partition, batch })
    try {
      if (journal.position > journalBytesMax) await this.#turnJournal()
      journal.write(entries)
    } catch (error) {
      logger.warn({ err: error }, 'the commit journal cannot be written')
      return false
    }
    for (const { log } of written) this.#dirty.add(log)
    await journal.flush()
    return true
  }

  /**
   * Goes on in the journal's other file, whose batches were flushed in their segments since it was left,
   * and begins to flush those of the file that is left now.
   */
  async #turnJournal(): Promise<void> {
    await this.#checkpointing
    this.#options.journal.turn()
    const logs = [...this.#dirty]
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
    failures: new Map(),
    written: written.promise,
    flushed: flushed.promise,
    resolveWritten: written.resolve,
    resolveFlushed: flushed.resolve,
  }
}
