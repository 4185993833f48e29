import type { Clock, Logger } from '@khlong/core'
import {
  type Admin,
  Consumer,
  type KafkaClient,
  KafkaClientError,
  type KafkaClientOptions,
  type LeaveOptions,
  Producer,
} from '@khlong/kafka-client'
import { consumerSettings, producerSettings } from '../client-settings.ts'
import type { ResolvedStreamsSettings } from '../config.ts'
import { StreamsError } from '../errors.ts'
import { noHeaders } from '../record.ts'
import { groupAssignor } from '../runtime/group-assignor.ts'
import { prepareTopics } from '../runtime/internal-topics.ts'
import { ProducerCollector } from '../runtime/producer-collector.ts'
import { RefusedRecords } from '../runtime/refused-records.ts'
import { RepartitionPurge } from '../runtime/repartition-purge.ts'
import { StreamThread } from '../runtime/stream-thread.ts'
import type { TaskSettings } from '../runtime/task.ts'
import type { TaskLocker } from '../runtime/task-locks.ts'
import { sourceTopics } from '../runtime/task-plan.ts'
import type { StateFolder } from '../state/state-folder.ts'
import type { StateStore } from '../state/state-store.ts'
import type { Topology } from '../topology/topology.ts'
import { pick } from './pick.ts'
import { groupInstanceId } from './static-members.ts'
import type { StreamThreadState, TaskMetadata, ThreadIdentity } from './thread-handle.ts'

export interface StreamSessionOptions {
  readonly topology: Topology
  readonly settings: ResolvedStreamsSettings
  readonly clientSettings: KafkaClientOptions
  readonly taskSettings: TaskSettings
  readonly client: KafkaClient
  readonly admin: Admin
  readonly folder: StateFolder | undefined
  readonly globalStores: ReadonlyMap<string, StateStore> | undefined
  readonly identity: ThreadIdentity
  readonly locks: TaskLocker
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
  /** Whether all members are asked to stop. */
  readonly isShutdown: () => boolean
  /** Told that a member asked all others to stop. */
  readonly onShutdown: () => void
  readonly onState: (state: StreamThreadState) => void
}

/**
 * One membership in the group: a consumer, a producer and the thread between them. With transactions
 * it ends where a transaction is lost; the next session takes over the transactional id, and begins
 * where the last commit is.
 */
export class StreamSession {
  readonly thread: StreamThread
  /** Whether anything was committed. */
  hasCommitted = false
  /** Whether the group has taken this member. */
  hasJoined = false
  /** Whether an error has ended it. */
  #isEnding = false
  readonly #options: StreamSessionOptions
  readonly #producer: Producer
  readonly #collector: ProducerCollector
  readonly #consumer: Consumer
  readonly #topics: readonly string[]
  /** Tells this topology from another one of the same application. */
  readonly #fingerprint: string
  #assignedFor: string
  /** Rounds one after the other whose tasks were shared out for another topology. */
  #mismatches = 0

  constructor(options: StreamSessionOptions) {
    this.#options = options
    const { settings, topology, client, admin, folder, clock, logger, clientSettings } = options
    const applicationId = settings['application.id']
    const { name, index, processId } = options.identity
    const isOnce = settings['processing.guarantee'] === 'exactly_once_v2'
    const { external, internal } = sourceTopics(topology, applicationId)
    this.#topics = [...external, ...internal]
    this.#fingerprint = [...this.#topics].sort().join()
    this.#assignedFor = this.#fingerprint
    this.#producer = new Producer(
      {
        ...clientSettings,
        'client.id': `${name}-producer`,
        ...pick(settings, 'compression.type', 'linger.ms', 'max.request.size'),
        ...producerSettings(settings),
        acks: 'all',
        ...(isOnce
          ? {
              // As Java names it: the thread's number is its last part.
              'transactional.id': `${applicationId}-${processId}-${index}`,
              ...pick(settings, 'transaction.timeout.ms'),
            }
          : {}),
      },
      { logger },
    )
    const refused = new RefusedRecords({
      applicationId,
      errors: options.taskSettings.errors,
      counts: options.taskSettings.counts,
      logger,
      send: ({ topic, key, value, timestampMs, headers = noHeaders }) =>
        this.#collector.send(topic, undefined, key, value, timestampMs, headers),
    })
    this.#collector = new ProducerCollector(this.#producer, (...record) => refused.judge(...record))
    this.#consumer = new Consumer(
      {
        ...clientSettings,
        ...pick(
          settings,
          'auto.offset.reset',
          'max.poll.records',
          'fetch.max.bytes',
          'session.timeout.ms',
          'heartbeat.interval.ms',
          'max.poll.interval.ms',
        ),
        // A thread that waits for one partition holds what was fetched of the others, besides.
        'prefetch.max.bytes': settings['fetch.max.bytes'],
        ...consumerSettings(settings),
        'group.id': applicationId,
        'isolation.level': isOnce ? 'read_committed' : 'read_uncommitted',
        // With a folder the instance is known by it, so that a restart takes its place back at once.
        ...(folder
          ? { 'group.instance.id': groupInstanceId(applicationId, processId, index) }
          : {}),
      },
      {
        logger,
        client,
        assignors: [
          groupAssignor({
            plan: () => prepareTopics(admin, topology, settings),
            storedTasks: () => folder?.taskIds() ?? [],
            fingerprint: this.#fingerprint,
            onJoin: () => this.thread.onRebalance(),
            isShutdown: options.isShutdown,
            onAssignment: (given, isShutdown) => {
              this.#assignedFor = given
              if (isShutdown) options.onShutdown()
            },
          }),
        ],
      },
    )
    const purge = new RepartitionPurge(admin, new Set(internal), clock, logger)
    this.thread = new StreamThread({
      ...options,
      consumer: this.#consumer,
      collector: this.#collector,
      plan: () => prepareTopics(admin, topology, settings),
      onCommitted: (offsets) => {
        this.hasCommitted = true
        purge.note(offsets)
      },
    })
  }

  /** What the tasks read, and how far they are. */
  taskMetadata(): TaskMetadata[] {
    return this.thread.runningTasks.map(({ task, plan, committedOffsets }) => {
      const committed: Record<string, number> = {}
      const ends: Record<string, number> = {}
      for (const source of plan.sources) {
        const name = `${source.topic}-${source.partition}`
        const offset = committedOffsets.get(source.topic)
        if (offset !== undefined) committed[name] = offset
        const position = this.#consumer.position(source)
        const lag = this.#consumer.lag(source)
        if (position !== undefined && lag !== undefined) ends[name] = position + lag
      }
      return {
        taskId: task.id,
        topicPartitions: plan.sources,
        committedOffsets: committed,
        endOffsets: ends,
      }
    })
  }

  /** Takes the transactional id over, where there is one, and joins the group. */
  async open(): Promise<void> {
    // Before anything is read: what an earlier producer of this id left open is taken back now.
    if (this.#collector.isTransactional) await this.#producer.initTransactions()
    this.#options.signal.throwIfAborted()
    this.#subscribe()
  }

  /** Asks for a round of the group, in which the others are told to stop. */
  askForShutdown(): void {
    this.#consumer.rejoin()
  }

  /** Runs until it is told to stop, and closes; gives the error that ended it before. */
  async run(leaving: () => LeaveOptions): Promise<unknown> {
    const { thread } = this
    let failure: unknown
    try {
      await thread.run()
    } catch (error) {
      if (!this.#options.signal.aborted) failure = causeOf(error)
      // As in Java, a thread that ends by an error gives its tasks back without a rebalance of the application.
      this.#isEnding = true
      // What a record did that failed is not committed; it is read again after the next start.
      thread.closeAll()
    }
    const closeFailure = await this.close(leaving())
    return failure ?? closeFailure
  }

  /** Commits, gives the tasks back and leaves the group; gives the error of what failed. */
  async close(leaving: LeaveOptions = {}): Promise<unknown> {
    let failure: unknown
    try {
      await this.#consumer.close(leaving)
    } catch (error) {
      failure = error
    }
    this.thread.closeAll()
    this.#options.folder?.discard()
    this.#options.locks.unlockAll()
    await this.#abort()
    await this.#producer.close({ timeoutMs: closeTimeoutMs })
    return failure ?? this.thread.failure
  }

  #subscribe(): void {
    const { thread } = this
    const { logger, settings, identity } = this.#options
    const onState = (state: StreamThreadState): void => {
      if (!this.#isEnding) this.#options.onState(state)
    }
    this.#consumer.subscribe(this.#topics, {
      onPartitionsAssigned: async () => {
        this.hasJoined = true
        // A static member that comes back gets its old part without a round of its own.
        if (this.#assignedFor === this.#fingerprint) this.#mismatches = 0
        else {
          this.#assignedFor = this.#fingerprint
          // While an application is replaced by another version, one round of it is as it should be.
          if (++this.#mismatches === 3)
            logger.warn(
              { application: settings['application.id'] },
              'another instance has another topology, and tasks are shared out again and again: give all the same version and settings',
            )
          this.#subscribe()
        }
        onState('partitions-assigned')
        await thread.onAssigned(this.#consumer.assignment)
        onState('running')
        logger.info(
          {
            application: settings['application.id'],
            thread: identity.name,
            tasks: thread.tasks.map(({ id }) => id),
          },
          'streams tasks assigned',
        )
      },
      onPartitionsRevoked: (partitions) => {
        onState('partitions-revoked')
        return thread.onRevoked(partitions)
      },
      onPartitionsLost: (partitions) => {
        onState('partitions-revoked')
        thread.onLost(partitions)
      },
    })
  }

  /** Readers of committed records need not wait for the timeout of what will never be committed. */
  async #abort(): Promise<void> {
    const { settings, logger } = this.#options
    const timeout = Promise.withResolvers<void>()
    const timer = setTimeout(timeout.resolve, closeTimeoutMs)
    try {
      await Promise.race([this.#collector.abort(), timeout.promise])
    } catch (error) {
      // Who is fenced has nothing left to take back.
      logger.debug(
        { application: settings['application.id'], err: error },
        'transaction was not aborted',
      )
    } finally {
      clearTimeout(timer)
    }
  }
}

/** What the group's assignor or a listener of ours threw comes back within an error of the client. */
const causeOf = (error: unknown): unknown =>
  error instanceof KafkaClientError && error.cause instanceof StreamsError ? error.cause : error

const closeTimeoutMs = 2_000
