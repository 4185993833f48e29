import type { Clock, Logger } from '@khlong/core'
import type { KafkaClientOptions } from '@khlong/kafka-client'
import type { ResolvedStreamsSettings } from '../config.ts'
import type { StreamsMetric } from '../metrics/streams-metric.ts'
import type { RestoreProgress } from '../runtime/restore.ts'
import { newTaskCounts, sumOfCounts, type TaskCounts } from '../runtime/task.ts'
import type { TaskLocks } from '../runtime/task-locks.ts'
import type { StateFolder } from '../state/state-folder.ts'
import type { Topology } from '../topology/topology.ts'
import { LocalStreamThread } from './local-thread.ts'
import type {
  StreamThreadHandle,
  StreamThreadState,
  ThreadEvents,
  ThreadStopOptions,
} from './thread-handle.ts'
import { settingsToSend, type TopologySource } from './topology-module.ts'
import { WorkerStreamThread } from './worker-thread.ts'

/** What threads tell the application that owns them. */
export interface StreamThreadsEvents {
  onState(state: StreamThreadState): void
  /** A thread has ended by an error; it is not one of the threads any more. */
  onFailure(thread: StreamThreadHandle, error: unknown): void
  /** A member of the group asked all others to stop. */
  onShutdown(): void
}

export interface StreamThreadsOptions {
  readonly topology: Topology
  readonly settings: ResolvedStreamsSettings
  /** How other threads can have the topology; undefined where they cannot. */
  readonly source: TopologySource | undefined
  readonly connection: KafkaClientOptions
  readonly clientId: string
  /** Tells this instance from all others of the application. */
  readonly processId: string
  /** The stores' folder, open, and where it is; undefined keeps them in memory. */
  readonly folder: { readonly state: StateFolder; readonly path: string } | undefined
  /** Which thread has which task's stores. */
  readonly locks: TaskLocks
  readonly logger: Logger
  readonly clock: Clock
  readonly events: StreamThreadsEvents
}

/** The stream threads of one instance. */
export class StreamThreads {
  readonly #options: StreamThreadsOptions
  #threads: StreamThreadHandle[] = []
  /** Counts of threads that are no more. */
  #countsBefore = newTaskCounts()
  #isPaused = false

  constructor(options: StreamThreadsOptions) {
    this.#options = options
  }

  get all(): readonly StreamThreadHandle[] {
    return this.#threads
  }
  get alive(): readonly StreamThreadHandle[] {
    return this.#threads.filter(({ state }) => state !== 'dead' && state !== 'pending-shutdown')
  }
  /** Whether there are threads, and all of them run their tasks. */
  get areRunning(): boolean {
    const { alive } = this
    return alive.length > 0 && alive.every(({ state }) => state === 'running')
  }

  get counts(): TaskCounts {
    return sumOfCounts([this.#countsBefore, ...this.#threads.map(({ report }) => report.counts)])
  }
  get restoring(): RestoreProgress | undefined {
    const all = this.#threads.flatMap(({ report }) => report.restoring ?? [])
    if (all.length === 0) return undefined
    return {
      restored: all.reduce((sum, one) => sum + one.restored, 0),
      total: all.reduce((sum, one) => sum + one.total, 0),
    }
  }
  get metrics(): StreamsMetric[] {
    return this.#threads.flatMap(({ metrics }) => metrics)
  }
  get lag(): number {
    return this.#threads.reduce((sum, { report }) => sum + report.lag, 0)
  }
  get nextWindowCloseMs(): number | undefined {
    const all = this.#threads.flatMap(({ report }) => report.nextWindowCloseMs ?? [])
    return all.length === 0 ? undefined : Math.min(...all)
  }

  /** Makes a thread, in a worker or here; it is not started. */
  make(isWorker: boolean): StreamThreadHandle {
    const { clientId, processId, events } = this.#options
    let index = 1
    while (this.#threads.some(({ identity }) => identity.index === index)) index++
    const identity = { index, name: `${clientId}-StreamThread-${index}`, processId }
    const threadEvents: ThreadEvents = {
      onState: (state) => events.onState(state),
      onFailure: (error) => {
        this.forget(thread)
        events.onFailure(thread, error)
      },
      onShutdown: () => events.onShutdown(),
    }
    const thread = this.#make(identity, isWorker, threadEvents)
    if (this.#isPaused) thread.setPaused(true)
    this.#threads.push(thread)
    this.#shareMemory()
    return thread
  }

  /** Starts one more thread. */
  async add(isWorker: boolean): Promise<StreamThreadHandle> {
    const thread = this.make(isWorker)
    try {
      await thread.start()
    } catch (error) {
      this.forget(thread)
      throw error
    }
    return thread
  }

  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused
    for (const thread of this.#threads) thread.setPaused(isPaused)
  }

  async stop(options: ThreadStopOptions = {}): Promise<void> {
    const threads = [...this.#threads]
    await Promise.all(threads.map((thread) => thread.stop(options)))
    for (const thread of threads) this.forget(thread)
  }

  /** Takes a thread that has ended off the list; what it did stays counted. */
  forget(thread: StreamThreadHandle): void {
    if (!this.#threads.includes(thread)) return
    this.#threads = this.#threads.filter((one) => one !== thread)
    this.#countsBefore = sumOfCounts([this.#countsBefore, thread.report.counts])
    this.#shareMemory()
  }

  #shareMemory(): void {
    for (const thread of this.#threads) thread.setThreadCount(this.#threads.length)
  }

  #make(
    identity: StreamThreadHandle['identity'],
    isWorker: boolean,
    events: ThreadEvents,
  ): StreamThreadHandle {
    const { topology, settings, source, connection, folder, logger, clock } = this.#options
    const threadCount = Math.max(settings['num.stream.threads'], this.#threads.length + 1)
    const shared = { identity, connection, threadCount }
    const ports = { locks: this.#options.locks.locker(), logger, events }
    if (!isWorker || !source)
      return new LocalStreamThread({
        ...shared,
        ...ports,
        topology,
        settings,
        folder: folder?.state,
        clock,
      })
    const { module, given } = source
    return new WorkerStreamThread({
      ...ports,
      start: {
        ...shared,
        url: module.url,
        applicationSettings: module.settings,
        settings: settingsToSend(given, module),
        folder: folder?.path,
      },
    })
  }
}
