import type { Clock, TimerHandle } from '@khlong/core'
import { silentLogger } from '@khlong/core'
import { resolveStreamsSettings, type StreamsSettings, taskSettings } from '../config.ts'
import { topologyError } from '../errors.ts'
import { headersOf, noHeaders, type RecordHeaders } from '../record.ts'
import { GlobalStores } from '../runtime/global-tables.ts'
import {
  newTaskCounts,
  type RecordCollector,
  StreamTask,
  type TaskCounts,
} from '../runtime/task.ts'
import { internalTopicNamer } from '../runtime/topic-names.ts'
import type { Serde } from '../serdes/serde.ts'
import { KeyValueStore, type ReadOnlyKeyValueStore } from '../state/key-value-store.ts'
import { type ReadOnlySessionStore, SessionStore } from '../state/session-store.ts'
import type { StateStore } from '../state/state-store.ts'
import { type ReadOnlyWindowStore, WindowStore } from '../state/window-store.ts'
import type { Topology } from '../topology/topology.ts'

/** What stands in memory that was given back. */
const overwritten = 0xdb

/** A record that a topology gave out. */
export interface TestRecord<K, V> {
  readonly key: K
  readonly value: V
  /** Undefined where the producer would set its own time: deletions in a suppress buffer's changelog. */
  readonly timestampMs: number | undefined
  readonly headers: RecordHeaders
}

/** Records for {@link TestInputTopic.pipeAll}. */
export interface TestInput<K, V> {
  readonly key: K
  readonly value: V
  /** Default: the time of the topic. */
  readonly timestampMs?: number
  readonly headers?: RecordHeaders
}

/** The time of records that have none of their own. Default: the driver's wall clock. */
export interface TestInputTopicOptions {
  readonly startTimestampMs?: number
  /** Moves the time on after each record. Default 0. */
  readonly autoAdvanceMs?: number
}

/** Writes to a topic of the driver. */
export interface TestInputTopic<K, V> {
  /** Moves the time of records that have none of their own; it stands still from then on, or moves by `autoAdvanceMs`. */
  advanceTime(byMs: number): void
  pipe(key: K, value: V, timestampMs?: number, headers?: RecordHeaders): void
  pipeAll(records: Iterable<TestInput<K, V>>): void
}

/** Reads what came to a topic of the driver; each record once. */
export interface TestOutputTopic<K, V> {
  readonly size: number
  read(): TestRecord<K, V> | undefined
  readAll(): TestRecord<K, V>[]
  /** The newest value of each key, of all records that are left. */
  readTable(): Map<K, V>
}

interface Captured {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly timestampMs: number | undefined
  readonly headers: RecordHeaders
}

class DriverClock implements Clock {
  timeMs: number
  constructor(timeMs: number) {
    this.timeMs = timeMs
  }
  nowMs(): number {
    return this.timeMs
  }
  monotonicMs(): number {
    return this.timeMs
  }
  setTimer(): TimerHandle {
    throw new Error('the driver has no timers; advance its wall clock')
  }
  clearTimer(): void {}
}

export interface TopologyTestDriverOptions {
  readonly settings?: Partial<StreamsSettings>
  /** Where the wall clock begins. Default: now. */
  readonly initialWallClockMs?: number
}

/**
 * Runs a topology without a broker, every topic with one partition, each record through to its end.
 *
 * @example
 * const driver = new TopologyTestDriver(topology)
 * driver.createInputTopic('words', serdes.string, serdes.string).pipe('a', 'one', 1_000)
 * driver.createOutputTopic('counts', serdes.string, serdes.long).readAll()
 */
export class TopologyTestDriver {
  readonly counts: TaskCounts = newTaskCounts()
  readonly #clock: DriverClock
  readonly #tasks: StreamTask[]
  readonly #globals: GlobalStores
  readonly #taskOf = new Map<string, StreamTask>()
  readonly #outputs = new Map<string, Captured[]>()
  readonly #internal: ((topic: string) => string) & object
  readonly #offsets = new Map<string, number>()
  /** Records that wait, by topic; the topic whose turn was longest ago comes first. */
  readonly #pending = new Map<string, Captured[]>()

  constructor(topology: Topology, options: TopologyTestDriverOptions = {}) {
    this.#clock = new DriverClock(options.initialWallClockMs ?? Date.now())
    const resolved = resolveStreamsSettings({ 'application.id': 'test', ...options.settings })
    const ports = { logger: silentLogger, clock: this.#clock, counts: this.counts }
    // As in Java's driver: a test need not move the clock to see windows close.
    const settings = {
      ...taskSettings(resolved, ports, resolved['statestore.cache.max.bytes']),
      emitIntervalMs: 0,
    }
    this.#internal = internalTopicNamer(topology, settings.applicationId)
    const collector: RecordCollector = {
      send: (topic, _partition, key, value, timestampMs, headers) => {
        this.#capture(topic, { key, value, timestampMs, headers: headersOf(headers) })
        return undefined
      },
      partitionCount: () => 1,
    }
    this.#globals = new GlobalStores(topology.globalTables(), settings)
    this.#tasks = topology.subTopologies().map((subTopology) => {
      const task = new StreamTask({
        subTopology,
        partition: 0,
        settings,
        collector,
        realTopic: this.#internal,
        openBacking: () => undefined,
        globalStores: this.#globals.stores,
      })
      for (const topic of subTopology.sourceTopics) this.#taskOf.set(this.#internal(topic), task)
      return task
    })
    for (const task of this.#tasks) task.start()
  }

  createInputTopic<K, V>(
    topic: string,
    keySerde: Serde<NonNullable<K>>,
    valueSerde: Serde<NonNullable<V>>,
    { startTimestampMs, autoAdvanceMs = 0 }: TestInputTopicOptions = {},
  ): TestInputTopic<K, V> {
    let topicMs = startTimestampMs
    const nextMs = (): number => {
      if (topicMs === undefined && autoAdvanceMs === 0) return this.#clock.timeMs
      const timeMs = topicMs ?? this.#clock.timeMs
      topicMs = timeMs + autoAdvanceMs
      return timeMs
    }
    const pipe = (
      key: K,
      value: V,
      timestampMs: number = nextMs(),
      headers: RecordHeaders = noHeaders,
    ): void =>
      this.#process(topic, {
        key: key === null || key === undefined ? null : keySerde.serialize(key),
        value: value === null || value === undefined ? null : valueSerde.serialize(value),
        timestampMs,
        headers,
      })
    return {
      pipe,
      advanceTime: (byMs) => {
        topicMs = (topicMs ?? this.#clock.timeMs) + byMs
      },
      pipeAll: (records) => {
        for (const { key, value, timestampMs, headers } of records)
          pipe(key, value, timestampMs, headers)
      },
    }
  }

  createOutputTopic<K, V>(
    topic: string,
    keySerde: Serde<NonNullable<K>>,
    valueSerde: Serde<NonNullable<V>>,
  ): TestOutputTopic<K, V> {
    const captured = this.#output(topic)
    const decode = ({ key, value, timestampMs, headers }: Captured): TestRecord<K, V> => {
      return {
        key: (key === null ? null : keySerde.deserialize(key)) as K,
        value: (value === null ? null : valueSerde.deserialize(value)) as V,
        timestampMs,
        headers,
      }
    }
    const readAll = (): TestRecord<K, V>[] => captured.splice(0).map(decode)
    return {
      get size() {
        return captured.length
      },
      read: () => {
        const record = captured.shift()
        return record && decode(record)
      },
      readAll,
      readTable: () => new Map(readAll().map(({ key, value }) => [key, value])),
    }
  }

  /** Topics that anything was written to: outputs, repartition topics, changelogs, dead letters. */
  producedTopicNames(): string[] {
    return [...this.#outputs].filter(([, records]) => records.length > 0).map(([topic]) => topic)
  }

  /** Moves the wall clock and calls the punctuators that come due. */
  advanceWallClock(byMs: number): void {
    this.#clock.timeMs += byMs
    for (const task of this.#tasks) task.punctuateWallClock(this.#clock.timeMs)
    this.#commit()
    this.#drain()
  }

  /** Waits for what `mapValuesAsync` waits for, and goes on with it. */
  async settle(): Promise<void> {
    while (this.#tasks.some(({ deferred }) => deferred.count > 0)) {
      for (const { deferred } of this.#tasks) await deferred.settle()
      this.#commit()
      this.#drain()
    }
  }

  /** Closes windows as `window.close.idle.ms` does when no record has come for long enough. */
  closeIdleWindows(untilMs: number): void {
    for (const task of this.#tasks) {
      task.closeWindowsUntil(untilMs)
      this.#commit()
      this.#drain()
    }
  }

  getKeyValueStore<K, V>(name: string): ReadOnlyKeyValueStore<K, V> {
    const store = this.#store(name)
    if (store instanceof KeyValueStore) return store as KeyValueStore<K, V>
    throw topologyError(`store ${name} is not a key-value store`)
  }

  getSessionStore<K, V>(name: string): ReadOnlySessionStore<K, V> {
    const store = this.#store(name)
    if (store instanceof SessionStore) return store as SessionStore<K, V>
    throw topologyError(`store ${name} is not a session store`)
  }

  getWindowStore<K, V>(name: string): ReadOnlyWindowStore<K, V> {
    const store = this.#store(name)
    if (store instanceof WindowStore) return store as WindowStore<K, V>
    throw topologyError(`store ${name} is not a window store`)
  }

  close(): void {
    for (const task of this.#tasks) task.close()
    this.#globals.close()
  }

  #store(name: string): StateStore {
    const globalStore = this.#globals.stores.get(name)
    if (globalStore) return globalStore
    for (const task of this.#tasks) {
      const held = task.stores.get(name)
      if (held) return held.store
    }
    throw topologyError(`there is no store ${name}`)
  }

  #process(topic: string, record: Captured): void {
    this.#enqueue(topic, record)
    this.#drain()
  }

  /**
   * Processes what waits: of the topics' next records, the one with the lowest time comes first, and
   * of those with one time, that of the topic whose turn was longest ago.
   */
  #drain(): void {
    for (let topic = this.#nextTopic(); topic !== undefined; topic = this.#nextTopic()) {
      const queue = this.#pending.get(topic)!
      const record = queue.shift()!
      this.#pending.delete(topic)
      if (queue.length > 0) this.#pending.set(topic, queue)
      const reader = this.#globals.reads(topic) ? this.#globals : this.#taskOf.get(topic)
      if (!reader) throw topologyError(`no stream reads topic ${topic}`)
      const offset = this.#offsets.get(topic) ?? 0
      this.#offsets.set(topic, offset + 1)
      // As those of a real topic, whose memory is used again: what keeps something of them shows in a test.
      const key = record.key && Buffer.from(record.key)
      const value = record.value && Buffer.from(record.value)
      reader.process(topic, 0, { ...record, key, value, timestamp: this.#timeOf(record), offset })
      if (reader !== this.#globals) for (const bytes of [key, value]) bytes?.fill(overwritten)
      // As in Java's driver: every record is committed by itself, those of internal topics, too.
      this.#commit()
    }
  }

  #nextTopic(): string | undefined {
    let next: string | undefined
    let nextMs = Number.POSITIVE_INFINITY
    for (const [topic, [record]] of this.#pending) {
      const timeMs = record ? this.#timeOf(record) : nextMs
      if (timeMs >= nextMs) continue
      next = topic
      nextMs = timeMs
    }
    return next
  }

  #timeOf({ timestampMs }: Captured): number {
    return timestampMs ?? this.#clock.timeMs
  }

  #enqueue(topic: string, record: Captured): void {
    const queue = this.#pending.get(topic)
    if (queue) queue.push(record)
    else this.#pending.set(topic, [record])
  }

  #commit(): void {
    for (const task of this.#tasks) task.flush()
    this.#globals.flush()
  }

  #capture(topic: string, record: Captured): void {
    this.#output(topic).push(record)
    if (this.#taskOf.has(topic) || this.#globals.reads(topic)) this.#enqueue(topic, record)
  }

  #output(topic: string): Captured[] {
    let records = this.#outputs.get(topic)
    if (!records) {
      records = []
      this.#outputs.set(topic, records)
    }
    return records
  }
}
