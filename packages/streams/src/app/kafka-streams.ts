import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { type Clock, type Logger, openDataFolder, silentLogger, systemClock } from '@khlong/core'
import { Admin, clientSecurityOf, KafkaClient, type KafkaClientOptions } from '@khlong/kafka-client'
import {
  type ResolvedStreamsSettings,
  resolveStreamsSettings,
  type StreamsSettings,
} from '../config.ts'
import { StreamsError, topologyError } from '../errors.ts'
import { clientMetrics } from '../metrics/client-metrics.ts'
import type { StreamsMetric } from '../metrics/streams-metric.ts'
import { prepareTopics } from '../runtime/internal-topics.ts'
import type { RestoreProgress } from '../runtime/restore.ts'
import { newTaskCounts, type TaskCounts } from '../runtime/task.ts'
import { TaskLocks } from '../runtime/task-locks.ts'
import { StateFolder } from '../state/state-folder.ts'
import { pick } from '../threads/pick.ts'
import { StateCleaner } from '../threads/state-cleaner.ts'
import { removeFormerMembers } from '../threads/static-members.ts'
import type { QueryableStoreType } from '../threads/store-query.ts'
import { StreamThreads } from '../threads/stream-threads.ts'
import type {
  StreamThreadHandle,
  StreamThreadState,
  ThreadMetadata,
} from '../threads/thread-handle.ts'
import {
  loadTopologyModule,
  settingsToSend,
  type TopologySource,
} from '../threads/topology-module.ts'
import { WorkerStreamThread } from '../threads/worker-thread.ts'
import { checkSerdes } from '../topology/check-serdes.ts'
import type { Topology } from '../topology/topology.ts'
import type { ApplicationSettings } from './define-streams.ts'
import type { KafkaStreamsState } from './kafka-streams-state.ts'
import { type QueryableStores, storeFacade } from './queryable-stores.ts'
import { type StreamsUncaughtExceptionHandler, ThreadFailures } from './thread-failures.ts'

/** Told of each change of an application's state. */
export type StateListener = (state: KafkaStreamsState, before: KafkaStreamsState) => void

/** What an application is given beside its settings. */
export interface KafkaStreamsContext {
  /** Threads beside the calling one pass on what is `info` and above. */
  readonly logger?: Logger
  /** Other than the system's, it is for one thread only. */
  readonly clock?: Clock
  /** Folder of the persistent stores; one owner. Without it they live in memory, and are read from their changelogs at each start. */
  readonly data?: string
  /** Addresses by the names that brokers give themselves. */
  readonly hosts?: Readonly<Record<string, string>>
  /** Told when the application has stopped by itself. */
  readonly onError?: (error: unknown) => void
}

/** How an application stops. */
export interface StopOptions {
  /** Whether it leaves its group for good: others get its tasks at once. Default false. */
  readonly leaveGroup?: boolean
}

/** What an application that is a module is given. */
export interface ModuleContext extends KafkaStreamsContext {
  /** Handed to the module's function. */
  readonly settings?: ApplicationSettings
}

/** Topologies that other threads can have, too. */
const sources = new WeakMap<Topology, TopologySource>()

/**
 * Runs a topology against a broker, as one of any number of instances with one `application.id`.
 *
 * A topology that is built inline runs in the calling thread. One that is a module may have
 * `num.stream.threads` of them: each is a worker thread that imports the module for itself.
 *
 * @example
 * const streams = new KafkaStreams(topology, { 'application.id': 'shout', 'bootstrap.servers': 'localhost:9092' })
 * await streams.start()
 */
export class KafkaStreams implements AsyncDisposable {
  readonly topology: Topology
  readonly settings: ResolvedStreamsSettings
  readonly #source: TopologySource | undefined
  readonly #context: KafkaStreamsContext
  readonly #logger: Logger
  readonly #clock: Clock
  #state: KafkaStreamsState = 'created'
  #stateListener: StateListener | undefined
  /** Tells this instance from others; that of the folder, where there is one. */
  #processId: string = randomUUID()
  #threads: StreamThreads | undefined
  readonly #failures: ThreadFailures
  #isPaused = false
  readonly #stopping = new AbortController()
  #client: KafkaClient | undefined
  #starting: Promise<void> | undefined
  /** Ends when an error has brought everything to a stop. */
  #failing: Promise<void> | undefined
  #closing: (() => Promise<void>)[] = []

  /**
   * @throws SettingsError `SETTINGS_INVALID`
   * @throws StreamsError `STREAMS_TOPOLOGY_INVALID` where a serde is missing;
   *   `STREAMS_THREADS_NEED_MODULE` where `num.stream.threads` is above 1
   */
  constructor(topology: Topology, settings: StreamsSettings, context: KafkaStreamsContext = {}) {
    this.topology = topology
    this.settings = resolveStreamsSettings(settings)
    this.#context = context
    this.#source = sources.get(topology)
    this.#logger = context.logger ?? silentLogger
    this.#clock = context.clock ?? systemClock
    this.#failures = new ThreadFailures({
      applicationId: this.settings['application.id'],
      clock: this.#clock,
      logger: this.#logger,
      signal: this.#stopping.signal,
      fail: (error) => this.#fail(error),
    })
    if (this.settings['num.stream.threads'] > 1) this.#needSource('num.stream.threads above 1')
    if (![...topology.nodes.values()].some(({ kind }) => kind === 'source'))
      throw topologyError(
        'the topology reads no topic: it needs a stream, a table or a global table',
      )
    checkSerdes(topology, this.settings)
  }

  /**
   * An application whose topology is a module that exports `defineStreams(…)` by default.
   *
   * @param module its URL, or the path of its file
   * @param settings come before those that the module has
   * @throws StreamsError `STREAMS_APPLICATION_INVALID`; what the module throws
   *
   * @example
   * const streams = await KafkaStreams.fromModule(new URL('./shout.ts', import.meta.url), {
   *   'num.stream.threads': 4,
   * })
   */
  static async fromModule(
    module: URL | string,
    settings: Partial<StreamsSettings> = {},
    context: ModuleContext = {},
  ): Promise<KafkaStreams> {
    const loaded = await loadTopologyModule(module, context.settings ?? {})
    const topology = loaded.definition.build(loaded.settings)
    sources.set(topology, { module: loaded, given: settings })
    return new KafkaStreams(topology, { ...loaded.definition.config, ...settings }, context)
  }

  get state(): KafkaStreamsState {
    return this.#state
  }
  get isPaused(): boolean {
    return this.#isPaused
  }
  /** What all threads did; of worker threads, up to a second ago. */
  get counts(): TaskCounts {
    return this.#threads?.counts ?? newTaskCounts()
  }
  /** How far stores are restored; undefined while none is. */
  get restoring(): RestoreProgress | undefined {
    return this.#threads?.restoring
  }
  /** Records that wait in the topics that are read. */
  get lag(): number {
    return this.#threads?.lag ?? 0
  }
  /** When the next window closes; undefined where none is open. */
  get nextWindowCloseMs(): number | undefined {
    return this.#threads?.nextWindowCloseMs
  }

  /** What the instance, its threads, tasks and stores measure, under the names that Java gives them. */
  metrics(): StreamsMetric[] {
    return clientMetrics({
      clientId: this.#clientId,
      processId: this.#processId,
      settings: this.settings,
      topologyDescription: this.topology.describe(),
      state: this.#state,
      aliveThreads: this.#threads?.alive.length ?? 0,
      failedThreads: this.#failures.count,
    }).concat(this.#threads?.metrics ?? [])
  }

  /** Sets who is told of each change of state; before the start, as in Java. */
  setStateListener(listener: StateListener): void {
    this.#needNotStarted('a state listener')
    this.#stateListener = listener
  }

  /**
   * Sets what follows an error that ends a stream thread; before the start, as in Java. Without a
   * handler the instance stops (`shutdown-client`).
   *
   * `replace-thread` starts a new thread, which goes on from the last commit; `shutdown-application`
   * stops all instances.
   */
  setUncaughtExceptionHandler(handler: StreamsUncaughtExceptionHandler): void {
    this.#needNotStarted('an uncaught exception handler')
    this.#failures.handler = handler
  }

  /**
   * Makes internal topics, joins the group and resolves; tasks start when the group has shared them out.
   *
   * @throws StreamsError `STREAMS_SOURCE_TOPIC_MISSING`, `STREAMS_PARTITIONS_CHANGED`; KafkaClientError
   * @throws CodedError `DATA_FOLDER_IN_USE` where another process has the folder
   */
  start(): Promise<void> {
    const isOver = this.#state === 'pending-shutdown' || this.#state === 'not-running'
    if (isOver || (this.#state !== 'created' && !this.#starting))
      throw topologyError(
        `an application starts once, and this one is ${this.#state}; make a new one`,
      )
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      if (!this.#isEnding) this.#setState('pending-error')
      await this.#threads?.stop()
      await this.#closeAll()
      if (this.#state === 'pending-error') this.#setState('error')
      throw error
    })
    return this.#starting
  }

  /**
   * Commits, gives the tasks back and closes the stores. An instance with a folder keeps its place in the
   * group for `session.timeout.ms`, so that a restart moves no tasks; with `leaveGroup` it gives it up.
   *
   * @example
   * // A Java application takes over.
   * await streams.stop({ leaveGroup: true })
   */
  async stop({ leaveGroup = false }: StopOptions = {}): Promise<void> {
    const options = { isForGood: leaveGroup }
    if (!this.#isEnding) this.#setState('pending-shutdown')
    this.#stopping.abort()
    // A start that waits for a broker ends when its client closes.
    if (!this.#threads) await this.#client?.close()
    await this.#threads?.stop(options)
    await this.#starting?.catch(() => {})
    await this.#failing
    // A start that was under way may have made threads meanwhile.
    await this.#threads?.stop(options)
    await this.#closeAll()
    if (this.#state === 'pending-shutdown') this.#setState('not-running')
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * Deletes what this instance keeps on disk; before the start or after the end, as in Java. The next
   * start reads its stores from their changelogs.
   *
   * The folder stays known by its id, by which the instance has its place in the group.
   *
   * @throws StreamsError `STREAMS_RUNNING`; CodedError `DATA_FOLDER_IN_USE` where another process has the folder
   *
   * @example
   * await streams.stop()
   * await streams.cleanUp()
   */
  async cleanUp(): Promise<void> {
    if (!endStates.has(this.#state) && (this.#state !== 'created' || this.#starting))
      throw new StreamsError(
        'STREAMS_RUNNING',
        `application ${this.settings['application.id']} is ${this.#state}: it is cleaned up before its start or after its end`,
      )
    const { data } = this.#context
    const folder = data && path.join(data, this.settings['application.id'])
    if (!folder || !existsSync(folder)) return
    const owned = await openDataFolder(folder)
    try {
      await StateFolder.empty(owned.path)
    } finally {
      await owned.release()
    }
  }

  /** Stops processing, here; the instance keeps its tasks, and its place in the group. */
  pause(): void {
    this.#isPaused = true
    this.#threads?.setPaused(true)
  }
  /** Goes on with processing after {@link pause}. */
  resume(): void {
    this.#isPaused = false
    this.#threads?.setPaused(false)
  }

  /**
   * Starts one more stream thread, in a worker, and gives its name; undefined while the application
   * does not run.
   *
   * @throws StreamsError `STREAMS_THREADS_NEED_MODULE` where the topology was built inline
   */
  async addStreamThread(): Promise<string | undefined> {
    this.#needSource('one more stream thread')
    if (!this.#isUp || !this.#threads) return undefined
    return (await this.#threads.add(true)).identity.name
  }

  /** Ends a stream thread, whose tasks go to the others, and gives its name; undefined where none runs. */
  async removeStreamThread(): Promise<string | undefined> {
    const thread = this.#isUp ? this.#threads?.alive[0] : undefined
    if (!thread) return undefined
    await thread.stop({ isForGood: true })
    this.#threads?.forget(thread)
    this.#noteIfRunning()
    return thread.identity.name
  }

  /** The threads of this instance, their tasks, and how far these are. */
  metadataForLocalThreads(): Promise<ThreadMetadata[]> {
    return Promise.all((this.#threads?.all ?? []).map((thread) => thread.metadata()))
  }

  /**
   * A store of the tasks that run in this instance, in all of its threads, to be read.
   *
   * @throws StreamsError `STREAMS_STORE_UNKNOWN` where the topology has no such store; what reads it
   * is refused with `STREAMS_STORE_NOT_AVAILABLE` while tasks move
   *
   * @example
   * const counts = streams.store<string, number>('counts', 'key-value')
   * console.log(await counts.get('hello'))
   */
  store<K, V, Type extends QueryableStoreType = 'key-value'>(
    name: string,
    type: Type,
  ): QueryableStores<K, V>[Type] {
    return storeFacade<K, V, Type>({
      topology: this.topology,
      settings: this.settings,
      name,
      type,
      threads: () => this.#threadsToAsk(name),
    })
  }

  get #clientId(): string {
    return this.settings['client.id'] ?? `${this.settings['application.id']}-${this.#processId}`
  }
  get #isUp(): boolean {
    return this.#state === 'running' || this.#state === 'rebalancing'
  }
  get #isEnding(): boolean {
    return this.#state !== 'created' && !this.#isUp
  }

  #threadsToAsk(name: string): readonly StreamThreadHandle[] {
    if (this.#isUp && this.#threads?.areRunning) return this.#threads.alive
    throw new StreamsError(
      'STREAMS_STORE_NOT_AVAILABLE',
      `store ${name} cannot be read now: the application is ${this.#state}; ask again`,
      { retriable: true, fields: { store: name, state: this.#state } },
    )
  }

  // ---- The start

  async #start(): Promise<void> {
    const { settings, topology } = this
    const { signal } = this.#stopping
    const logger = this.#logger
    this.#setState('rebalancing')
    const folder = await this.#openFolder()
    if (folder) this.#processId = folder.state.processId
    const processId = this.#processId
    const clientId = this.#clientId
    const connection: KafkaClientOptions = {
      'bootstrap.servers': settings['bootstrap.servers'],
      ...clientSecurityOf(settings),
      ...pick(settings, 'metadata.max.age.ms', 'request.timeout.ms', 'retry.backoff.ms'),
      ...(this.#context.hosts ? { hosts: this.#context.hosts } : {}),
    }
    const clientSettings = { ...connection, 'client.id': `${clientId}-admin` }
    signal.throwIfAborted()
    const client = new KafkaClient(clientSettings, { logger })
    this.#client = client
    this.#closing.push(() => client.close())
    const admin = new Admin(clientSettings, { logger, client })
    await prepareTopics(admin, topology, settings)
    const count = settings['num.stream.threads']
    if (folder)
      await removeFormerMembers(admin, settings['application.id'], processId, count).catch(
        (error: unknown) => {
          logger.debug({ err: error }, 'former members of the group were not looked for')
        },
      )
    signal.throwIfAborted()
    const locks = new TaskLocks()
    if (folder) this.#startCleaning(folder.state, locks)
    const threads = new StreamThreads({
      topology,
      settings,
      source: this.#source,
      connection,
      clientId,
      processId,
      folder,
      locks,
      logger,
      clock: this.#clock,
      events: {
        onState: (state) => this.#onThreadState(state),
        onFailure: (thread, error) => this.#onThreadFailure(thread, error),
        // Who asked for it knows why.
        onShutdown: () => this.#fail(this.#failures.shutdownCause ?? shutdownRequested()),
      },
    })
    threads.setPaused(this.#isPaused)
    this.#threads = threads
    const made = Array.from({ length: count }, () => threads.make(count > 1))
    for (const result of await Promise.allSettled(made.map((thread) => thread.start())))
      if (result.status === 'rejected') throw result.reason
  }

  /** Takes the folder of the stores, where there are any on disk. */
  async #openFolder(): Promise<{ state: StateFolder; path: string } | undefined> {
    const { data } = this.#context
    const isNeeded = this.topology
      .subTopologies()
      .some(({ stores }) => stores.some((store) => store.persistent))
    if (data === undefined || !isNeeded) return undefined
    const owned = await openDataFolder(path.join(data, this.settings['application.id']))
    this.#closing.push(() => owned.release())
    const state = await StateFolder.open(owned.path)
    this.#closing.push(() => state.close())
    return { state, path: owned.path }
  }

  #startCleaning(folder: StateFolder, locks: TaskLocks): void {
    const cleaner = new StateCleaner({
      folder,
      locks,
      delayMs: this.settings['state.cleanup.delay.ms'],
      clock: this.#clock,
      logger: this.#logger,
    })
    cleaner.start()
    this.#closing.push(() => cleaner.stop())
  }

  // ---- What threads tell

  #onThreadState(state: StreamThreadState): void {
    if (!this.#isUp) return
    if (state === 'partitions-revoked' || state === 'partitions-assigned')
      this.#setState('rebalancing')
    else this.#noteIfRunning()
  }

  #noteIfRunning(): void {
    if (this.#isUp && this.#threads?.areRunning) this.#setState('running')
  }

  #onThreadFailure(thread: StreamThreadHandle, error: unknown): void {
    this.#failures.count++
    if (!this.#isUp) return
    this.#noteIfRunning()
    this.#failures.answer(error, this.#threads!, thread instanceof WorkerStreamThread)
  }

  // ---- The end

  /** Brings everything to a stop after an error. */
  #fail(error: unknown): void {
    if (this.#isEnding) return
    this.#setState('pending-error')
    this.#stopping.abort()
    this.#failing = this.#endByError(error)
  }

  async #endByError(error: unknown): Promise<void> {
    await this.#threads?.stop()
    await this.#closeAll()
    this.#setState('error')
    this.#logger.error(
      { application: this.settings['application.id'], err: error },
      'streams application stopped',
    )
    this.#context.onError?.(error)
  }

  async #closeAll(): Promise<void> {
    const closing = this.#closing.reverse()
    this.#closing = []
    for (const close of closing)
      await close().catch((error: unknown) => {
        this.#logger.warn({ err: error }, 'closing a streams application failed in part')
      })
  }

  #setState(state: KafkaStreamsState): void {
    const before = this.#state
    if (state === before) return
    this.#state = state
    try {
      this.#stateListener?.(state, before)
    } catch (error) {
      this.#logger.error({ err: error }, 'state listener threw')
    }
  }

  #needSource(what: string): void {
    const code = 'STREAMS_THREADS_NEED_MODULE'
    if (!this.#source)
      throw new StreamsError(
        code,
        `${what} needs a topology that other threads can build: make it a module that exports defineStreams(…), and start it by KafkaStreams.fromModule; one that is built inline runs in one thread`,
      )
    if (this.#clock !== systemClock)
      throw new StreamsError(
        code,
        `${what} needs the system's clock: another one cannot be had in other threads`,
      )
    settingsToSend(this.#source.given, this.#source.module)
  }

  #needNotStarted(what: string): void {
    if (this.#state !== 'created') throw topologyError(`${what} is set before the start`)
  }
}

const endStates: ReadonlySet<KafkaStreamsState> = new Set(['not-running', 'error'])

const shutdownRequested = (): StreamsError =>
  new StreamsError(
    'STREAMS_SHUTDOWN_REQUESTED',
    'an instance of the application met an error and asked all of them to stop',
  )
