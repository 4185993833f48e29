import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock, Logger } from '@khlong/core'
import type {
  Admin,
  Consumer,
  KafkaClient,
  OffsetToCommit,
  TopicPartition,
} from '@khlong/kafka-client'
import type { ResolvedStreamsSettings } from '../config.ts'
import { StreamsError } from '../errors.ts'
import type { StreamsMetric } from '../metrics/streams-metric.ts'
import { ThreadMetrics } from '../metrics/thread-metrics.ts'
import type { StateFolder } from '../state/state-folder.ts'
import type { StateStore, StoreSpec } from '../state/state-store.ts'
import type { Topology } from '../topology/topology.ts'
import { partitionKey } from './group-assignor.ts'
import { IdleWindows } from './idle-windows.ts'
import type { PreparedTopics } from './internal-topics.ts'
import { taskMigrated } from './migration.ts'
import {
  enqueue,
  headOf,
  PartitionGroup,
  type PartitionQueue,
  queuedMax,
  shiftHead,
} from './partition-group.ts'
import type { ProducerCollector } from './producer-collector.ts'
import { type RestoreProgress, restoreStores } from './restore.ts'
import { RunningTask } from './running-task.ts'
import { decodePartitionTime } from './stream-time.ts'
import { StreamTask, type TaskSettings } from './task.ts'
import { TaskCommit } from './task-commit.ts'
import type { TaskLocker } from './task-locks.ts'
import { internalTopicNamer } from './topic-names.ts'

export interface StreamThreadOptions {
  readonly topology: Topology
  readonly settings: ResolvedStreamsSettings
  readonly taskSettings: TaskSettings
  readonly client: KafkaClient
  readonly admin: Admin
  readonly consumer: Consumer
  readonly collector: ProducerCollector
  readonly folder: StateFolder | undefined
  /** Stores of global tables, which every task may read. */
  readonly globalStores: ReadonlyMap<string, StateStore> | undefined
  readonly plan: () => Promise<PreparedTopics>
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
  /** Holds tasks whose stores are on disk: two threads never have one task's stores. */
  readonly locks: TaskLocker
  /** Called after a commit, with the offsets before which repartition topics are done with. */
  readonly onCommitted: (offsets: readonly OffsetToCommit[]) => void
}

/** How long the loop waits for records before it looks at the clock. */
const pollMs = 100
/** How long records are processed before others of the process get their turn. */
const sliceMs = 8
const recordsPerLook = 64
/** Entries that wait in stores before they are committed ahead of the interval. */
const changesMax = 50_000
/**
 * How long a transaction waits for a round of the group that has begun. Between the end of the round
 * at the broker and our learning of it, a commit would be refused and everything since the last one
 * be lost; but a round that waits for a dead member must not hold up commits until its session ends.
 */
const rebalanceWaitMs = 1_000

/**
 * Owns tasks: polls, processes, commits. Everything that touches a task happens in its loop, or in
 * the calls of a rebalance, which come from within `poll`.
 */
export class StreamThread {
  readonly #options: StreamThreadOptions
  readonly #tasks = new Map<string, RunningTask>()
  readonly #queues = new Map<string, PartitionQueue>()
  /** By sub-topology where its tasks write to one repartition topic, otherwise by task. */
  readonly #groups = new Map<string, PartitionGroup>()
  readonly #paused = new Set<string>()
  readonly #realTopic: (topic: string) => string
  readonly #committer: TaskCommit
  readonly #idleWindows: IdleWindows
  #lastCommitMs: number
  #rebalanceSinceMs: number | undefined
  #failure: StreamsError | undefined
  /** While this holds nothing is processed or punctuated; the thread stays in its group. */
  isPaused = false
  readonly #metrics = new ThreadMetrics()
  restoring: RestoreProgress | undefined

  constructor(options: StreamThreadOptions) {
    this.#options = options
    this.#realTopic = internalTopicNamer(options.topology, options.settings['application.id'])
    this.#lastCommitMs = options.clock.nowMs()
    this.#idleWindows = new IdleWindows({
      ...options,
      idleMs: options.settings['window.close.idle.ms'],
      subTopologies: options.topology.subTopologies(),
      realTopic: this.#realTopic,
      ownerOf: (partition) => this.#queues.get(partitionKey(partition))?.running,
      processedOffset: (partition) => this.#processedOffset(partition),
    })
    this.#committer = new TaskCommit({
      ...options,
      applicationId: options.settings['application.id'],
      blocked: (waiting) => this.#metrics.blocked(waiting),
      processedOffset: (running, topic) => {
        const queue = this.#queues.get(partitionKey({ topic, partition: running.task.partition }))
        return queue && this.#processedOffset(queue)
      },
    })
  }

  get tasks(): readonly StreamTask[] {
    return [...this.#tasks.values()].map(({ task }) => task)
  }

  /** The tasks with their places in their partitions. */
  get runningTasks(): readonly RunningTask[] {
    return [...this.#tasks.values()]
  }

  /** What the thread and its tasks have measured. */
  metrics(threadId: string): StreamsMetric[] {
    const metrics = this.#metrics.collect(threadId)
    for (const running of this.#tasks.values()) {
      const waiting = (): number => {
        const queues = this.#queues.values().filter((queue) => queue.running === running)
        return queues.reduce((sum, { count }) => sum + count, 0)
      }
      metrics.push(...running.metrics(threadId, waiting))
    }
    return metrics
  }

  /** When the next window closes, of all tasks; undefined where none is open. */
  nextWindowCloseMs(): number | undefined {
    let next: number | undefined
    for (const { task } of this.#tasks.values()) {
      const timeMs = task.nextWindowCloseMs()
      if (timeMs !== undefined && (next === undefined || timeMs < next)) next = timeMs
    }
    return next
  }

  /** What a rebalance, or the end, met that the thread cannot go on after. */
  get failure(): StreamsError | undefined {
    return this.#failure
  }

  /** Records that wait in the topics that are read. */
  lag(): number {
    let lag = 0
    for (const queue of this.#queues.values())
      lag += queue.count + (this.#options.consumer.lag(queue) ?? 0)
    return lag
  }

  /**
   * Runs until the signal says stop, or throws what the application cannot go on after.
   *
   * @throws StreamsError `STREAMS_TASK_MIGRATED` where another thread of the same id would go on
   */
  async run(): Promise<void> {
    const { consumer, collector, signal } = this.#options
    while (!signal.aborted) {
      const polledAtMs = performance.now()
      const polledNow = await consumer.pollReaders(this.#pollMs())
      this.#metrics.polled(
        polledAtMs,
        polledNow.reduce((sum, { count }) => sum + count, 0),
      )
      for (const polled of polledNow) {
        const queue = this.#queues.get(partitionKey(polled))
        if (!queue) continue
        enqueue(queue, polled)
        if (queue.count >= queuedMax && !this.#paused.has(partitionKey(queue))) {
          this.#paused.add(partitionKey(queue))
          consumer.pause([queue])
        }
      }
      if (this.#failure) throw this.#failure
      const nowMs = this.#options.clock.nowMs()
      if (!this.isPaused)
        for (const group of this.#groups.values())
          if (group.isReady(nowMs, (partition) => consumer.lag(partition)))
            await this.#measured(() => this.#process(group))
      collector.check()
      for (const { task } of this.#tasks.values()) task.deferred.resume()
      if (!this.isPaused) {
        this.#punctuate()
        await this.#idleWindows.close(this.#tasks.values())
      }
      await this.#commitIfDue()
    }
  }

  /** Told when this member is about to join the group again. */
  onRebalance(): void {
    this.#rebalanceSinceMs ??= this.#options.clock.nowMs()
  }

  /** Starts the tasks whose partitions are all there now. */
  async onAssigned(owned: readonly TopicPartition[]): Promise<void> {
    this.#rebalanceSinceMs = undefined
    // What follows a lost transaction is another session's.
    if (!this.#failure) await this.#withinRebalance(() => this.#startTasks(owned))
  }

  async #startTasks(owned: readonly TopicPartition[]): Promise<void> {
    const { client, admin, consumer, settings, folder, taskSettings, collector, clock, locks } =
      this.#options
    const ownedKeys = new Set(owned.map(partitionKey))
    const plan = await this.#options.plan()
    collector.watchChangelogs(plan.changelogTopics.map(({ name }) => name))
    const starting = plan.tasks.filter(
      ({ id, sources }) =>
        !this.#tasks.has(id) && sources.every((source) => ownedKeys.has(partitionKey(source))),
    )
    if (starting.length === 0) return
    collector.prepare(plan.writtenTopics)
    // Restoring may take longer than a transaction may last.
    if (collector.isTransactional) await this.#commit([...this.#tasks.values()])
    if (folder) for (const { id } of starting) await this.#unlessAborted(locks.lock(id))
    const sources = starting.flatMap((planned) => planned.sources)
    const committed = new Map(
      (await consumer.committed(sources)).map((one) => [partitionKey(one), one]),
    )
    const isDebug = settings['metrics.recording.level'] === 'DEBUG'
    const running = starting.map((planned) => {
      const openBacking = folder
        ? (store: StoreSpec) => folder.backing(planned.id, store.name)
        : () => undefined
      const { subTopology, partition } = planned
      const task = new StreamTask({
        subTopology,
        partition,
        settings: taskSettings,
        collector,
        realTopic: this.#realTopic,
        openBacking,
        globalStores: this.#options.globalStores,
      })
      this.#metrics.taskCreated()
      return new RunningTask(task, planned, clock.nowMs(), isDebug)
    })
    await restoreStores({
      client,
      admin,
      applicationId: settings['application.id'],
      tasks: running.map(({ task }) => task),
      folder,
      fetchBytes: settings['fetch.max.bytes'],
      isCommitted: collector.isTransactional,
      logger: this.#options.logger,
      onProgress: (progress) => {
        this.restoring = progress
      },
      signal: this.#options.signal,
    })
    for (const one of running) {
      let streamTimeMs = -1
      for (const source of one.plan.sources) {
        const found = committed.get(partitionKey(source))
        if (found) {
          one.nextOffsets.set(source.topic, found.offset)
          one.committedOffsets.set(source.topic, found.offset)
          const { timeMs, processorTimes } = decodePartitionTime(found.metadata)
          streamTimeMs = Math.max(streamTimeMs, timeMs)
          one.task.keepProcessorTimes(processorTimes)
        } else consumer.seek(source, this.#beginning(source.topic))
      }
      one.closedUntilMs = streamTimeMs
      one.task.start(streamTimeMs)
      this.#tasks.set(one.task.id, one)
      this.#addToGroup(one)
    }
  }

  /** Commits and closes the tasks of these partitions. */
  async onRevoked(partitions: readonly TopicPartition[]): Promise<void> {
    this.#rebalanceSinceMs = undefined
    const leaving = this.#tasksOf(partitions)
    const { isTransactional } = this.#options.collector
    // A transaction has what all tasks did: it cannot be committed for some of them.
    const committing = isTransactional ? [...this.#tasks.values()] : leaving
    // After a failure the stores may lack what their changelogs have: they are read from there anew.
    if (!this.#failure) await this.#withinRebalance(() => this.#commit(committing))
    this.#close(leaving)
  }

  /** Closes the tasks of these partitions: others may have them already. */
  onLost(partitions: readonly TopicPartition[]): void {
    this.#rebalanceSinceMs = undefined
    this.#close(this.#tasksOf(partitions))
    if (this.#options.collector.isTransactional) this.#failure ??= taskMigrated()
  }

  /** Closes what is left, without a commit. */
  closeAll(): void {
    this.#close([...this.#tasks.values()])
  }

  async #measured(process: () => Promise<void>): Promise<void> {
    const { counts } = this.#options.taskSettings
    const before = counts.recordsIn
    const startMs = performance.now()
    await process()
    this.#metrics.processed(startMs, counts.recordsIn - before)
  }

  /** Processes what a group has, in the order of time, until one of its partitions is empty. */
  async #process(group: PartitionGroup): Promise<void> {
    const { collector, consumer, clock, settings } = this.#options
    const nowMs = clock.nowMs()
    const waitsForAll = group.queues.every(({ count }) => count > 0)
    let sliceEndMs = performance.now() + sliceMs
    const asyncMax = settings['async.records.max']
    let left = recordsPerLook
    for (let next = group.next(); next; next = group.next()) {
      const { queue, untilMs } = next
      const { running, topic, partition } = queue
      running.isChanged = true
      running.lastRecordMs = nowMs
      running.task.look(nowMs)
      for (
        let record = headOf(queue);
        record && record.timestamp <= untilMs;
        record = headOf(queue)
      ) {
        running.task.process(topic, partition, record)
        shiftHead(queue)
        const { deferred } = running.task
        if (deferred.count > 0) await deferred.settle(asyncMax - 1)
        if (collector.isFull) await this.#metrics.blocked(() => collector.ready())
        if (--left > 0) continue
        left = recordsPerLook
        running.task.look()
        if (performance.now() < sliceEndMs) continue
        await nextTurn(undefined, { ref: false })
        collector.check()
        sliceEndMs = performance.now() + sliceMs
      }
      if (queue.count < queuedMax / 2 && this.#paused.delete(partitionKey(queue)))
        consumer.resume([queue])
      // Where this one is empty now, it may have more to come that belongs before the others.
      if (waitsForAll && queue.count === 0 && group.queues.length > 1) return
    }
  }

  /** Short while records wait for a partition that may have earlier ones. */
  #pollMs(): number {
    const nowMs = this.#options.clock.nowMs()
    let waitMs = pollMs
    for (const group of this.#groups.values())
      if (group.waitEndMs !== undefined)
        waitMs = Math.min(waitMs, Math.max(1, group.waitEndMs - nowMs))
    return waitMs
  }

  #punctuate(): void {
    const nowMs = this.#options.clock.nowMs()
    for (const running of this.#tasks.values()) {
      const startMs = performance.now()
      if (!running.task.punctuateWallClock(nowMs)) continue
      running.isChanged = true
      this.#metrics.punctuated(startMs)
    }
  }

  async #commitIfDue(): Promise<void> {
    const nowMs = this.#options.clock.nowMs()
    let changes = 0
    let isDue = nowMs - this.#lastCommitMs >= this.#options.settings['commit.interval.ms']
    for (const { task } of this.#tasks.values()) {
      changes += task.changeCount
      isDue ||= task.isCommitRequested
    }
    if (!isDue && changes < changesMax) return
    const isRebalancing = nowMs - (this.#rebalanceSinceMs ?? -rebalanceWaitMs) < rebalanceWaitMs
    if (isRebalancing && this.#options.collector.isTransactional) return
    this.#lastCommitMs = nowMs
    await this.#commit([...this.#tasks.values()])
  }

  async #commit(tasks: readonly RunningTask[]): Promise<void> {
    const startMs = performance.now()
    for (const { task } of tasks) task.isCommitRequested = false
    await this.#committer.commit(tasks)
    this.#metrics.committed(startMs)
  }

  /** What is no matter of the group's, as a lost transaction or a full disk, ends the loop, not the rebalance. */
  async #withinRebalance(job: () => Promise<void>): Promise<void> {
    try {
      await job()
    } catch (error) {
      if (!(error instanceof StreamsError)) throw error
      this.#failure ??= error
    }
  }

  #beginning(topic: string): 'earliest' | 'latest' {
    const { settings, topology } = this.#options
    for (const node of topology.nodes.values()) {
      if (node.kind !== 'source') continue
      const name = node.topics.find((one) => this.#realTopic(one) === topic)
      if (name === undefined) continue
      if (topology.internalTopics.has(name)) return 'earliest'
      const reset = node.offsetReset ?? settings['auto.offset.reset']
      if (reset !== 'none') return reset
    }
    throw new StreamsError(
      'STREAMS_TOPOLOGY_INVALID',
      `the group has no offset for topic ${topic}, and auto.offset.reset is none`,
    )
  }

  /** Behind the last processed record of a partition that is read here. */
  #processedOffset(partition: TopicPartition): number | undefined {
    const queue = this.#queues.get(partitionKey(partition))
    if (!queue) return undefined
    const offset = queue.running.nextOffsets.get(queue.topic)
    const position = queue.count === 0 ? this.#options.consumer.position(queue) : undefined
    return position ?? offset
  }

  #addToGroup(running: RunningTask): void {
    const { subTopology, sources } = running.plan
    const { topology, settings } = this.#options
    const feedsOthers = subTopology.sinkTopics.some((topic) => topology.internalTopics.has(topic))
    const name = feedsOthers ? String(subTopology.id) : running.task.id
    let group = this.#groups.get(name)
    if (!group) {
      group = new PartitionGroup(settings['max.task.idle.ms'])
      this.#groups.set(name, group)
    }
    for (const source of sources)
      this.#queues.set(partitionKey(source), group.addPartition(source, running))
  }

  /** A task that another thread still has is not waited for once this one is to stop. */
  async #unlessAborted(waiting: Promise<void>): Promise<void> {
    const { signal } = this.#options
    const aborted = Promise.withResolvers<void>()
    const onAbort = (): void => aborted.resolve()
    signal.addEventListener('abort', onAbort)
    await Promise.race([waiting, aborted.promise])
    signal.removeEventListener('abort', onAbort)
    signal.throwIfAborted()
  }

  #tasksOf(partitions: readonly TopicPartition[]): RunningTask[] {
    const found = partitions.map((one) => this.#queues.get(partitionKey(one))?.running)
    return [...new Set(found.filter((one) => one !== undefined))]
  }

  #close(tasks: readonly RunningTask[]): void {
    for (const one of tasks) {
      this.#tasks.delete(one.task.id)
      for (const source of one.plan.sources) {
        this.#queues.delete(partitionKey(source))
        this.#paused.delete(partitionKey(source))
      }
      for (const [name, group] of this.#groups) {
        group.remove(one)
        if (group.isEmpty) this.#groups.delete(name)
      }
      one.task.close()
      this.#metrics.taskClosed()
      if (this.#options.folder) this.#options.locks.unlock(one.task.id)
    }
  }
}
