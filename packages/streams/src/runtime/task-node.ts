import { topologyError } from '../errors.ts'
import { NodeMetrics } from '../metrics/node-metrics.ts'
import type { CarriedHeaders, TaskRecord } from '../record.ts'
import type { Serde } from '../serdes/serde.ts'
import type { StateStore } from '../state/state-store.ts'
import type {
  Cancellable,
  DropReason,
  NodeContext,
  NodeProcessor,
  PunctuationType,
} from '../topology/processor-node.ts'
import type { StreamTask } from './task.ts'

/** A node of a running task: its work, and the nodes that it feeds. */
export class TaskNode implements NodeContext {
  readonly nodeName: string
  readonly children: TaskNode[] = []
  readonly record: TaskRecord
  readonly metrics: NodeMetrics = new NodeMetrics()
  readonly #task: StreamTask
  readonly #stores: ReadonlySet<string>
  #processor: NodeProcessor = { process: () => {} }

  constructor(task: StreamTask, nodeName: string, stores: ReadonlySet<string>) {
    this.#task = task
    this.nodeName = nodeName
    this.#stores = stores
    this.record = task.context
  }

  get processor(): NodeProcessor {
    return this.#processor
  }
  set processor(processor: NodeProcessor) {
    this.#processor = processor
  }
  get applicationId(): string {
    return this.#task.applicationId
  }
  get taskId(): string {
    return this.#task.id
  }
  commit(): void {
    this.#task.isCommitRequested = true
  }
  get emitIntervalMs(): number {
    return this.#task.emitIntervalMs
  }
  get processorTimes(): Map<string, number> {
    return this.#task.processorTimes
  }

  /** Does this node's work; what it throws goes to the processing exception handler. */
  run(key: unknown, value: unknown, timestampMs: number): void {
    try {
      this.#processor.process(key, value, timestampMs)
    } catch (error) {
      this.#task.onProcessingError(this.nodeName, error)
    }
    this.metrics.recordLatency?.add(timestampMs)
  }

  forward(key: unknown, value: unknown, timestampMs: number): void {
    const { children } = this
    for (let index = 0; index < children.length; index++)
      children[index]!.run(key, value, timestampMs)
  }

  forwardTo(child: string, key: unknown, value: unknown, timestampMs: number): void {
    const node = this.children.find(({ nodeName }) => nodeName === child)
    if (!node) throw topologyError(`${this.nodeName} has no child ${child}`)
    node.run(key, value, timestampMs)
  }

  forwardWithHeaders(
    key: unknown,
    value: unknown,
    timestampMs: number,
    headers: CarriedHeaders,
    child?: string,
  ): void {
    const before = this.record.carriedHeaders
    this.record.carriedHeaders = headers
    try {
      if (child === undefined) this.forward(key, value, timestampMs)
      else this.forwardTo(child, key, value, timestampMs)
    } finally {
      this.record.carriedHeaders = before
    }
  }

  store(name: string): StateStore {
    const globalStore = this.#task.globalStore(name)
    if (globalStore) return globalStore
    if (!this.#stores.has(name))
      throw topologyError(`${this.nodeName} is not connected to a store ${name}`)
    return this.#task.store(name)
  }
  keySerde<K>(given: Serde<K> | undefined): Serde<K> {
    return this.#task.keySerde(given, this.nodeName)
  }
  valueSerde<V>(given: Serde<V> | undefined): Serde<V> {
    return this.#task.valueSerde(given, this.nodeName)
  }
  streamTimeMs(): number {
    return this.#task.streamTimeMs
  }
  nowMs(): number {
    return this.#task.nowMs()
  }
  schedule(
    intervalMs: number,
    type: PunctuationType,
    callback: (timestampMs: number) => void,
  ): Cancellable {
    return this.#task.schedule(this.nodeName, intervalMs, type, callback)
  }
  defer(work: Promise<unknown>, resume: (result: unknown) => void): void {
    let result: unknown
    let failure: { readonly error: unknown } | undefined
    const done = work.then(
      (value) => {
        result = value
      },
      (error: unknown) => {
        failure = { error }
      },
    )
    this.#task.deferred.add(done, () => {
      if (failure) this.#task.onProcessingError(this.nodeName, failure.error)
      else resume(result)
    })
  }
  drop(reason: DropReason): void {
    this.#task.drop(reason)
  }
}
