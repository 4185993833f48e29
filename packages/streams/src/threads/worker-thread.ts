import { Worker } from 'node:worker_threads'
import { fromPlainError, type Logger } from '@khlong/core'
import type { StreamsMetric } from '../metrics/streams-metric.ts'
import { newTaskCounts } from '../runtime/task.ts'
import type { TaskLocker } from '../runtime/task-locks.ts'
import type { StoreAnswer, StoreQuery } from './store-query.ts'
import type {
  StreamThreadHandle,
  StreamThreadState,
  ThreadEvents,
  ThreadIdentity,
  ThreadMetadata,
  ThreadReport,
  ThreadStopOptions,
} from './thread-handle.ts'
import type { FromWorker, ToWorker, WorkerMethod, WorkerStart } from './thread-messages.ts'

/** Node's own default lets each thread keep several times as much of what has died already. */
const youngGenerationMb = 16

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

export interface WorkerThreadOptions {
  readonly start: WorkerStart
  readonly locks: TaskLocker
  readonly logger: Logger
  readonly events: ThreadEvents
}

/** A stream thread in a worker, which imports the topology's module for itself. */
export class WorkerStreamThread implements StreamThreadHandle {
  readonly identity: ThreadIdentity
  readonly #options: WorkerThreadOptions
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #state: StreamThreadState = 'created'
  #report: ThreadReport = {
    counts: newTaskCounts(),
    lag: 0,
    restoring: undefined,
    nextWindowCloseMs: undefined,
  }
  #metrics: readonly StreamsMetric[] = []
  #nextId = 1
  #isPaused = false
  #asksForShutdown = false
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  constructor(options: WorkerThreadOptions) {
    this.identity = options.start.identity
    this.#options = options
  }

  get state(): StreamThreadState {
    return this.#state
  }
  get report(): ThreadReport {
    return this.#report
  }

  get metrics(): readonly StreamsMetric[] {
    return this.#metrics
  }

  start(): Promise<void> {
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      await this.#end()
      throw error
    })
    return this.#starting
  }

  stop(options: ThreadStopOptions = {}): Promise<void> {
    this.#stopping ??= this.#stop(options)
    return this.#stopping
  }

  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused
    this.#tell('setPaused', isPaused)
  }

  setThreadCount(threadCount: number): void {
    this.#tell('setThreadCount', threadCount)
  }

  askForShutdown(): void {
    this.#asksForShutdown = true
    this.#tell('askForShutdown')
  }

  query(query: StoreQuery): Promise<StoreAnswer> {
    return this.#call('query', query) as Promise<StoreAnswer>
  }

  async metadata(): Promise<ThreadMetadata> {
    const { name } = this.identity
    const answer = this.#worker && this.#state !== 'dead' ? this.#call('metadata') : undefined
    return (
      (await (answer as Promise<ThreadMetadata> | undefined)) ?? {
        threadName: name,
        threadState: this.#state,
        mainConsumerClientId: `${name}-consumer`,
        producerClientId: `${name}-producer`,
        activeTasks: [],
      }
    )
  }

  async #start(): Promise<void> {
    // A published package holds this file as JavaScript, a checkout as TypeScript.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./worker-entry.${extension}`, import.meta.url), {
      name: this.identity.name,
      workerData: this.#options.start,
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
    })
    this.#worker = worker
    worker.on('message', (message: FromWorker) => this.#receive(message))
    worker.on('error', (error) => this.#lost(error))
    worker.on('exit', (code) =>
      this.#lost(new Error(`stream thread ${this.identity.name} ended with code ${code}`)),
    )
    if (this.#isPaused) this.#tell('setPaused', true)
    if (this.#asksForShutdown) this.#tell('askForShutdown')
    await this.#call('start')
  }

  async #stop(options: ThreadStopOptions): Promise<void> {
    if (this.#worker && this.#state !== 'dead') {
      this.#setState('pending-shutdown')
      await this.#call('stop', options).catch((error: unknown) => {
        this.#options.logger.warn(
          { thread: this.identity.name, err: error },
          'stream thread did not stop cleanly',
        )
      })
    }
    await this.#starting?.catch(() => {})
    await this.#end()
  }

  /** Ends the worker; what it has closed before is whole. */
  async #end(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    this.#setState('dead')
    await worker?.terminate()
    this.#options.locks.unlockAll()
  }

  #call(method: WorkerMethod, ...given: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      if (!this.#worker) {
        reject(new Error(`stream thread ${this.identity.name} does not run`))
        return
      }
      this.#waiting.set(id, { resolve, reject })
      this.#post({ kind: 'call', id, method, arguments: given })
    })
  }

  #tell(method: WorkerMethod, ...given: readonly unknown[]): void {
    // A thread that is lost meanwhile says so by itself.
    if (this.#worker) this.#call(method, ...given).catch(() => {})
  }

  #post(message: ToWorker): void {
    this.#worker?.postMessage(message)
  }

  #receive(message: FromWorker): void {
    const { logger, events, locks } = this.#options
    switch (message.kind) {
      case 'answer':
        this.#settle(message.id)?.resolve(message.value)
        return
      case 'refusal':
        this.#settle(message.id)?.reject(fromPlainError(message.error))
        return
      case 'state':
        if (!this.#stopping) this.#setState(message.state)
        return
      case 'report':
        this.#report = message.report
        return
      case 'metrics':
        this.#metrics = message.metrics
        return
      case 'failure':
        this.#report = message.report
        void this.#end().then(() => events.onFailure(fromPlainError(message.error)))
        return
      case 'shutdown':
        events.onShutdown()
        return
      case 'lock':
        void locks.lock(message.taskId).then(() => this.#post({ kind: 'locked', id: message.id }))
        return
      case 'unlock':
        locks.unlock(message.taskId)
        return
      case 'unlock-all':
        locks.unlockAll()
        return
      case 'log':
        logger[message.level](message.fields, message.message)
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    return waiting
  }

  #setState(state: StreamThreadState): void {
    if (this.#state === state || this.#state === 'dead') return
    this.#state = state
    this.#options.events.onState(state)
  }

  /** Comes once with the error and again with the exit; only the first finds the thread alive. */
  #lost(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
    if (!this.#worker) return
    // Who is starting or stopping it learns of it by the calls that were refused.
    const wasRunning = this.#state !== 'created' && this.#state !== 'starting' && !this.#stopping
    void this.#end().then(() => {
      if (wasRunning) this.#options.events.onFailure(error)
    })
  }
}
