import type { Clock, Logger } from '@khlong/core'
import { KafkaClientError, type Partitioner, type Receipt } from '@khlong/kafka-client'
import { StreamsError, topologyError } from '../errors.ts'
import { RecordLatency, type TopicTotals } from '../metrics/node-metrics.ts'
import { TaskMetrics } from '../metrics/task-metrics.ts'
import {
  type CarriedHeaders,
  keptHeaders,
  noHeaders,
  type RawRecord,
  TaskRecord,
} from '../record.ts'
import { keySerdeOr, valueSerdeOr } from '../serdes/defaults.ts'
import { copyingSerdes, type Serde } from '../serdes/serde.ts'
import type { RecordCache } from '../state/record-cache.ts'
import type { StateStore, StoreBacking, StoreSpec } from '../state/state-store.ts'
import type { Cancellable, DropReason, PunctuationType } from '../topology/processor-node.ts'
import type { NodeSpec, SourceSpec, SubTopology, TimestampExtractor } from '../topology/topology.ts'
import { DeferredResults } from './deferred-results.ts'
import {
  askHandler,
  type DeadLetter,
  deadLetterHeaders,
  type ErrorHandlers,
  type ErrorStage,
} from './error-handlers.ts'
import { PunctuationQueue } from './punctuation.ts'
import type { OriginPlace } from './record-origin.ts'
import { sinkProcessor } from './sink.ts'
import { formatTaskId } from './task-id.ts'
import { TaskNode } from './task-node.ts'

/** Takes the records that tasks give out. Bytes belong to it from then on; it does not block. */
export interface RecordCollector {
  /**
   * Gives the error of a record that cannot be sent at all, such as one that is too large.
   *
   * @param origin is told of one that is refused later, with the offset that it came from. Without one
   *   that ends the application.
   */
  send(
    topic: string,
    partition: number | Partitioner | undefined,
    key: Buffer | null,
    value: Buffer | null,
    timestampMs: number | undefined,
    headers: CarriedHeaders,
    origin?: Receipt | undefined,
    offset?: number,
  ): Error | undefined
  /** What is told how records ended that a node sends on from one partition; undefined where nothing is refused later. */
  origin?(place: OriginPlace): Receipt
  /** How many partitions a topic has; undefined while that is not known. */
  partitionCount(topic: string): number | undefined
}

/** What the tasks of an application share. */
export interface TaskSettings {
  readonly applicationId: string
  readonly keySerde: Serde<unknown> | undefined
  readonly valueSerde: Serde<unknown> | undefined
  readonly timestampExtractor: TimestampExtractor | undefined
  readonly errors: ErrorHandlers
  readonly cache: RecordCache
  /** How far apart, by the clock on the wall, looks for windows that have closed are. Default 1 s, as in Java. */
  readonly emitIntervalMs?: number
  readonly logger: Logger
  readonly clock: Clock
  readonly counts: TaskCounts
}

/** Counts of an application, shared by its tasks. */
export interface TaskCounts {
  recordsIn: number
  recordsOut: number
  deadLetters: number
  readonly dropped: Record<DropReason, number>
}

export const newTaskCounts = (): TaskCounts => ({
  recordsIn: 0,
  recordsOut: 0,
  deadLetters: 0,
  dropped: { 'null-key': 0, 'null-value': 0, late: 0, timestamp: 0, error: 0 },
})

/** What several threads did. */
export function sumOfCounts(all: readonly TaskCounts[]): TaskCounts {
  const sum = newTaskCounts()
  for (const { recordsIn, recordsOut, deadLetters, dropped } of all) {
    sum.recordsIn += recordsIn
    sum.recordsOut += recordsOut
    sum.deadLetters += deadLetters
    for (const reason of Object.keys(dropped) as DropReason[])
      sum.dropped[reason] += dropped[reason]
  }
  return sum
}

export interface TaskOptions {
  readonly subTopology: SubTopology
  readonly partition: number
  readonly settings: TaskSettings
  readonly collector: RecordCollector
  /** Names of internal topics have no application's id in a topology; this gives the real name. */
  readonly realTopic: (topic: string) => string
  readonly openBacking: (store: StoreSpec) => StoreBacking | undefined
  /** Stores of global tables, which every node may read. */
  readonly globalStores?: ReadonlyMap<string, StateStore> | undefined
}

interface TaskSource {
  readonly spec: SourceSpec
  readonly node: TaskNode
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  /** Whether what its serdes give may borrow the bytes: theirs are copied then. */
  readonly isBorrowing: boolean
  readonly totals: TopicTotals
  readonly latency: RecordLatency
  partitionTimeMs: number
}

/**
 * One sub-topology on one partition. Life: constructed (stores open) → restored by its owner →
 * `start` → records → `close`. Everything in between is synchronous.
 */
export class StreamTask {
  readonly id: string
  readonly subTopology: SubTopology
  readonly partition: number
  readonly applicationId: string
  readonly context: TaskRecord = new TaskRecord()
  readonly stores: Map<string, { readonly store: StateStore; readonly spec: StoreSpec }> = new Map<
    string,
    { readonly store: StateStore; readonly spec: StoreSpec }
  >()
  /** Results that operators wait for; they are there before a commit. */
  readonly deferred: DeferredResults = new DeferredResults(this.context)
  /** Times that processors keep under names of their own; they go into the commit. */
  readonly processorTimes: Map<string, number> = new Map<string, number>()
  streamTimeMs = -1
  /** Whether a processor has asked for a commit ahead of the interval. */
  isCommitRequested = false
  readonly metrics: TaskMetrics = new TaskMetrics()
  readonly #settings: TaskSettings
  readonly #collector: RecordCollector
  readonly #realTopic: (topic: string) => string
  readonly #globalStores: ReadonlyMap<string, StateStore>
  readonly #nodes = new Map<string, TaskNode>()
  readonly #sources = new Map<string, TaskSource>()
  readonly #latencies: RecordLatency[] = []
  /** The clock on the wall when it was last looked at, for how old records are: once for many of them. */
  #lookMs = 0
  readonly #streamTimePunctuations = new PunctuationQueue()
  readonly #wallClockPunctuations = new PunctuationQueue()

  constructor(options: TaskOptions) {
    this.subTopology = options.subTopology
    this.partition = options.partition
    this.id = formatTaskId(options.subTopology.id, options.partition)
    this.applicationId = options.settings.applicationId
    this.#settings = options.settings
    this.#collector = options.collector
    this.#realTopic = options.realTopic
    this.#globalStores = options.globalStores ?? new Map()
    this.context.isRawKept = options.settings.errors.deadLetterTopic !== undefined
    for (const spec of options.subTopology.stores) {
      const topic = changelogTopic(this.applicationId, spec.name)
      const store = spec.create({
        keySerde: (given) => this.keySerde(given, spec.name),
        valueSerde: (given) => this.valueSerde(given, spec.name),
        backing: spec.persistent ? options.openBacking(spec) : undefined,
        changelog: {
          log: (key, value, timestampMs, headers) =>
            void this.#collector.send(topic, this.partition, key, value, timestampMs, headers),
        },
        cache: options.settings.cache,
        record: this.context,
      })
      this.stores.set(spec.name, { store, spec })
    }
  }

  /** Takes the times that processors kept; of those with one name, the latest. */
  keepProcessorTimes(times: ReadonlyMap<string, number>): void {
    for (const [name, timeMs] of times)
      this.processorTimes.set(name, Math.max(timeMs, this.processorTimes.get(name) ?? timeMs))
  }

  /** Makes the nodes; the stores hold what they held, and stream time is where it was. */
  start(streamTimeMs = -1): void {
    this.streamTimeMs = streamTimeMs
    const none: ReadonlySet<string> = new Set()
    const { nodes } = this.subTopology
    for (const spec of nodes) {
      const node = new TaskNode(this, spec.name, spec.kind === 'processor' ? spec.stores : none)
      this.#nodes.set(spec.name, node)
      for (const parent of spec.parents) this.#nodes.get(parent)!.children.push(node)
    }
    for (const spec of nodes) this.#startNode(spec, this.#nodes.get(spec.name)!)
    for (const { children, metrics } of this.#nodes.values()) {
      if (children.length === 0) metrics.recordLatency ??= new RecordLatency()
      if (metrics.recordLatency) this.#latencies.push(metrics.recordLatency)
    }
    this.look()
  }

  /** Sends one record of a source topic through the topology. Nothing of its bytes is kept. */
  process(topic: string, partition: number, record: RawRecord): void {
    const source = this.#sources.get(topic)
    if (!source) throw topologyError(`task ${this.id} does not read topic ${topic}`)
    const { counts } = this.#settings
    counts.recordsIn++
    const { context } = this
    // Processors may keep a record with its headers.
    const headers = keptHeaders(record.headers)
    context.set(topic, partition, record.offset, record.timestamp, headers)
    let rawKey = record.key
    let rawValue = record.value
    source.totals.add(rawKey, rawValue, headers)
    if (source.isBorrowing) {
      rawKey &&= Buffer.from(rawKey)
      rawValue &&= Buffer.from(rawValue)
    }
    context.rawKey = rawKey
    context.rawValue = rawValue
    this.#run(source, rawKey, rawValue)
    context.rawKey = null
    context.rawValue = null
    if (!this.#streamTimePunctuations.isEmpty) this.punctuateStreamTime()
  }

  #run(source: TaskSource, rawKey: Buffer | null, rawValue: Buffer | null): void {
    const { context } = this
    let key: unknown
    let value: unknown
    try {
      key = rawKey === null ? null : source.keySerde.deserialize(rawKey)
      value = rawValue === null ? null : source.valueSerde.deserialize(rawValue)
    } catch (cause) {
      this.#onError('deserialization', source.spec.name, cause)
      return
    }
    const timestampMs = this.#timestamp(source, value)
    if (timestampMs < 0) {
      this.drop('timestamp')
      return
    }
    context.timestampMs = timestampMs
    if (timestampMs > source.partitionTimeMs) source.partitionTimeMs = timestampMs
    if (timestampMs > this.streamTimeMs) this.streamTimeMs = timestampMs
    source.latency.add(timestampMs)
    source.node.forward(key, value, timestampMs)
  }

  /** Looks at the clock on the wall: what came before was there by the look before. */
  look(nowMs: number = this.nowMs()): void {
    for (const latency of this.#latencies) latency.settle(this.#lookMs)
    this.#lookMs = nowMs
  }

  isSource(node: TaskNode): boolean {
    return this.#sources.values().some((source) => source.node === node)
  }

  get nodes(): Iterable<TaskNode> {
    return this.#nodes.values()
  }

  /** The highest timestamp seen on a source topic; -1 before the first record. */
  partitionTimeMs(topic: string): number {
    return this.#sources.get(topic)?.partitionTimeMs ?? -1
  }

  /** Calls the stream-time punctuators that are due, and says whether any was. */
  punctuateStreamTime(): boolean {
    return this.streamTimeMs >= 0 && this.#streamTimePunctuations.punctuate(this.streamTimeMs)
  }

  /** Calls the wall-clock punctuators that are due, and says whether any was. */
  punctuateWallClock(nowMs: number): boolean {
    this.look(nowMs)
    return this.#wallClockPunctuations.punctuate(nowMs)
  }

  /** When the next window closes; undefined where none is open. */
  nextWindowCloseMs(): number | undefined {
    let next: number | undefined
    for (const node of this.#nodes.values()) {
      const timeMs = node.processor.nextEmitMs?.()
      if (timeMs !== undefined && (next === undefined || timeMs < next)) next = timeMs
    }
    return next
  }

  /** Moves the time of windows to `timeMs`, as a record of that time would; no other stream time moves. */
  closeWindowsUntil(timeMs: number): void {
    // What is held back belongs to windows that end before this.
    this.flush()
    const { context } = this
    context.rawKey = null
    context.rawValue = null
    for (const node of this.#nodes.values()) node.processor.advanceStreamTime?.(timeMs)
    if (timeMs > this.streamTimeMs) this.streamTimeMs = timeMs
  }

  /** Entries of the stores that wait for the next commit. */
  get changeCount(): number {
    let count = 0
    for (const { store } of this.stores.values()) count += store.changeCount
    return count
  }

  /** Writes what changed in the stores to their changelogs and backings, and hands on what they held back. */
  flush(): void {
    this.look()
    // What a store hands on changes those behind it, which come later here. Another round is for what
    // a user's processor changes in one before it; if it does so without an end, as in Java, the rest
    // waits for the next commit.
    for (let rounds = this.stores.size; rounds > 0 && this.#hasChanged(); rounds--)
      for (const { store } of this.stores.values()) store.flush()
  }

  /** Says that what was flushed is on the disk. */
  committed(): void {
    for (const { store } of this.stores.values()) store.committed?.()
  }

  #hasChanged(): boolean {
    for (const { store } of this.stores.values()) if (store.hasChanged) return true
    return false
  }

  close(): void {
    for (const node of this.#nodes.values()) node.processor.close?.()
    for (const { store } of this.stores.values()) store.close()
  }

  get emitIntervalMs(): number {
    return this.#settings.emitIntervalMs ?? 1_000
  }

  /** The store of a global table, where there is one of that name. */
  globalStore(name: string): StateStore | undefined {
    return this.#globalStores.get(name)
  }

  store(name: string): StateStore {
    const held = this.stores.get(name)
    if (!held) throw topologyError(`task ${this.id} has no store ${name}`)
    return held.store
  }

  keySerde<K>(given: Serde<K> | undefined, where: string): Serde<K> {
    return keySerdeOr(given, this.#settings.keySerde, where)
  }

  valueSerde<V>(given: Serde<V> | undefined, where: string): Serde<V> {
    return valueSerdeOr(given, this.#settings.valueSerde, where)
  }

  nowMs(): number {
    return this.#settings.clock.nowMs()
  }

  schedule(
    nodeName: string,
    intervalMs: number,
    type: PunctuationType,
    callback: (timestampMs: number) => void,
  ): Cancellable {
    if (!(intervalMs >= 1)) throw topologyError(`a punctuation's interval is 1 ms or more`)
    const { context } = this
    const call = (timestampMs: number): void => {
      // As in Java, a punctuator works on no record: there are no headers, and no place.
      context.set('', -1, -1, timestampMs, noHeaders)
      context.rawKey = null
      context.rawValue = null
      try {
        callback(timestampMs)
      } catch (error) {
        this.onProcessingError(nodeName, error)
      }
    }
    return type === 'stream-time'
      ? this.#streamTimePunctuations.add(0, intervalMs, call)
      : this.#wallClockPunctuations.add(this.nowMs() + intervalMs, intervalMs, call)
  }

  drop(reason: DropReason): void {
    this.#settings.counts.dropped[reason]++
    this.metrics.dropped.record(1, performance.now())
  }

  /** @throws StreamsError where the handler says so; it passes the nodes above as it is. */
  onProcessingError(nodeName: string, error: unknown): void {
    if (error instanceof StreamsError && fatalCodes.has(error.code)) throw error
    this.#onError('processing', nodeName, error)
  }

  /** What a sink could not write. */
  onProductionError(nodeName: string, error: unknown): void {
    this.#onError('production', nodeName, error)
  }

  #onError(stage: ErrorStage, nodeName: string, thrown: unknown): void {
    const { errors, logger, counts } = this.#settings
    const { topic, partition, offset, timestampMs, rawKey, rawValue } = this.context
    const where =
      topic === ''
        ? `a punctuator of ${nodeName}, task ${this.id}`
        : `${nodeName}, task ${this.id}, record ${topic}/${partition}@${offset}`
    // What the producer refuses has been serialized.
    const isRefused = stage === 'production' && thrown instanceof KafkaClientError
    const code = isRefused ? 'STREAMS_PRODUCTION_FAILED' : errorCodes[stage]
    const error = new StreamsError(code, `${stage} failed at ${where}`, {
      cause: thrown,
      fields: { stage, nodeName, taskId: this.id, topic, partition, offset },
    })
    const { response, deadLetters } = askHandler(errors[stage], {
      stage,
      error,
      taskId: this.id,
      nodeName,
      record: this.context,
    })
    counts.dropped.error++
    this.metrics.dropped.record(1, performance.now())
    if (deadLetters) for (const letter of deadLetters) this.#sendDeadLetter(letter)
    else if (errors.deadLetterTopic !== undefined)
      this.#sendDeadLetter({
        topic: errors.deadLetterTopic,
        key: rawKey,
        value: rawValue,
        headers: deadLetterHeaders(error, this.context),
        timestampMs: timestampMs < 0 ? undefined : timestampMs,
      })
    const fields = { application: this.applicationId, err: error }
    if (response === 'fail') {
      logger.error(fields, 'record failed')
      throw error
    }
    logger.warn(fields, 'record left out')
  }

  #sendDeadLetter({ topic, key, value, timestampMs, headers = noHeaders }: DeadLetter): void {
    this.#settings.counts.deadLetters++
    const error = this.#collector.send(topic, undefined, key, value, timestampMs, headers)
    if (error)
      throw new StreamsError(
        'STREAMS_PRODUCTION_FAILED',
        `a dead letter for topic ${topic} could not be sent`,
        { cause: error, fields: { topic } },
      )
  }

  #timestamp(source: TaskSource, value: unknown): number {
    const extractor = source.spec.timestampExtractor ?? this.#settings.timestampExtractor
    if (!extractor && this.context.timestampMs >= 0) return this.context.timestampMs
    const { topic, partition, offset, timestampMs } = this.context
    if (extractor)
      try {
        return extractor(this.context, value, source.partitionTimeMs)
      } catch (cause) {
        throw new StreamsError(
          'STREAMS_TIMESTAMP_INVALID',
          `the timestamp extractor threw at record ${topic}/${partition}@${offset}`,
          { cause, fields: { topic, partition, offset } },
        )
      }
    throw new StreamsError(
      'STREAMS_TIMESTAMP_INVALID',
      `record ${topic}/${partition}@${offset} has timestamp ${timestampMs}; give its stream a timestampExtractor that can cope`,
    )
  }

  #startNode(spec: NodeSpec, node: TaskNode): void {
    switch (spec.kind) {
      case 'source': {
        const keySerde = this.keySerde(spec.keySerde, spec.name)
        const valueSerde = this.valueSerde(spec.valueSerde, spec.name)
        const latency = new RecordLatency()
        node.metrics.recordLatency = latency
        for (const topic of spec.topics) {
          const isBorrowing = !copyingSerdes.has(keySerde) || !copyingSerdes.has(valueSerde)
          const realTopic = this.#realTopic(topic)
          this.#sources.set(realTopic, {
            ...{ spec, node, keySerde, valueSerde, isBorrowing, latency },
            totals: node.metrics.topic(realTopic),
            partitionTimeMs: -1,
          })
        }
        break
      }
      case 'processor':
        node.processor = spec.supplier(node)
        break
      case 'sink':
        node.processor = sinkProcessor(spec, node, {
          collector: this.#collector,
          realTopic: this.#realTopic,
          counts: this.#settings.counts,
          onError: (error) => this.onProductionError(spec.name, error),
        })
    }
  }
}

/** The topic that holds a store's changes. */
export const changelogTopic = (applicationId: string, storeName: string): string =>
  `${applicationId}-${storeName}-changelog`

const errorCodes = {
  deserialization: 'STREAMS_DESERIALIZATION_FAILED',
  processing: 'STREAMS_PROCESSING_FAILED',
  production: 'STREAMS_SERIALIZATION_FAILED',
} as const

/** Errors that a handler has judged already, or that no handler may pass over. */
const fatalCodes: ReadonlySet<string> = new Set([
  ...Object.values(errorCodes),
  'STREAMS_PRODUCTION_FAILED',
  'STREAMS_HANDLER_FAILED',
  'STREAMS_TOPOLOGY_INVALID',
  'STREAMS_BUFFER_FULL',
])
