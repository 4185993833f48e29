import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Clock, type Logger, silentLogger, systemClock } from '@khlong/core'
import { Admin, clientSecurityOf, KafkaClient } from '@khlong/kafka-client'
import {
  type ResolvedStreamsSettings,
  resolveStreamsSettings,
  type StreamsSettings,
  taskSettings,
} from '../config.ts'
import { StreamsError, topologyError } from '../errors.ts'
import { GlobalTables } from '../runtime/global-tables.ts'
import { prepareTopics } from '../runtime/internal-topics.ts'
import type { RestoreProgress } from '../runtime/restore.ts'
import { newTaskCounts, type TaskCounts } from '../runtime/task.ts'
import { KeyValueStore, type ReadOnlyKeyValueStore } from '../state/key-value-store.ts'
import { type ReadOnlySessionStore, SessionStore } from '../state/session-store.ts'
import { StateFolder } from '../state/state-folder.ts'
import type { StateStore } from '../state/state-store.ts'
import { type ReadOnlyWindowStore, WindowStore } from '../state/window-store.ts'
import type { Topology } from '../topology/topology.ts'
import { StreamSession } from './stream-session.ts'

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
  /** Tells this instance from others where no folder does. */
  readonly #processId = randomUUID()
  #session: StreamSession | undefined
  #running: Promise<void> | undefined
  #starting: Promise<void> | undefined
  #closing: (() => Promise<void>)[] = []
  #globals: GlobalTables | undefined
  /** What ended the reading of global tables. */
  #globalFailure: unknown

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
    return this.#session?.thread.restoring
  }
  /** Records that wait in the topics that are read. */
  get lag(): number {
    return this.#session?.thread.lag() ?? 0
  }
  /** When the next window closes; undefined where none is open. */
  get nextWindowCloseMs(): number | undefined {
    return this.#session?.thread.nextWindowCloseMs()
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
      await this.#session?.close()
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

  /** A session store of the tasks that run here. */
  sessionStores<K, V>(name: string): ReadOnlySessionStore<K, V>[] {
    return this.#stores(name).filter((store) => store instanceof SessionStore)
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
    const { settings, topology } = this
    const applicationId = settings['application.id']
    const context = { logger: this.#logger }
    const clientId = settings['client.id'] ?? applicationId
    const clientSettings = {
      'bootstrap.servers': settings['bootstrap.servers'],
      'client.id': clientId,
      ...clientSecurityOf(settings),
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
    const ports = { logger: this.#logger, clock: this.#clock }
    const shared = taskSettings(settings, { ...ports, counts: this.counts })
    const globals = await GlobalTables.open({
      topology,
      settings: shared,
      client,
      admin,
      fetchBytes: settings['fetch.max.bytes'],
      isCommitted: settings['processing.guarantee'] === 'exactly_once_v2',
      signal: this.#stopping.signal,
      onError: (error) => {
        this.#globalFailure = error
        this.#stopping.abort()
      },
    })
    if (globals) this.#closing.push(() => globals.close())
    this.#globals = globals
    const openSession = (): StreamSession =>
      new StreamSession({
        ...ports,
        topology,
        settings,
        clientSettings,
        taskSettings: shared,
        client,
        admin,
        folder,
        globalStores: globals?.stores,
        processId: folder?.processId ?? this.#processId,
        signal: this.#stopping.signal,
        onRunning: () => {
          if (!this.#stopping.signal.aborted) this.#state = 'running'
        },
      })
    this.#state = 'rebalancing'
    const session = openSession()
    this.#session = session
    await session.open()
    this.#running = this.#run(session, openSession)
  }

  async #run(first: StreamSession, openSession: () => StreamSession): Promise<void> {
    let failure: unknown
    let session = first
    for (let restarts = 0; ; restarts++) {
      failure = (await session.run()) ?? this.#globalFailure
      if (!isMigration(failure) || this.#stopping.signal.aborted) break
      this.#logger.warn(
        { application: this.settings['application.id'], err: failure },
        'transaction lost, streams application begins anew at its last commit',
      )
      if (session.hasCommitted) restarts = 0
      this.#state = 'rebalancing'
      session = openSession()
      this.#session = session
      try {
        if (restarts > 0)
          await delay(restartPauseMs(restarts), undefined, { signal: this.#stopping.signal })
        await session.open()
      } catch (error) {
        failure = this.#stopping.signal.aborted ? undefined : error
        await session.close()
        break
      }
    }
    await this.#closeAll()
    if (failure === undefined || isMigration(failure)) return
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

  async #closeAll(): Promise<void> {
    const closing = this.#closing.reverse()
    this.#closing = []
    for (const close of closing)
      await close().catch((error: unknown) => {
        this.#logger.warn({ err: error }, 'closing a streams application failed in part')
      })
  }
}

const isMigration = (error: unknown): boolean =>
  error instanceof StreamsError && error.code === 'STREAMS_TASK_MIGRATED'

/** Beginning anew asks for a round of the group: members that keep losing must not keep it busy. */
const restartPauseMs = (restarts: number): number => Math.min(10_000, 250 * 2 ** restarts)
