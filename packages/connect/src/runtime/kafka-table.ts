import { type Logger, systemClock } from '@khlong/core'
import { Admin, Consumer, type KafkaClient, type Producer } from '@khlong/kafka-client'
import type { KafkaRecord } from '../data/record.ts'
import { ConnectError } from '../errors.ts'
import type { TableTopic, TransactionalWriter } from './kafka.ts'
import { pause } from './pause.ts'

export interface KafkaTableOptions {
  readonly topic: string
  readonly isCommitted: boolean
  /** Makes what the leader writes with; without it the leader writes as all do. */
  readonly leaderWriter?: () => TransactionalWriter
  readonly client: KafkaClient
  readonly producer: Producer
  readonly settings: { readonly 'bootstrap.servers': string }
  readonly logger: Logger
}

interface Waiter {
  readonly ends: readonly Position[]
  resolve(): void
}

interface Position {
  readonly partition: number
  /** The next offset. */
  readonly offset: number
}

// The broker answers as soon as there is something; an idle table asks seldom.
const fetchWaitMs = 5_000
const pollMs = 60_000
const retryMs = 1_000
// The end of a transaction gives no record: who waits for it looks again.
const waitingPollMs = 20

/**
 * A topic that is read as a whole and followed. What is written is seen when it comes back, in the
 * order in which the topic has it, so that all workers see the same.
 */
export class KafkaTable implements TableTopic {
  readonly #options: KafkaTableOptions
  readonly #waiters = new Set<Waiter>()
  readonly #closing = new AbortController()
  #consumer: Consumer | undefined
  #following: Promise<void> | undefined
  #leaderWriter: TransactionalWriter | undefined
  #isLeading = false
  #leaderWriting: Promise<unknown> = Promise.resolve()

  constructor(options: KafkaTableOptions) {
    this.#options = options
  }

  async open(onRecord: (record: KafkaRecord) => void): Promise<void> {
    const { client, settings, topic, logger } = this.#options
    const { partitions } = await client.topic(topic)
    const consumer = new Consumer(
      {
        ...settings,
        'fetch.max.wait.ms': fetchWaitMs,
        'auto.offset.reset': 'earliest',
        'isolation.level': this.#options.isCommitted ? 'read_committed' : 'read_uncommitted',
      },
      { client, logger },
    )
    this.#consumer = consumer
    const ends = await this.#ends(partitions.length)
    consumer.assign(
      ends.map(({ partition }) => ({ topic, partition, offset: 'earliest' as const })),
    )
    const loaded = this.#reached(ends)
    this.#following = this.#follow(consumer, onRecord)
    await loaded
  }

  async put(entries: readonly (readonly [key: string, value: string | null])[]): Promise<void> {
    if (entries.length === 0) return
    const { producer, topic } = this.#options
    const written = await producer.sendBatch(
      topic,
      entries.map(([key, value]) => ({
        key: Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
      })),
    )
    // The broker does not say where a batch is that it had already.
    if (written.some(({ offset }) => offset < 0)) await this.refresh()
    else
      await this.#reached(
        written.map(({ partition, offset }) => ({ partition, offset: offset + 1 })),
      )
  }

  relinquish(): void {
    this.#isLeading = false
  }

  async claim(): Promise<void> {
    this.#isLeading = true
    if (this.#options.leaderWriter) await this.#leaderWrites(() => this.#claimed())
  }

  async putAsLeader(entries: readonly (readonly [string, string | null])[]): Promise<void> {
    if (!this.#options.leaderWriter) return this.put(entries)
    await this.#leaderWrites(async () => {
      if (!this.#isLeading)
        throw new ConnectError('CONNECT_REBALANCING', 'another worker leads the group now')
      const writer = this.#leaderWriter ?? (await this.#claimed())
      writer.begin()
      const outcomes = await writer.write(
        entries.map(([key, value]) => ({
          topic: this.#options.topic,
          key: Buffer.from(key),
          value: value === null ? null : Buffer.from(value),
          headers: [],
        })),
      )
      const failure = outcomes.find((outcome) => outcome !== undefined)
      if (failure) throw failure.error
      await writer.commit()
    })
    await this.refresh()
  }

  async refresh(): Promise<void> {
    const count = this.#consumer?.assignment.length ?? 0
    await this.#reached(await this.#ends(count))
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#consumer?.wakeUp()
    await this.#consumer?.close()
    await this.#following
    await this.#leaderWriter?.close()
    for (const waiter of this.#waiters) waiter.resolve()
  }

  async #claimed(): Promise<TransactionalWriter> {
    await this.#leaderWriter?.close()
    const writer = this.#options.leaderWriter!()
    this.#leaderWriter = writer
    await writer.claim()
    return writer
  }

  /** One after another; after a failure the next write claims the right anew. */
  #leaderWrites(write: () => Promise<unknown>): Promise<void> {
    const done = this.#leaderWriting.then(async () => {
      try {
        await write()
      } catch (error) {
        await this.#leaderWriter?.abort().catch(() => {})
        await this.#leaderWriter?.close()
        this.#leaderWriter = undefined
        if (error instanceof ConnectError) throw error
        throw new ConnectError(
          'CONNECT_FAILED',
          `Failed to perform fenceable send to ${this.#options.topic}`,
          { cause: error },
        )
      }
    })
    this.#leaderWriting = done.catch(() => {})
    return done
  }

  async #ends(partitionCount: number): Promise<Position[]> {
    const { client, settings, topic, logger } = this.#options
    const admin = new Admin(settings, { client, logger })
    const places = Array.from({ length: partitionCount }, (_item, partition) => ({
      topic,
      partition,
      spec: 'latest' as const,
    }))
    return admin.listOffsets(places)
  }

  async #follow(consumer: Consumer, onRecord: (record: KafkaRecord) => void): Promise<void> {
    const { logger, topic } = this.#options
    const { signal } = this.#closing
    while (!signal.aborted)
      try {
        for (const { records } of await consumer.poll(
          this.#options.isCommitted && this.#waiters.size > 0 ? waitingPollMs : pollMs,
        ))
          for (const record of records) onRecord(record)
        this.#wakeWaiters()
      } catch (error) {
        if (signal.aborted) return
        logger.warn({ topic, err: error }, 'a topic of the worker cannot be read')
        await pause(systemClock, retryMs, signal)
      }
  }

  #reached(ends: readonly Position[]): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closing.signal.aborted || this.#isAt(ends)) resolve()
      else {
        this.#waiters.add({ ends, resolve })
        if (this.#options.isCommitted) this.#consumer?.wakeUp()
      }
    })
  }

  #wakeWaiters(): void {
    for (const waiter of this.#waiters)
      if (this.#isAt(waiter.ends)) {
        this.#waiters.delete(waiter)
        waiter.resolve()
      }
  }

  #isAt(ends: readonly Position[]): boolean {
    const { topic } = this.#options
    return ends.every(
      ({ partition, offset }) =>
        offset === 0 || (this.#consumer?.position({ topic, partition }) ?? 0) >= offset,
    )
  }
}
