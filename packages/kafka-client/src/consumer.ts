import { type Assignor, assignorsByName } from './assignors.ts'
import { asClientError, clientError, type KafkaClientError } from './errors.ts'
import { type FetchAssignment, Fetcher } from './fetcher.ts'
import type { LeaveOptions } from './group-member.ts'
import { type CommittedOffset, commitOffsets, fetchCommittedOffsets } from './group-offsets.ts'
import { KafkaClient } from './kafka-client.ts'
import {
  type ConsumerOptions,
  clientOptionsOf,
  fetcherOptionsOf,
  groupOptionsOf,
  type KafkaClientContext,
  type ResolvedConsumerOptions,
  resolveConsumerOptions,
} from './options.ts'
import type { PartitionReader } from './partition-reader.ts'
import type { PartitionBatches, PartitionRecords } from './polled.ts'
import type { TopicPartition } from './record.ts'
import { type RebalanceListener, SubscriptionMember } from './subscription-member.ts'
import type { GroupMetadata, OffsetToCommit } from './transactions.ts'

/** What a consumer is given beside its options. */
export interface ConsumerContext extends KafkaClientContext {
  /** A client to share; it is not closed with the consumer. */
  readonly client?: KafkaClient
  /** Instead of those that `partition.assignment.strategy` names, in order of preference. */
  readonly assignors?: readonly Assignor[]
}

/**
 * Reads topics as a member of a group, or assigned partitions alone.
 *
 * ```ts
 * await using consumer = new Consumer({ 'bootstrap.servers': '127.0.0.1:9092', 'group.id': 'g' })
 * consumer.subscribe(['iot-frames'])
 * for (;;) {
 *   for (const { records } of await consumer.poll()) for (const record of records) use(record)
 *   await consumer.commit()
 * }
 * ```
 */
export class Consumer implements AsyncDisposable {
  readonly options: ResolvedConsumerOptions
  readonly client: KafkaClient
  readonly #ownsClient: boolean
  readonly #fetcher: Fetcher
  readonly #assignors: readonly Assignor[]
  #member: SubscriptionMember | undefined
  /** Parts of a rebalance that wait for a `poll` to run in. */
  #jobs: (() => Promise<void>)[] = []
  #failure: KafkaClientError | undefined
  #lastCommitMs = performance.now()
  #isClosed = false

  constructor(options: ConsumerOptions, context: ConsumerContext = {}) {
    this.options = resolveConsumerOptions(options)
    this.#ownsClient = context.client === undefined
    this.client =
      context.client ??
      new KafkaClient(clientOptionsOf(this.options), {
        ...context,
        createsTopics: this.options['allow.auto.create.topics'],
      })
    this.#fetcher = new Fetcher(fetcherOptionsOf(this.options), { client: this.client })
    this.#assignors =
      context.assignors ??
      this.options['partition.assignment.strategy'].map((name) => {
        const assignor = assignorsByName[name.trim()]
        if (assignor) return assignor
        throw clientError(
          'KAFKA_CLIENT_INVALID_ARGUMENT',
          `no assignor ${name}; there are range, roundrobin and cooperative-sticky`,
        )
      })
  }

  // ---- What is read

  /** Joins the group and reads its share of these topics, or of all whose name matches. */
  subscribe(topics: readonly string[] | RegExp, listener: RebalanceListener = {}): void {
    this.#needOpen()
    if (this.#member) {
      this.#member.subscribe(topics, listener)
      return
    }
    if (this.#fetcher.assignment.length > 0)
      throw clientError('KAFKA_CLIENT_INVALID_STATE', 'the consumer has assigned partitions')
    this.#member = new SubscriptionMember({
      client: this.client,
      options: groupOptionsOf(this.options, this.#needGroup()),
      isStable: this.options['isolation.level'] === 'read_committed',
      assignors: this.#assignors,
      fetcher: this.#fetcher,
      inPoll: (job) => this.#inPoll(job),
      beforeRevoke: () => this.#autoCommit(),
      onFailure: (error) => {
        this.#failure = error
        this.#fetcher.wakeUp()
      },
    })
    this.#member.subscribe(topics, listener)
    this.#member.start()
  }

  /** Reads exactly these partitions, without a group deciding; committed offsets are not looked at. */
  assign(partitions: readonly FetchAssignment[]): void {
    this.#needOpen()
    if (this.#member)
      throw clientError('KAFKA_CLIENT_INVALID_STATE', 'the consumer is subscribed to topics')
    this.#fetcher.assign(partitions)
  }

  get assignment(): TopicPartition[] {
    return this.#fetcher.assignment
  }
  seek(partition: TopicPartition, offset: NonNullable<FetchAssignment['offset']>): void {
    this.#fetcher.seek(partition, offset)
  }
  pause(partitions: readonly TopicPartition[]): void {
    this.#fetcher.pause(partitions)
  }
  resume(partitions: readonly TopicPartition[]): void {
    this.#fetcher.resume(partitions)
  }
  /** The offset behind what `poll` gave. */
  position(partition: TopicPartition): number | undefined {
    return this.#fetcher.position(partition)
  }
  lag(partition: TopicPartition): number | undefined {
    return this.#fetcher.lag(partition)
  }

  // ---- Reading

  /**
   * The next records by partition; empty after `timeoutMs` without any. Rebalances happen in here.
   *
   * @throws KafkaClientError what the fetcher met, or why the member cannot go on
   */
  poll(timeoutMs = 1_000): Promise<PartitionRecords[]> {
    return this.#poll(timeoutMs, (waitMs) => this.#fetcher.poll(waitMs))
  }

  /** As {@link poll}, with batches as they are stored. */
  pollBatches(timeoutMs = 1_000): Promise<PartitionBatches[]> {
    return this.#poll(timeoutMs, (waitMs) => this.#fetcher.pollBatches(waitMs))
  }

  /** As {@link poll}, with records that are read in place: for who is done with each before the next. */
  pollReaders(timeoutMs = 1_000): Promise<PartitionReader[]> {
    return this.#poll(timeoutMs, (waitMs) => this.#fetcher.pollReaders(waitMs))
  }

  async #poll<Result>(
    timeoutMs: number,
    read: (waitMs: number) => Promise<Result[]>,
  ): Promise<Result[]> {
    const deadline = performance.now() + timeoutMs
    this.#member?.notePoll()
    if (this.options['enable.auto.commit']) {
      const isDue =
        performance.now() - this.#lastCommitMs >= this.options['auto.commit.interval.ms']
      if (isDue) await this.#autoCommit()
    }
    for (;;) {
      this.#needOpen()
      if (this.#failure) {
        const failure = this.#failure
        this.#failure = undefined
        throw failure
      }
      for (let job = this.#jobs.shift(); job; job = this.#jobs.shift()) await job()
      const results = await read(Math.max(0, deadline - performance.now()))
      if (results.length > 0) return results
      if (this.#jobs.length === 0 && !this.#failure && performance.now() >= deadline) return results
    }
  }

  /** Asks for a new round of the group, after what an assignor tells of this member has changed. */
  rejoin(): void {
    this.#member?.rejoin()
  }

  /** Ends a `poll` that waits. */
  wakeUp(): void {
    this.#fetcher.wakeUp()
  }

  /** Runs a part of a rebalance within the next `poll`, when the user is not using its records. */
  #inPoll(job: () => Promise<void>): Promise<void> {
    if (this.#isClosed) return job()
    return new Promise((resolve, reject) => {
      this.#jobs.push(async () => {
        try {
          await job()
          resolve()
        } catch (error) {
          reject(asClientError(error))
        }
      })
      this.#fetcher.wakeUp()
    })
  }

  // ---- Offsets

  /** Who this consumer is in its group, for offsets that are committed elsewhere: in a transaction. */
  groupMetadata(): GroupMetadata {
    const generation = this.#member?.generation
    if (generation) return generation
    return { groupId: this.#needGroup(), generationId: -1, memberId: '' }
  }

  /** Commits `offsets`, or the positions behind all that `poll` gave. */
  async commit(offsets?: readonly OffsetToCommit[]): Promise<void> {
    const commits = offsets ?? this.#positions()
    await commitOffsets(this.client, this.groupMetadata(), commits)
    this.#lastCommitMs = performance.now()
  }

  /** The committed offsets of these partitions; those without one are left out. */
  async committed(partitions: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    const found = await fetchCommittedOffsets(this.client, this.#needGroup(), partitions)
    return found.filter((one) => one.offset >= 0)
  }

  #positions(): OffsetToCommit[] {
    const positions: OffsetToCommit[] = []
    for (const { topic, partition } of this.#fetcher.assignment) {
      const offset = this.#fetcher.position({ topic, partition })
      if (offset !== undefined) positions.push({ topic, partition, offset })
    }
    return positions
  }

  async #autoCommit(): Promise<void> {
    if (!this.options['enable.auto.commit']) return
    try {
      await this.commit()
    } catch (error) {
      this.client.logger.warn(
        { group: this.options['group.id'], err: error },
        'Kafka commit failed',
      )
    }
    this.#lastCommitMs = performance.now()
  }

  // ---- End

  /** Commits where that is automatic, gives partitions back and leaves the group. */
  async close(options: LeaveOptions = {}): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const jobs = this.#jobs
    this.#jobs = []
    const leaving = this.#member ? this.#member.leave(options) : this.#autoCommit()
    // A rebalance that waits for a poll must not hold up the end; it finds that the member leaves.
    for (const job of jobs) await job()
    await leaving
    await this.#fetcher.close()
    if (this.#ownsClient) await this.client.close()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #needOpen(): void {
    if (this.#isClosed) throw clientError('KAFKA_CLIENT_CLOSED', 'the consumer is closed')
  }
  #needGroup(): string {
    const groupId = this.options['group.id']
    if (groupId !== undefined) return groupId
    throw clientError('KAFKA_CLIENT_INVALID_ARGUMENT', 'this needs group.id')
  }
}
