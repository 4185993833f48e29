import path from 'node:path'
import { type Clock, type Logger, silentLogger, systemClock } from '@khlong/core'
import { Admin, Consumer, KafkaClient, Producer } from '@khlong/kafka-client'
import {
  type ResolvedStreamsSettings,
  resolveStreamsSettings,
  type StreamsSettings,
  taskSettings,
} from '../config.ts'
import { topologyError } from '../errors.ts'
import { groupAssignor } from '../runtime/group-assignor.ts'
import { prepareTopics } from '../runtime/internal-topics.ts'
import { ProducerCollector } from '../runtime/producer-collector.ts'
import { RepartitionPurge } from '../runtime/repartition-purge.ts'
import type { RestoreProgress } from '../runtime/restore.ts'
import { StreamThread } from '../runtime/stream-thread.ts'
import { newTaskCounts, type TaskCounts } from '../runtime/task.ts'
import { sourceTopics } from '../runtime/task-plan.ts'
import { KeyValueStore, type ReadOnlyKeyValueStore } from '../state/key-value-store.ts'
import { StateFolder } from '../state/state-folder.ts'
import type { StateStore } from '../state/state-store.ts'
import { type ReadOnlyWindowStore, WindowStore } from '../state/window-store.ts'
import type { Topology } from '../topology/topology.ts'

/** Where an application stands in its life. */
export type KafkaStreamsState =
  | 'created'
  | 'rebalancing'
  | 'running'
  | 'pending-shutdown'
  | 'not-running'
  | 'error'

/** What an application is given beside its settings. */
export interface KafkaStreamsContext {
  readonly logger?: Logger
  readonly clock?: Clock
  /** Folder of the persistent stores; one owner. Without it they live in memory, and are read from their changelogs at each start. */
  readonly data?: string
  /** Addresses by the names that brokers give themselves. */
  readonly hosts?: Readonly<Record<string, string>>
  /** Told when the application has stopped by itself. */
  readonly onError?: (error: unknown) => void
}

/**
 * Runs a topology against a broker, as one of any number of instances with one `application.id`.
 *
 * @example
 * const streams = new KafkaStreams(topology, { 'application.id': 'shout', 'bootstrap.servers': 'localhost:9092' })
 * await streams.start()
 */
export class KafkaStreams implements AsyncDisposable {
  readonly topology: Topology
  readonly settings: ResolvedStreamsSettings
  readonly counts: TaskCounts = newTaskCounts()
  readonly #context: KafkaStreamsContext
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #stopping = new AbortController()
  #state: KafkaStreamsState = 'created'
  #thread: StreamThread | undefined
  #running: Promise<void> | undefined
  #starting: Promise<void> | undefined
  #closing: (() => Promise<void>)[] = []

  constructor(topology: Topology, settings: StreamsSettings, context: KafkaStreamsContext = {}) {
    this.topology = topology
    this.settings = resolveStreamsSettings(settings)
    this.#context = context
    this.#logger = context.logger ?? silentLogger
    this.#clock = context.clock ?? systemClock
  }

  get state(): KafkaStreamsState {
    return this.#state
  }
  /** How far stores are restored; undefined while none is. */
  get restoring(): RestoreProgress | undefined {
    return this.#thread?.restoring
  }
  /** Records that wait in the topics that are read. */
  get lag(): number {
    return this.#thread?.lag() ?? 0
  }
  /** When the next window closes; undefined where none is open. */
  get nextWindowCloseMs(): number | undefined {
    return this.#thread?.nextWindowCloseMs()
  }

  /**
   * Makes internal topics, joins the group and resolves; tasks start when the group has shared them out.
   *
   * @throws StreamsError `STREAMS_SOURCE_TOPIC_MISSING`, `STREAMS_PARTITIONS_CHANGED`; KafkaClientError
   */
  start(): Promise<void> {
    if (this.#state !== 'created' && !this.#starting)
      throw topologyError('an application starts once; make a new one')
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      this.#state = 'error'
      await this.#closeAll()
      throw error
    })
    return this.#starting
  }

  /** Commits, leaves the group and closes the stores. */
  async stop(): Promise<void> {
    if (this.#state === 'running' || this.#state === 'rebalancing') this.#state = 'pending-shutdown'
    this.#stopping.abort()
    // A start that waits for a broker ends when its client closes.
    if (!this.#running) await this.#closeAll()
    await this.#starting?.catch(() => {})
    await this.#running
    if (this.#state !== 'error') this.#state = 'not-running'
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** A key-value store of the tasks that run here. */
  keyValueStores<K, V>(name: string): ReadOnlyKeyValueStore<K, V>[] {
    return this.#stores(name).filter((store) => store instanceof KeyValueStore)
  }

  /** A window store of the tasks that run here. */
  windowStores<K, V>(name: string): ReadOnlyWindowStore<K, V>[] {
    return this.#stores(name).filter((store) => store instanceof WindowStore)
  }

  #stores(name: string): StateStore[] {
    return (this.#thread?.tasks ?? []).flatMap((task) => {
      const held = task.stores.get(name)
      return held ? [held.store] : []
    })
  }

  async #start(): Promise<void> {
    const { settings, topology } = this
    const applicationId = settings['application.id']
    const context = { logger: this.#logger }
    const clientId = settings['client.id'] ?? applicationId
    const clientSettings = {
      'bootstrap.servers': settings['bootstrap.servers'],
      'client.id': clientId,
      ...pick(settings, 'security.protocol', 'sasl.mechanism', 'sasl.username', 'sasl.password'),
      ...(this.#context.hosts ? { hosts: this.#context.hosts } : {}),
    }
    const client = new KafkaClient(clientSettings, context)
    this.#closing.push(() => client.close())
    const admin = new Admin(clientSettings, { ...context, client })
    const plan = await prepareTopics(admin, topology, settings)
    this.#stopping.signal.throwIfAborted()
    const folder = await this.#openFolder(
      plan.tasks.some((task) => task.subTopology.stores.some((store) => store.persistent)),
    )
    const producer = new Producer(
      {
        ...clientSettings,
        ...pick(settings, 'compression.type', 'linger.ms'),
        acks: 'all',
      },
      { ...context, client },
    )
    this.#closing.push(() => producer.close({ timeoutMs: 2_000 }))
    const shared = taskSettings(settings, {
      logger: this.#logger,
      clock: this.#clock,
      counts: this.counts,
    })
    const collector = new ProducerCollector(producer, (topic, error) => {
      this.#logger.warn({ application: applicationId, topic, err: error }, 'record was not sent')
      this.counts.dropped.error++
      return shared.errors.production({
        stage: 'production',
        error,
        taskId: '',
        nodeName: topic,
        record: unknownRecord,
      })
    })
    const { external, internal } = sourceTopics(topology, applicationId)
    const topics = [...external, ...internal]
    const fingerprint = [...topics].sort().join()
    let assignedFor = fingerprint
    const consumer = new Consumer(
      {
        ...clientSettings,
        ...pick(
          settings,
          'auto.offset.reset',
          'max.poll.records',
          'fetch.max.bytes',
          'session.timeout.ms',
          'heartbeat.interval.ms',
        ),
        'group.id': applicationId,
        ...this.#instanceId(folder),
      },
      {
        ...context,
        client,
        assignors: [
          groupAssignor({
            plan: () => prepareTopics(admin, topology, settings),
            storedTasks: () => folder?.taskIds() ?? [],
            fingerprint,
            onAssignment: (given) => {
              assignedFor = given
            },
          }),
        ],
      },
    )
    const purge = new RepartitionPurge(admin, new Set(internal), this.#clock, this.#logger)
    const thread = new StreamThread({
      topology,
      settings,
      taskSettings: shared,
      client,
      admin,
      consumer,
      collector,
      folder,
      plan: () => prepareTopics(admin, topology, settings),
      clock: this.#clock,
      logger: this.#logger,
      signal: this.#stopping.signal,
      onCommitted: (offsets) => purge.note(offsets),
    })
    this.#thread = thread
    this.#state = 'rebalancing'
    const subscribe = (): void =>
      consumer.subscribe(topics, {
        onPartitionsAssigned: async () => {
          // A static member that comes back gets its old part without a round of its own.
          if (assignedFor !== fingerprint) {
            assignedFor = fingerprint
            subscribe()
          }
          await thread.onAssigned(consumer.assignment)
          if (!this.#stopping.signal.aborted) this.#state = 'running'
          this.#logger.info(
            { application: applicationId, tasks: thread.tasks.map(({ id }) => id) },
            'streams tasks assigned',
          )
        },
        onPartitionsRevoked: (partitions) => thread.onRevoked(partitions),
        onPartitionsLost: (partitions) => thread.onLost(partitions),
      })
    subscribe()
    this.#running = this.#run(thread, consumer)
  }

  async #run(thread: StreamThread, consumer: Consumer): Promise<void> {
    let failure: unknown
    try {
      await thread.run()
    } catch (error) {
      if (!this.#stopping.signal.aborted) failure = error
      // What a record did that failed is not committed; it is read again after the next start.
      thread.closeAll()
    }
    try {
      await consumer.close()
    } catch (error) {
      failure ??= error
    }
    thread.closeAll()
    await this.#closeAll()
    if (failure === undefined) return
    this.#state = 'error'
    this.#logger.error(
      { application: this.settings['application.id'], err: failure },
      'streams application stopped',
    )
    this.#context.onError?.(failure)
  }

  async #openFolder(isNeeded: boolean): Promise<StateFolder | undefined> {
    const { data } = this.#context
    if (data === undefined || !isNeeded) return undefined
    const folder = await StateFolder.open(path.join(data, this.settings['application.id']))
    this.#closing.push(() => folder.close())
    return folder
  }

  /** With a folder the instance is known by it, so that a restart takes its place back at once. */
  #instanceId(folder: StateFolder | undefined): { 'group.instance.id'?: string } {
    if (!folder) return {}
    return { 'group.instance.id': `${this.settings['application.id']}-${folder.processId}` }
  }

  async #closeAll(): Promise<void> {
    const closing = this.#closing.reverse()
    this.#closing = []
    for (const close of closing)
      await close().catch((error: unknown) => {
        this.#logger.warn({ err: error }, 'closing a streams application failed in part')
      })
  }
}

const unknownRecord = {
  topic: '',
  partition: -1,
  offset: -1,
  timestampMs: -1,
  headers: [],
  rawKey: null,
  rawValue: null,
} as const

/** Some of an object's properties; those that are undefined are left out. */
function pick<T extends object, Key extends keyof T>(
  from: T,
  ...keys: Key[]
): { [Each in keyof Pick<T, Key>]: Exclude<T[Each], undefined> } {
  return Object.fromEntries(
    keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]),
  ) as { [Each in keyof Pick<T, Key>]: Exclude<T[Each], undefined> }
}
