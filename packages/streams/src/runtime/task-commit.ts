import type { Logger } from '@khlong/core'
import type { Consumer, OffsetToCommit } from '@khlong/kafka-client'
import type { Checkpoint, StateFolder } from '../state/state-folder.ts'
import { asMigration, hasGroupMovedOn } from './migration.ts'
import type { ProducerCollector } from './producer-collector.ts'
import type { RunningTask } from './running-task.ts'
import { encodePartitionTime } from './stream-time.ts'
import { changelogTopic } from './task.ts'

export interface TaskCommitOptions {
  readonly applicationId: string
  readonly consumer: Consumer
  readonly collector: ProducerCollector
  readonly folder: StateFolder | undefined
  readonly logger: Logger
  /** Behind what is processed of one of a task's topics; undefined before the first record. */
  readonly processedOffset: (running: RunningTask, topic: string) => number | undefined
  /** Waits for Kafka, and measures how long. */
  readonly blocked: <T>(waiting: () => Promise<T>) => Promise<T>
  /** Called after a commit, with the offsets before which repartition topics are done with. */
  readonly onCommitted: (offsets: readonly OffsetToCommit[]) => void
}

/**
 * Brings outputs, changelogs, stores on disk and offsets to one point.
 *
 * At least once: what the tasks gave out is acknowledged, then the stores are written, then offsets
 * are committed; who ends in between repeats. Exactly once: outputs, changelogs and offsets become
 * true together in a transaction, then the stores are written; who ends in between finds them behind
 * their changelogs, never ahead, and reads on from there.
 */
export class TaskCommit {
  readonly #options: TaskCommitOptions

  constructor(options: TaskCommitOptions) {
    this.#options = options
  }

  /**
   * Commits those of the tasks that changed. With transactions it must be given all tasks: one
   * transaction has what all of them did.
   *
   * @throws StreamsError `STREAMS_TASK_MIGRATED` where a transaction is lost
   */
  async commit(tasks: readonly RunningTask[]): Promise<void> {
    const { collector, onCommitted } = this.#options
    const changed = tasks.filter((one) => this.#isChanged(one))
    if (changed.length === 0) return
    for (const { task } of changed)
      do {
        await task.deferred.settle()
        task.flush()
        // What the stores held back may have to be waited for, too.
      } while (task.deferred.count > 0)
    const offsets = changed.flatMap((one) => this.#offsetsOf(one))
    const isCommitted = collector.isTransactional
      ? await this.#commitOnce(changed, offsets)
      : await this.#commitAtLeastOnce(changed, offsets)
    if (!isCommitted) return
    for (const one of changed) {
      one.isChanged = false
      for (const { topic } of one.plan.sources) {
        const offset = this.#options.processedOffset(one, topic)
        if (offset !== undefined) one.committedOffsets.set(topic, offset)
      }
    }
    onCommitted(offsets)
  }

  async #commitOnce(
    changed: readonly RunningTask[],
    offsets: readonly OffsetToCommit[],
  ): Promise<boolean> {
    const { collector, consumer, blocked } = this.#options
    try {
      await blocked(() => collector.commitTransaction(offsets, consumer.groupMetadata()))
    } catch (error) {
      throw asMigration(error)
    }
    await this.#writeStores(changed)
    return true
  }

  async #commitAtLeastOnce(
    changed: readonly RunningTask[],
    offsets: readonly OffsetToCommit[],
  ): Promise<boolean> {
    const { collector, consumer, applicationId, logger, blocked } = this.#options
    await blocked(() => collector.flush())
    await this.#writeStores(changed)
    try {
      await blocked(() => consumer.commit(offsets))
      return true
    } catch (error) {
      // The group has moved on: who gets the tasks begins at the last commit.
      if (!hasGroupMovedOn(error)) throw error
      logger.warn({ application: applicationId, err: error }, 'offsets were not committed')
      return false
    }
  }

  /** Writes the stores' changes, with the places in their changelogs that they are at. */
  async #writeStores(changed: readonly RunningTask[]): Promise<void> {
    const { collector, folder, applicationId } = this.#options
    if (!folder) return
    const checkpoints: Checkpoint[] = []
    for (const { task } of changed)
      for (const { spec } of task.stores.values()) {
        if (!spec.persistent || spec.logging === false) continue
        const topic = changelogTopic(applicationId, spec.name)
        const offset = collector.changelogOffset(topic, task.partition)
        if (offset !== undefined)
          checkpoints.push({ taskId: task.id, storeName: spec.name, offset })
      }
    await folder.commit(checkpoints)
    for (const { task } of changed) task.committed()
  }

  /** Markers of transactions move a place too, and who asks for the lag wants them behind it. */
  #isChanged(running: RunningTask): boolean {
    if (running.isChanged || running.task.changeCount > 0) return true
    return running.plan.sources.some(({ topic }) => {
      const committed = running.committedOffsets.get(topic)
      return (
        committed !== undefined && (this.#options.processedOffset(running, topic) ?? 0) > committed
      )
    })
  }

  #offsetsOf(running: RunningTask): OffsetToCommit[] {
    const { task, plan, closedUntilMs } = running
    return plan.sources.flatMap(({ topic, partition }) => {
      const offset = this.#options.processedOffset(running, topic)
      if (offset === undefined) return []
      const timeMs = Math.max(task.partitionTimeMs(topic), closedUntilMs)
      const metadata = encodePartitionTime({ timeMs, processorTimes: task.processorTimes })
      return [{ topic, partition, offset, metadata }]
    })
  }
}
