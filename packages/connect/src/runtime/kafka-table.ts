import { type Logger, systemClock } from '@khlong/core'
import { Admin, Consumer, type KafkaClient, type Producer } from '@khlong/kafka-client'
import type { KafkaRecord } from '../data/record.ts'
import type { TableTopic } from './kafka.ts'
import { pause } from './pause.ts'

export interface KafkaTableOptions {
  readonly topic: string
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

  constructor(options: KafkaTableOptions) {
    this.#options = options
  }

  async open(onRecord: (record: KafkaRecord) => void): Promise<void> {
    const { client, settings, topic, logger } = this.#options
    const { partitions } = await client.topic(topic)
    const consumer = new Consumer(
      { ...settings, 'fetch.max.wait.ms': fetchWaitMs, 'auto.offset.reset': 'earliest' },
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

  async refresh(): Promise<void> {
    const count = this.#consumer?.assignment.length ?? 0
    await this.#reached(await this.#ends(count))
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#consumer?.wakeUp()
    await this.#consumer?.close()
    await this.#following
    for (const waiter of this.#waiters) waiter.resolve()
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
        for (const { records } of await consumer.poll(pollMs))
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
      else this.#waiters.add({ ends, resolve })
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
