import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { type Clock, type CutFolder, describeError, type Logger } from '@khlong/core'
import type { BufferPool } from '@khlong/core/bytes'
import { KafkaError } from '../errors.ts'
import {
  CheckpointFile,
  checkpointText,
  flushFolder,
  readOffsets,
  readPartitionMetadata,
} from './checkpoint-file.ts'
import { CommitJournal } from './commit-journal.ts'
import { Committer, type FlushMode } from './committer.ts'
import { FilePool } from './file-pool.ts'
import { FolderFlush } from './folder-flush.ts'
import type { LogConfig } from './log-config.ts'
import { cutLog } from './log-cut.ts'
import { type LogIdentity, PartitionLog } from './partition-log.ts'
import { retainLog } from './retention.ts'
import { TailCache } from './tail-cache.ts'

export interface LogStoreOptions {
  readonly folder: string
  readonly flushMode: FlushMode
  readonly tailBytesMax: number
  /** For what is read from files, and for the newest batches. */
  readonly memory: BufferPool
  readonly openFilesMax: number
  readonly journalBytesMax: number
  readonly clock: Clock
  readonly logger: Logger
  /** The settings of a topic, for the logs that are found on start. */
  readonly configOf: (topic: string) => LogConfig
  readonly onFailure: (error: unknown) => void
}

/** Partitions that are flushed at once at the start and the end. */
const parallelLogsMax = 16
const recoveryPointFile = 'recovery-point-offset-checkpoint'
const logStartFile = 'log-start-offset-checkpoint'

/** All partitions of a data folder, as a Kafka log directory, and the commits to them. */
export class LogStore {
  readonly committer: Committer
  readonly logs: Map<string, PartitionLog> = new Map()
  /** Partitions that could not be opened, with the reason; they are not served. */
  readonly offline: Map<string, unknown> = new Map()
  readonly #options: LogStoreOptions
  readonly #files: FilePool
  readonly #tails: TailCache
  readonly #journal: CommitJournal
  readonly #appends = { count: 0 }
  readonly #folderFlush: FolderFlush
  readonly #recoveryPoints: CheckpointFile
  readonly #logStarts: CheckpointFile

  private constructor(options: LogStoreOptions) {
    this.#options = options
    this.#files = new FilePool(options.openFilesMax)
    this.#tails = new TailCache(options.tailBytesMax, options.memory)
    this.#folderFlush = new FolderFlush(options.folder)
    this.#recoveryPoints = new CheckpointFile(path.join(options.folder, recoveryPointFile))
    this.#logStarts = new CheckpointFile(path.join(options.folder, logStartFile))
    const { recoveryPoints, logStarts } = this.#readCheckpoints()
    for (const name of readdirSync(options.folder)) {
      if (name.endsWith('-delete')) {
        void rm(path.join(options.folder, name), { recursive: true, force: true })
        continue
      }
      const identity = identityOf(options.folder, name)
      if (identity) this.#openFound(name, identity, recoveryPoints, logStarts)
    }
    this.#journal = this.#replayJournal()
    this.committer = new Committer({
      mode: options.flushMode,
      journal: this.#journal,
      journalBytesMax: options.journalBytesMax,
      logger: options.logger,
      clock: options.clock,
      onFailure: options.onFailure,
    })
  }

  /** Opens a data folder: recovers every partition in it and takes over what the journal holds. */
  static async open(options: LogStoreOptions): Promise<LogStore> {
    mkdirSync(options.folder, { recursive: true })
    const store = new LogStore(options)
    await store.#onEach(async (log) => {
      if (log.pendingBytes > 0) {
        log.writePending()
        log.advance(log.writtenOffset)
      }
      // What was only in the page cache, or came from the journal, is made safe before anyone reads it.
      if (log.recoveryPoint < log.writtenOffset) await log.checkpoint()
    })
    store.saveCheckpoints()
    store.#journal.turn()
    return store
  }

  get openFileCount(): number {
    return this.#files.openCount
  }
  get tailBytes(): number {
    return this.#tails.byteCount
  }

  get(topic: string, partition: number): PartitionLog | undefined {
    return this.logs.get(`${topic}-${partition}`)
  }

  /** Makes the log of a new partition; it is durable then. Many at a time share their flushes. */
  async create(identity: LogIdentity): Promise<PartitionLog> {
    const name = `${identity.topic}-${identity.partition}`
    const log = this.#newLog(name, identity)
    await log.create()
    await this.#folderFlush.flush()
    this.logs.set(name, log)
    return log
  }

  /** Moves the folder of a partition that no metadata speaks of out of the way; it is kept. */
  setAside(log: PartitionLog): void {
    log.abandon()
    this.committer.forget(log)
    this.logs.delete(log.name)
    renameSync(log.folder, `${log.folder}.${log.identity.topicId}-stray`)
    flushFolder(this.#options.folder)
  }

  /** Removes a partition: its name is free at once, its files go in the background. */
  remove(topic: string, partition: number): void {
    const name = `${topic}-${partition}`
    const log = this.logs.get(name)
    this.logs.delete(name)
    this.offline.delete(name)
    if (log) {
      this.committer.forget(log)
      log.abandon()
    }
    const folder = path.join(this.#options.folder, name)
    if (!existsSync(folder)) return
    const away = `${folder}.${Date.now().toString(16)}${(removals++).toString(16)}-delete`
    renameSync(folder, away)
    flushFolder(this.#options.folder)
    void rm(away, { recursive: true, force: true })
  }

  /** Writes the recovery points and log starts of all partitions. */
  saveCheckpoints(): void {
    const logs = [...this.logs.values()]
    const lines = (offsetOf: (log: PartitionLog) => number): (string | number)[][] =>
      logs.map((log) => [log.identity.topic, log.identity.partition, offsetOf(log)])
    this.#recoveryPoints.write(lines((log) => log.recoveryPoint))
    this.#logStarts.write(
      lines((log) => log.logStartOffset).filter(([, , offset]) => Number(offset) > 0),
    )
  }

  /** Flushes every partition and writes the checkpoints. */
  async checkpoint(): Promise<void> {
    for (const log of this.logs.values())
      if (log.recoveryPoint < log.writtenOffset) await log.checkpoint()
    this.saveCheckpoints()
  }

  /** Flushes the partitions whose `flush.ms` is over; with `ack.flush` nothing waits for it. */
  async flushDue(): Promise<void> {
    const { clock, flushMode } = this.#options
    if (flushMode !== 'none') return
    for (const log of this.logs.values()) if (log.isFlushDue(clock.nowMs())) await log.flush()
  }

  /** Applies retention to every partition. */
  retain(nowMs: number): void {
    let removed = 0
    for (const log of this.logs.values()) removed += retainLog(log, nowMs)
    if (removed > 0) this.saveCheckpoints()
  }

  /**
   * Keeps every partition as it is now, to be called while the committer holds. The commit journal is
   * left out, for the segments have all that it has; so are indexes, which are made again.
   *
   * @throws KafkaError `KAFKA_STORAGE_FAILED` where a log waits for its write
   */
  cut(cut: CutFolder): void {
    const logs = [...this.logs.values()]
    for (const log of logs) cutLog(log, cut)
    for (const name of this.offline.keys()) if (!this.logs.has(name)) cut.keepAll(name)
    const lines = (offsetOf: (log: PartitionLog) => number): (string | number)[][] =>
      logs.map((log) => [log.identity.topic, log.identity.partition, offsetOf(log)])
    // The segment that is written is read as after a crash, so that its aborted transactions are found.
    cut.write(
      recoveryPointFile,
      checkpointText(lines((log) => Math.min(log.segments.at(-1)!.baseOffset, log.writtenOffset))),
    )
    cut.write(logStartFile, checkpointText(lines((log) => log.logStartOffset)))
  }

  async close(): Promise<void> {
    await this.committer.idle()
    await this.#onEach((log) => log.close())
    this.saveCheckpoints()
    this.#journal.close()
    this.#files.close()
  }

  /** Flushes of different files share the work of the disk, so several partitions go at once. */
  async #onEach(action: (log: PartitionLog) => Promise<void>): Promise<void> {
    const waiting = this.logs.values()
    const worker = async (): Promise<void> => {
      for (const log of waiting) await action(log)
    }
    const ends = await Promise.allSettled(Array.from({ length: parallelLogsMax }, worker))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  #newLog(name: string, identity: LogIdentity): PartitionLog {
    const { folder, memory, clock, logger, configOf } = this.#options
    const services = {
      files: this.#files,
      tails: this.#tails,
      memory,
      clock,
      logger,
      appends: this.#appends,
    }
    return new PartitionLog(path.join(folder, name), identity, configOf(identity.topic), services)
  }

  #openFound(
    name: string,
    identity: LogIdentity,
    recoveryPoints: ReadonlyMap<string, number>,
    logStarts: ReadonlyMap<string, number>,
  ): void {
    const log = this.#newLog(name, identity)
    try {
      log.open(recoveryPoints.get(name) ?? 0, logStarts.get(name) ?? 0)
      this.logs.set(name, log)
    } catch (error) {
      this.offline.set(name, error)
      this.#options.logger.error({ log: name, err: error }, 'a partition could not be opened')
    }
  }

  #readCheckpoints(): {
    recoveryPoints: ReadonlyMap<string, number>
    logStarts: ReadonlyMap<string, number>
  } {
    const read = (name: string): Map<string, number> => {
      try {
        return readOffsets(path.join(this.#options.folder, name))
      } catch (error) {
        if (!(error instanceof KafkaError) || error.code !== 'KAFKA_CHECKPOINT_DAMAGED') throw error
        // Without it everything is verified from the first byte: slow, and right.
        this.#options.logger.warn({ file: name, err: error }, 'a checkpoint file is damaged')
        return new Map()
      }
    }
    return { recoveryPoints: read(recoveryPointFile), logStarts: read(logStartFile) }
  }

  #replayJournal(): CommitJournal {
    const byId = new Map<string, PartitionLog>()
    for (const log of this.logs.values())
      byId.set(`${log.identity.topicId}/${log.identity.partition}`, log)
    let replayed = 0
    const journal = CommitJournal.open(this.#options.folder, ({ topicId, partition, batch }) => {
      const log = byId.get(`${topicId.toString('base64url')}/${partition}`)
      if (!log) return
      try {
        if (log.replay(batch)) replayed++
      } catch (error) {
        byId.delete(`${log.identity.topicId}/${partition}`)
        this.logs.delete(log.name)
        this.offline.set(log.name, error)
        this.#options.logger.error(
          { log: log.name, err: describeError(error) },
          'a partition could not be recovered from the commit journal',
        )
      }
    })
    if (replayed > 0)
      this.#options.logger.warn({ batches: replayed }, 'took batches from the commit journal')
    return journal
  }
}

let removals = 0

function identityOf(folder: string, name: string): LogIdentity | undefined {
  const match = /^(.+)-(\d+)$/.exec(name)
  if (!match) return undefined
  const topicId = readPartitionMetadata(path.join(folder, name))
  if (topicId === undefined) return undefined
  return { topic: match[1]!, partition: Number(match[2]), topicId }
}
