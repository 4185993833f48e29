import { type Admin, Fetcher, type KafkaClient, type TopicPartition } from '@khlong/kafka-client'
import type { RawRecord } from '../record.ts'
import type { StateStore } from '../state/state-store.ts'
import type { GlobalTable, Topology } from '../topology/topology.ts'
import { type RecordCollector, StreamTask, type TaskSettings } from './task.ts'

/** Nothing is written from a global table: its topic is its changelog. */
const writesNothing: RecordCollector = { send: () => undefined, partitionCount: () => 1 }

/** The stores of a topology's global tables, and what fills them. */
export class GlobalStores {
  readonly stores: Map<string, StateStore> = new Map<string, StateStore>()
  readonly #tasks = new Map<string, StreamTask>()

  constructor(tables: readonly GlobalTable[], settings: TaskSettings) {
    for (const { id, source, processor, topic, store } of tables) {
      const task = new StreamTask({
        subTopology: {
          id,
          nodes: [source, processor],
          sourceTopics: [topic],
          sinkTopics: [],
          stores: [store],
        },
        partition: 0,
        // There is no producer here: a dead letter would be counted, and be nowhere.
        settings: { ...settings, errors: { ...settings.errors, deadLetterTopic: undefined } },
        collector: writesNothing,
        realTopic: (name) => name,
        openBacking: () => undefined,
      })
      task.start()
      this.#tasks.set(topic, task)
      this.stores.set(store.name, task.store(store.name))
    }
  }

  get topics(): string[] {
    return [...this.#tasks.keys()]
  }

  /** Whether a topic is read by a global table. */
  reads(topic: string): boolean {
    return this.#tasks.has(topic)
  }

  /** Takes a record of such a topic. Bytes are borrowed. */
  process(topic: string, partition: number, record: RawRecord): void {
    this.#tasks.get(topic)?.process(topic, partition, record)
  }

  /** Lets go of what was only kept to be written somewhere. */
  flush(): void {
    for (const task of this.#tasks.values()) task.flush()
  }

  close(): void {
    for (const task of this.#tasks.values()) task.close()
  }
}

export interface GlobalTablesOptions {
  readonly topology: Topology
  readonly settings: TaskSettings
  readonly client: KafkaClient
  readonly admin: Admin
  readonly fetchBytes: number
  /** Leaves out what transactions took back. */
  readonly isCommitted: boolean
  readonly signal: AbortSignal
  /** Told what the reading ended by: the tables are not kept up any more. */
  readonly onError: (error: unknown) => void
}

/**
 * Reads the topics of global tables from their beginnings, with a consumer of its own that belongs to
 * no group and commits nothing, and goes on reading while the application runs.
 */
export class GlobalTables {
  readonly #options: GlobalTablesOptions
  readonly #stores: GlobalStores
  readonly #fetcher: Fetcher
  #isClosing = false
  #reading: Promise<void> = Promise.resolve()

  private constructor(options: GlobalTablesOptions, tables: readonly GlobalTable[]) {
    const { client, settings, fetchBytes, isCommitted } = options
    this.#options = options
    this.#stores = new GlobalStores(tables, settings)
    this.#fetcher = new Fetcher(
      {
        ...client.options,
        'auto.offset.reset': 'earliest',
        'max.poll.records': 10_000,
        'fetch.max.bytes': fetchBytes,
        'isolation.level': isCommitted ? 'read_committed' : 'read_uncommitted',
      },
      { client, logger: settings.logger },
    )
  }

  /** Reads the tables to their ends as they are now; undefined where the topology has none. */
  static async open(options: GlobalTablesOptions): Promise<GlobalTables | undefined> {
    const tables = options.topology.globalTables()
    if (tables.length === 0) return undefined
    const opened = new GlobalTables(options, tables)
    try {
      await opened.#restore()
    } catch (error) {
      await opened.close()
      throw error
    }
    opened.#reading = opened.#read()
    return opened
  }

  get stores(): ReadonlyMap<string, StateStore> {
    return this.#stores.stores
  }

  async close(): Promise<void> {
    this.#isClosing = true
    await this.#reading
    await this.#fetcher.close()
    this.#stores.close()
  }

  async #restore(): Promise<void> {
    const { admin, settings, signal, isCommitted } = this.#options
    const described = await admin.describeTopics(this.#stores.topics)
    const partitions: TopicPartition[] = described.flatMap(({ name, partitions: list }) =>
      list.map((_, partition) => ({ topic: name, partition })),
    )
    const at = (spec: 'earliest' | 'latest'): Promise<{ offset: number }[]> =>
      admin.listOffsets(
        partitions.map((one) => ({ ...one, spec })),
        { isCommitted },
      )
    const [first, end] = await Promise.all([at('earliest'), at('latest')])
    const startedMs = performance.now()
    this.#fetcher.assign(partitions.map((one, index) => ({ ...one, offset: first[index]!.offset })))
    const isRead = (): boolean =>
      partitions.every(
        (one, index) => (this.#fetcher.position(one) ?? first[index]!.offset) >= end[index]!.offset,
      )
    while (!isRead()) {
      signal.throwIfAborted()
      await this.#poll()
    }
    settings.logger.info(
      {
        application: settings.applicationId,
        topics: this.#stores.topics,
        ms: Math.round(performance.now() - startedMs),
      },
      'global tables read',
    )
  }

  async #read(): Promise<void> {
    try {
      while (!this.#isClosing && !this.#options.signal.aborted) await this.#poll()
    } catch (error) {
      if (!this.#isClosing) this.#options.onError(error)
    }
  }

  async #poll(): Promise<void> {
    for (const { topic, partition, records } of await this.#fetcher.poll(200))
      for (const record of records) this.#stores.process(topic, partition, record)
    this.#stores.flush()
  }
}
