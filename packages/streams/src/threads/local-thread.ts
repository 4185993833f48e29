import { setTimeout as delay } from 'node:timers/promises'
import type { Clock, Logger } from '@khlong/core'
import { Admin, KafkaClient, type KafkaClientOptions } from '@khlong/kafka-client'
import { consumerClientSettings } from '../client-settings.ts'
import { type ResolvedStreamsSettings, taskSettings } from '../config.ts'
import { StreamsError } from '../errors.ts'
import { MetricGroup, type StreamsMetric } from '../metrics/streams-metric.ts'
import { GlobalTables } from '../runtime/global-tables.ts'
import { newTaskCounts, type TaskCounts, type TaskSettings } from '../runtime/task.ts'
import type { TaskLocker } from '../runtime/task-locks.ts'
import type { StateFolder } from '../state/state-folder.ts'
import type { StateStore } from '../state/state-store.ts'
import type { Topology } from '../topology/topology.ts'
import { ForeignMembers } from './foreign-members.ts'
import { StoreQueries } from './store-queries.ts'
import type { StoreAnswer, StoreQuery } from './store-query.ts'
import { StreamSession } from './stream-session.ts'
import {
  type StreamThreadHandle,
  type StreamThreadState,
  stateName,
  streamThreadStates,
  type ThreadEvents,
  type ThreadIdentity,
  type ThreadMetadata,
  type ThreadReport,
  type ThreadStopOptions,
} from './thread-handle.ts'

export interface LocalThreadOptions {
  readonly identity: ThreadIdentity
  readonly topology: Topology
  readonly settings: ResolvedStreamsSettings
  /** Where the brokers are, and how they are spoken with. */
  readonly connection: KafkaClientOptions
  /** The folder of the stores, open; it is closed by whoever opened it. */
  readonly folder: StateFolder | undefined
  readonly locks: TaskLocker
  /** Threads of this instance, which share the memory for caches. */
  readonly threadCount: number
  readonly logger: Logger
  readonly clock: Clock
  readonly events: ThreadEvents
}

/** Runs a stream thread in the thread that it is made in. */
export class LocalStreamThread implements StreamThreadHandle {
  readonly identity: ThreadIdentity
  readonly counts: TaskCounts = newTaskCounts()
  readonly #options: LocalThreadOptions
  readonly #taskSettings: TaskSettings
  readonly #queries: StoreQueries
  readonly #stopping = new AbortController()
  #state: StreamThreadState = 'created'
  #client: KafkaClient | undefined
  #admin: Admin | undefined
  #globals: GlobalTables | undefined
  /** What ended the reading of global tables. */
  #globalFailure: unknown
  #session: StreamSession | undefined
  #starting: Promise<void> | undefined
  #running: Promise<void> | undefined
  #isPaused = false
  #asksForShutdown = false
  #isForGood = false
  #startedMs = 0

  constructor(options: LocalThreadOptions) {
    const { identity, settings, logger, clock, threadCount } = options
    this.identity = identity
    this.#options = options
    this.#taskSettings = taskSettings(
      settings,
      { logger, clock, counts: this.counts },
      cacheShare(settings, threadCount),
    )
    this.#queries = new StoreQueries((name) => this.#stores(name), clock)
  }

  get state(): StreamThreadState {
    return this.#state
  }

  get report(): ThreadReport {
    const thread = this.#session?.thread
    return {
      counts: this.counts,
      lag: thread?.lag() ?? 0,
      restoring: thread?.restoring,
      nextWindowCloseMs: thread?.nextWindowCloseMs(),
    }
  }

  get metrics(): readonly StreamsMetric[] {
    const threadId = this.identity.name
    const own = new MetricGroup('stream-thread-metrics', { 'thread-id': threadId }, 0)
      .add('thread-start-time', this.#startedMs)
      .add('state', stateName(this.#state)).metrics
    const stateTags = { 'thread-id': threadId, 'process-id': this.identity.processId }
    const state = new MetricGroup('stream-thread-metrics', stateTags, 0).add(
      'thread-state',
      streamThreadStates.indexOf(this.#state),
    ).metrics
    return [...own, ...state, ...(this.#session?.thread.metrics(threadId) ?? [])]
  }

  start(): Promise<void> {
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      await this.#session?.close()
      await this.#closeAll()
      this.#setState('dead')
      throw error
    })
    return this.#starting
  }

  async stop({ isForGood = false }: ThreadStopOptions = {}): Promise<void> {
    this.#isForGood = isForGood
    if (this.#state !== 'dead') this.#setState('pending-shutdown')
    this.#stopping.abort()
    // A start that waits for a broker ends when its client closes.
    if (!this.#running) await this.#client?.close()
    await this.#starting?.catch(() => {})
    await this.#running
    this.#setState('dead')
  }

  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused
    if (this.#session) this.#session.thread.isPaused = isPaused
  }

  setThreadCount(threadCount: number): void {
    this.#taskSettings.cache.resize(cacheShare(this.#options.settings, threadCount))
  }

  askForShutdown(): void {
    this.#asksForShutdown = true
    this.#session?.askForShutdown()
  }

  async query(query: StoreQuery): Promise<StoreAnswer> {
    return this.#queries.answer(query)
  }

  async metadata(): Promise<ThreadMetadata> {
    const { name } = this.identity
    return {
      threadName: name,
      threadState: this.#state,
      mainConsumerClientId: `${name}-consumer`,
      producerClientId: `${name}-producer`,
      activeTasks: this.#session?.taskMetadata() ?? [],
    }
  }

  #stores(name: string): StateStore[] {
    const globalStore = this.#globals?.stores.get(name)
    if (globalStore) return [globalStore]
    return (this.#session?.thread.tasks ?? []).flatMap((task) => {
      const held = task.stores.get(name)
      return held ? [held.store] : []
    })
  }

  async #start(): Promise<void> {
    const { topology, settings, connection, logger, identity } = this.#options
    const { signal } = this.#stopping
    signal.throwIfAborted()
    this.#startedMs = this.#options.clock.nowMs()
    this.#setState('starting')
    const clientSettings = {
      ...connection,
      ...consumerClientSettings(settings),
      'client.id': `${identity.name}-consumer`,
    }
    // As in Java, a topic that was deleted is not made anew by who reads it.
    const client = new KafkaClient(clientSettings, { logger, createsTopics: false })
    this.#client = client
    const admin = new Admin(clientSettings, { logger, client })
    this.#admin = admin
    this.#globals = await GlobalTables.open({
      topology,
      settings: this.#taskSettings,
      client,
      admin,
      fetchBytes: settings['fetch.max.bytes'],
      isCommitted: settings['processing.guarantee'] === 'exactly_once_v2',
      signal,
      onError: (error) => {
        this.#globalFailure = error
        this.#stopping.abort()
      },
    })
    const session = this.#openSession()
    await session.open()
    this.#running = this.#run(session)
  }

  #openSession(): StreamSession {
    const { connection } = this.#options
    const session = new StreamSession({
      ...this.#options,
      clientSettings: { ...connection, 'client.id': `${this.identity.name}-consumer` },
      taskSettings: this.#taskSettings,
      client: this.#client!,
      admin: this.#admin!,
      globalStores: this.#globals?.stores,
      signal: this.#stopping.signal,
      isShutdown: () => this.#asksForShutdown,
      onShutdown: () => this.#options.events.onShutdown(),
      onState: (state) => {
        if (!this.#stopping.signal.aborted) this.#setState(state)
      },
    })
    session.thread.isPaused = this.#isPaused
    this.#session = session
    return session
  }

  async #run(first: StreamSession): Promise<void> {
    const { signal } = this.#stopping
    const { logger, events, settings } = this.#options
    const facts = { application: settings['application.id'], thread: this.identity.name }
    const others = new ForeignMembers({
      admin: this.#admin!,
      applicationId: settings['application.id'],
      clock: this.#options.clock,
      logger,
      signal,
    })
    let failure: unknown
    let session = first
    for (let restarts = 0; ; restarts++) {
      failure = (await session.run(() => ({ isForGood: this.#isForGood }))) ?? this.#globalFailure
      const isRefused = ForeignMembers.refused(failure)
      if ((!isRefused && !isMigration(failure)) || signal.aborted) break
      if (session.hasCommitted) restarts = 0
      if (session.hasJoined) others.joined()
      this.#setState('partitions-revoked')
      try {
        if (isRefused) await others.wait(failure)
        else {
          logger.warn(
            { ...facts, err: failure },
            'transaction lost, stream thread begins anew at its last commit',
          )
          if (restarts > 0) await delay(restartPauseMs(restarts), undefined, { signal })
        }
        session = this.#openSession()
        await session.open()
      } catch (error) {
        failure = signal.aborted ? undefined : error
        await session.close()
        break
      }
    }
    await this.#closeAll()
    if (failure === undefined || isMigration(failure)) return
    this.#setState('dead')
    logger.error({ ...facts, err: failure }, 'stream thread ended')
    events.onFailure(failure)
  }

  #setState(state: StreamThreadState): void {
    if (this.#state === state) return
    this.#state = state
    this.#options.events.onState(state)
  }

  async #closeAll(): Promise<void> {
    for (const close of [() => this.#globals?.close(), () => this.#client?.close()])
      try {
        await close()
      } catch (error) {
        this.#options.logger.warn({ err: error }, 'closing a stream thread failed in part')
      }
  }
}

const cacheShare = (settings: ResolvedStreamsSettings, threadCount: number): number =>
  Math.floor(settings['statestore.cache.max.bytes'] / threadCount)

const isMigration = (error: unknown): boolean =>
  error instanceof StreamsError && error.code === 'STREAMS_TASK_MIGRATED'

/** Beginning anew asks for a round of the group: members that keep losing must not keep it busy. */
const restartPauseMs = (restarts: number): number => Math.min(10_000, 250 * 2 ** restarts)
