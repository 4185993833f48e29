import { Worker } from 'node:worker_threads'
import { fromPlainError, type Logger } from '@khlong/core'
import type { PartName } from '../config/part-names.ts'
import type { PartThread, ThreadEvents, ThreadReport } from './part-thread.ts'
import type { ThreadMessage, ThreadMethod, ThreadRequest } from './thread-messages.ts'

/** Node's own default would let each thread keep eight times as much of what has died already. */
const youngGenerationMb = 6

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** Runs parts in a worker thread of its own, and speaks with it by messages. */
export class WorkerThread implements PartThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #logger: Logger
  readonly #events: ThreadEvents
  #nextId = 1
  #ending = false

  constructor(name: string, logger: Logger, events: ThreadEvents) {
    this.#logger = logger
    this.#events = events
    // A published package holds this file as JavaScript, a checkout as TypeScript.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#worker = new Worker(new URL(`./worker-entry.${extension}`, import.meta.url), {
      name,
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
    })
    this.#worker.on('message', (message: ThreadMessage) => this.#receive(message))
    this.#worker.on('error', (error) => this.#lost(error))
    this.#worker.on('exit', (code) =>
      this.#lost(new Error(`thread ${name} ended with code ${code}`)),
    )
  }

  async make(name: PartName, settings: Record<string, unknown>): Promise<void> {
    await this.#request('make', name, settings)
  }
  start(name: PartName): Promise<Record<string, string>> {
    return this.#request('start', name) as Promise<Record<string, string>>
  }
  async stop(name: PartName, deadlineMs: number): Promise<void> {
    await this.#request('stop', name, deadlineMs)
  }
  call(name: PartName, method: string, ...given: readonly unknown[]): Promise<unknown> {
    return this.#request('call', name, method, ...given)
  }
  metrics(name: PartName): Promise<string> {
    return this.#request('metrics', name) as Promise<string>
  }
  report(): Promise<ThreadReport> {
    return this.#request('report') as Promise<ThreadReport>
  }
  async end(): Promise<void> {
    this.#ending = true
    await this.#worker.terminate()
  }

  #request(method: ThreadMethod, ...args: unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const request: ThreadRequest = { id: this.#nextId++, method, arguments: args }
      this.#waiting.set(request.id, { resolve, reject })
      this.#worker.postMessage(request)
    })
  }

  #receive(message: ThreadMessage): void {
    switch (message.kind) {
      case 'log':
        this.#logger[message.level](message.fields, message.message)
        return
      case 'part-failure':
        this.#events.onPartFailure(message.part, fromPlainError(message.error))
        return
      case 'answer':
        this.#settle(message.id)?.resolve(message.value)
        return
      case 'refusal':
        this.#settle(message.id)?.reject(fromPlainError(message.error))
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    return waiting
  }

  /** Comes once with the error and again with the exit; only the first finds anybody waiting. */
  #lost(error: Error): void {
    const wasAlive = !this.#ending
    this.#ending = true
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
    if (wasAlive) this.#events.onThreadFailure(error)
  }
}
