import {
  type BatchOutcome,
  type GroupMetadata,
  KafkaClientError,
  type OffsetToCommit,
  type Partitioner,
  type Producer,
  type Receipt,
} from '@khlong/kafka-client'
import { StreamsError } from '../errors.ts'
import type { CarriedHeaders } from '../record.ts'
import { asMigration } from './migration.ts'
import { type OriginPlace, RecordOrigin, type RecordPlace } from './record-origin.ts'
import type { RecordCollector } from './task.ts'

/** Lets the application go on without a record that was refused, or throws what ends it. */
export type JudgeRefused = (topic: string, error: Error, place: RecordPlace) => void

/**
 * Hands what tasks give out to a producer. An error that comes back later is remembered, and ends
 * the application at the next `flush` or `check`, unless who judges it passes over it.
 *
 * With a transactional producer a transaction is open from the first record to the next commit.
 */
export class ProducerCollector implements RecordCollector, Receipt {
  readonly #producer: Producer
  readonly #judge: JudgeRefused
  /** Behind the last acknowledged record of each changelog partition, by topic. */
  readonly #changelogOffsets = new Map<string, Map<number, number>>()
  #failure: Error | undefined
  #isFull = false
  #isSending = false
  /** Why the producer took nothing of the record that is being sent. */
  #refused: Error | undefined
  #isOpen = false
  #sentCount = 0

  constructor(producer: Producer, judge: JudgeRefused) {
    this.#producer = producer
    this.#judge = judge
  }

  get isTransactional(): boolean {
    return this.#producer.options['transactional.id'] !== undefined
  }

  /** Whether the producer's buffer is full: await `ready` before more is processed. */
  get isFull(): boolean {
    return this.#isFull
  }

  /** Makes connections for topics that there are, so that the first records need not wait for them. */
  prepare(topics: readonly string[]): void {
    void this.#producer.prepare(topics)
  }

  /** Names the changelogs: for these, offsets are kept. */
  watchChangelogs(topics: readonly string[]): void {
    for (const topic of topics)
      if (!this.#changelogOffsets.has(topic)) this.#changelogOffsets.set(topic, new Map())
  }

  changelogOffset(topic: string, partition: number): number | undefined {
    return this.#changelogOffsets.get(topic)?.get(partition)
  }

  send(
    topic: string,
    partition: number | Partitioner | undefined,
    key: Buffer | null,
    value: Buffer | null,
    timestampMs: number | undefined,
    headers: CarriedHeaders,
    origin: Receipt = this,
    offset = 0,
  ): Error | undefined {
    this.#begin()
    this.#refused = undefined
    this.#isSending = true
    this.#sentCount++
    const hasRoom = this.#producer.enqueueFor(
      { topic, partition, key, value, timestamp: timestampMs, headers },
      origin,
      offset,
    )
    this.#isSending = false
    if (!hasRoom) this.#isFull = true
    return this.#refused
  }

  origin(place: OriginPlace): Receipt {
    return new RecordOrigin(place, (topic, error, from) => this.#onError(topic, error, from))
  }

  /** How a record of a changelog ended, or a dead letter. */
  settle(_index: number, { topic, partition, error }: BatchOutcome, offset: number): void {
    if (error) this.#onError(topic, error)
    else if (offset >= 0) this.#changelogOffsets.get(topic)?.set(partition, offset + 1)
  }

  /** How records ended that followed each other in a batch. */
  settleMany(count: number, outcome: BatchOutcome, lastOffset: number): void {
    if (count > 0) this.settle(0, outcome, lastOffset)
  }

  partitionCount(topic: string): number | undefined {
    return this.#producer.partitionCount(topic)
  }

  /** Throws what a record that was sent has met. */
  check(): void {
    if (this.#failure) throw this.#failure
  }

  async ready(): Promise<void> {
    if (!this.#isFull) return
    await this.#producer.ready()
    this.#isFull = false
  }

  /** Resolves when everything sent so far is acknowledged. */
  async flush(): Promise<void> {
    let sentCount: number
    do {
      sentCount = this.#sentCount
      await this.#producer.flush()
      // What was refused meanwhile may have made dead letters.
    } while (this.#sentCount !== sentCount)
    this.#isFull = false
    this.check()
  }

  /**
   * Makes what was sent true, together with the group's offsets.
   *
   * @throws KafkaClientError, StreamsError; then only {@link abort} is left
   */
  async commitTransaction(offsets: readonly OffsetToCommit[], group: GroupMetadata): Promise<void> {
    this.#begin()
    await this.flush()
    await this.#producer.sendOffsets(offsets, group)
    await this.#producer.commitTransaction()
    this.#isOpen = false
  }

  /** Takes back what was sent since the last commit, so that nobody waits for it. */
  async abort(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    await this.#producer.abortTransaction()
  }

  #begin(): void {
    if (this.#isOpen || !this.isTransactional || this.#failure) return
    this.#producer.beginTransaction()
    this.#isOpen = true
  }

  #onError(topic: string, error: Error, place?: RecordPlace): void {
    const isChangelog = this.#changelogOffsets.has(topic)
    // A store whose changelog lacks a change is wrong, whatever the handler thinks of it; and a
    // transaction does not outlive a record that a broker refused.
    const isLasting = isChangelog || (this.isTransactional && !isTooLarge(error))
    if (this.isTransactional) {
      const migration = asMigration(error)
      if (migration instanceof StreamsError) {
        this.#failure ??= migration
        return
      }
    }
    if (!isLasting && this.#isSending) {
      this.#refused = error
      return
    }
    if (!isLasting && place && !this.#failure) {
      try {
        this.#judge(topic, error, place)
      } catch (ending) {
        this.#failure = ending as Error
      }
      return
    }
    this.#failure ??= new StreamsError(
      'STREAMS_PRODUCTION_FAILED',
      `a record for topic ${topic} could not be sent`,
      { cause: error, fields: { topic } },
    )
  }
}

/** What the producer itself refuses has not reached the transaction. */
const isTooLarge = (error: Error): boolean =>
  error instanceof KafkaClientError && error.code === 'KAFKA_CLIENT_RECORD_TOO_LARGE'
