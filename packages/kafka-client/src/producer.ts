import { BufferPool } from '@khlong/core/bytes'
import { BatchBuilder, Compression, noHeaders } from '@khlong/kafka-protocol/records'
import type { Receipt } from './batch-receipts.ts'
import { asClientError, clientError, type KafkaClientError } from './errors.ts'
import { KafkaClient } from './kafka-client.ts'
import {
  clientOptionsOf,
  type KafkaClientContext,
  type ProducerOptions,
  type ResolvedProducerOptions,
  resolveProducerOptions,
} from './options.ts'
import { PartitionQueue } from './partition-queue.ts'
import { keyPartition } from './partitioner.ts'
import { ProducerBatch } from './producer-batch.ts'
import { ProducerIdentity } from './producer-identity.ts'
import { type Acknowledge, CallbackReceipt, ListReceipt } from './receipts.ts'
import type { HeadersInput, ProducerRecord, RecordMetadata } from './record.ts'
import { Sender } from './sender.ts'
import { type GroupMetadata, type OffsetToCommit, Transactions } from './transactions.ts'

/** What a producer is given beside its options. */
export interface ProducerContext extends KafkaClientContext {
  /** A client to share; it is not closed with the producer. */
  readonly client?: KafkaClient
}

/** What the producer knows of a topic that it writes to. */
interface TopicState {
  /** One queue per partition; empty until metadata came. */
  queues: PartitionQueue[]
  /** Where records without a key go until its batch is full. */
  sticky: number
  /** Records that came before the metadata, in order. */
  early: { record: ProducerRecord; receipt: Receipt | undefined; index: number }[]
  loading: Promise<void> | undefined
  loadedMs: number
  /** Somebody wants a partition that was not there when the metadata came. */
  isStale: boolean
}

const headerBytes = 61
/** What a full batch grows to while it cannot leave: larger ones save little, and some topics refuse them. */
const waitingBatchBytesMax = 256 * 1024
/** More room is taken when it is needed. */
const initialBytesMax = 64 * 1024

/**
 * Writes records: batched by partition, idempotent unless told otherwise, in order per partition
 * whatever has to be repeated.
 *
 * Memory is bounded by `buffer.memory`: `send` and `sendBatch` wait while it is full, `enqueue`
 * says so and leaves the waiting to its caller.
 *
 * ```ts
 * await using producer = new Producer({ 'bootstrap.servers': '127.0.0.1:9092' })
 * await producer.send({ topic: 'iot-frames', key: '12434345', value: '{"temperature":21}' })
 * ```
 */
export class Producer implements AsyncDisposable {
  readonly options: ResolvedProducerOptions
  readonly client: KafkaClient
  readonly #ownsClient: boolean
  readonly #sender: Sender
  readonly #transactions: Transactions | undefined
  readonly #identity: ProducerIdentity | undefined
  readonly #topics = new Map<string, TopicState>()
  readonly #batchBytesMax: number
  /** Of the batches that wait and are under way. */
  readonly #memory: BufferPool
  readonly #compression: (typeof Compression)[keyof typeof Compression]
  #bufferedBytes = 0
  #roomListeners: (() => void)[] = []
  #isClosed = false

  constructor(options: ProducerOptions, context: ProducerContext = {}) {
    this.options = resolveProducerOptions(options)
    const transactionalId = this.options['transactional.id']
    const isIdempotent = this.options['enable.idempotence'] ?? this.options.acks === -1
    if (isIdempotent && this.options.acks !== -1)
      throw clientError('KAFKA_CLIENT_INVALID_ARGUMENT', 'enable.idempotence needs acks=all')
    if (transactionalId !== undefined && !isIdempotent)
      throw clientError('KAFKA_CLIENT_INVALID_ARGUMENT', 'transactional.id needs acks=all')
    this.#ownsClient = context.client === undefined
    this.client = context.client ?? new KafkaClient(clientOptionsOf(this.options), context)
    this.#memory = new BufferPool({
      keptBytesMax: Math.ceil(this.options['buffer.memory'] / 4),
      stepBytes: 16 * 1024,
      largeStepBytes: 512 * 1024,
      pooledBytesMin: 16 * 1024,
    })
    this.#batchBytesMax = Math.max(
      this.options['batch.size'],
      Math.min(waitingBatchBytesMax, this.options['max.request.size']),
    )
    this.#compression = Compression[this.options['compression.type']]
    const identity = isIdempotent
      ? new ProducerIdentity(this.client, transactionalId, this.options['transaction.timeout.ms'])
      : undefined
    this.#identity = identity
    this.#transactions =
      transactionalId === undefined || !identity
        ? undefined
        : new Transactions(this.client, transactionalId, identity, {
            wake: () => this.#sender.wake(),
            flush: () => this.flush(),
            failWaiting: (error) => this.#sender.failWaiting(error),
            resetSequences: () => this.#sender.resetSequences(),
          })
    this.#sender = new Sender({
      client: this.client,
      options: this.options,
      identity,
      transactions: this.#transactions,
      onSettled: (batch) => this.#release(batch.accountedBytes),
    })
  }

  /** Bytes of records that are not acknowledged yet. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  // ---- Sending

  /**
   * Gets what the first records for these topics will need: their partitions, connections to the leaders,
   * a producer id. What cannot be had now is gotten with the records.
   */
  async prepare(topics: readonly string[]): Promise<void> {
    const connect = async (name: string): Promise<void> => {
      await this.#load(name, this.#topic(name))
      const { partitions } = this.client.metadata.topic(name) ?? { partitions: [] }
      const leaders = new Set(partitions.map(({ leaderId }) => leaderId))
      await Promise.all([...leaders].map((nodeId) => this.client.connection(nodeId)))
    }
    // With transactions `initTransactions` gets the id.
    const needsId = this.#identity?.isKnown === false && !this.#transactions
    await Promise.allSettled([...topics.map(connect), needsId && this.#identity?.acquire()])
  }

  /**
   * Sends a record; resolves when it is acknowledged. Where the buffer is full it waits first.
   *
   * @throws KafkaClientError `KAFKA_CLIENT_RECORD_TOO_LARGE`, `KAFKA_CLIENT_BUFFER_FULL`,
   *   `KAFKA_CLIENT_DELIVERY_TIMEOUT`, or what the broker answered
   */
  async send(record: ProducerRecord): Promise<RecordMetadata> {
    if (this.#isFull) await this.ready()
    return new Promise((resolve, reject) => {
      this.enqueue(record, (error, metadata) => {
        if (error) reject(error)
        else resolve(metadata!)
      })
    })
  }

  /**
   * Sends records of one topic; resolves when all are acknowledged, in the order given, and rejects
   * with the first error when all are settled. Where the buffer is full it waits in between.
   */
  async sendBatch(
    topic: string,
    records: readonly Omit<ProducerRecord, 'topic'>[],
  ): Promise<RecordMetadata[]> {
    const receipt = new ListReceipt(records.length)
    for (let index = 0; index < records.length; index++) {
      if (this.#isFull)
        try {
          await this.ready()
        } catch (error) {
          receipt.fail(records.length - index, asClientError(error))
          break
        }
      this.#accept(topic, records[index]!, receipt, index)
    }
    return receipt.promise
  }

  /**
   * Takes a record at once and calls `onAcknowledged` when it is settled. Gives false where the
   * buffer is full now: the record is taken all the same, and the caller should await
   * {@link ready} before the next.
   */
  enqueue(record: ProducerRecord, onAcknowledged?: Acknowledge): boolean {
    return this.enqueueFor(record, onAcknowledged && new CallbackReceipt(onAcknowledged), 0)
  }

  /**
   * As {@link enqueue}, for one of many records that share a receipt: `index` tells it which one.
   * Nothing is allocated for the acknowledgement of a record.
   */
  enqueueFor(record: ProducerRecord, receipt: Receipt | undefined, index: number): boolean {
    this.#accept(record.topic, record, receipt, index)
    return !this.#isFull
  }

  /**
   * Resolves when the buffer has room.
   *
   * @throws KafkaClientError `KAFKA_CLIENT_BUFFER_FULL` after `max.block.ms`
   */
  async ready(): Promise<void> {
    const deadline = performance.now() + this.options['max.block.ms']
    while (this.#isFull) {
      const waitMs = deadline - performance.now()
      if (this.#isClosed || waitMs <= 0)
        throw clientError(
          'KAFKA_CLIENT_BUFFER_FULL',
          `${this.#bufferedBytes} bytes wait for brokers; buffer.memory is ${this.options['buffer.memory']}`,
          { retriable: true },
        )
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        timer = setTimeout(resolve, waitMs)
        this.#roomListeners.push(resolve)
      })
      clearTimeout(timer)
    }
  }

  /** How many partitions a topic has that records were sent to; undefined while that is not known. */
  partitionCount(topic: string): number | undefined {
    const known = this.#topics.get(topic)
    return known && known.early.length === 0 && known.queues.length > 0
      ? known.queues.length
      : undefined
  }

  /** Sends what lingers and resolves when everything taken so far is settled, however it ended. */
  async flush(): Promise<void> {
    this.#sender.hurry()
    try {
      while ([...this.#topics.values()].some((topic) => topic.early.length > 0))
        await Promise.all(
          [...this.#topics].map(([name, topic]) =>
            topic.early.length > 0 ? this.#load(name, topic) : undefined,
          ),
        )
      await Promise.all(this.#sender.unsettled().map((batch) => batch.done()))
    } finally {
      this.#sender.relax()
    }
  }

  /** Flushes, then closes. After `timeoutMs` what is not acknowledged fails. */
  async close(options: { timeoutMs?: number } = {}): Promise<void> {
    if (this.#isClosed) return
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, options.timeoutMs ?? 30_000)
    })
    await Promise.race([this.flush(), timeout])
    clearTimeout(timer)
    this.#isClosed = true
    const error = clientError('KAFKA_CLIENT_CLOSED', 'the producer is closed')
    this.#sender.close(error)
    for (const topic of this.#topics.values()) this.#failEarly(topic, error)
    if (this.#ownsClient) await this.client.close()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // ---- Transactions

  /** Takes over the transactional id: earlier producers with it are fenced, their rests aborted. */
  initTransactions(): Promise<void> {
    return this.#needTransactions().init()
  }
  beginTransaction(): void {
    this.#needTransactions().begin()
  }
  /** Commits offsets of a group with the transaction, fenced by the member's generation. */
  sendOffsets(offsets: readonly OffsetToCommit[], group: GroupMetadata): Promise<void> {
    return this.#needTransactions().sendOffsets(offsets, group)
  }
  /** Sends what waits, then commits. Where a record failed it throws, and `abortTransaction` is due. */
  commitTransaction(): Promise<void> {
    return this.#needTransactions().commit()
  }
  /** Drops what was not sent and takes back what was. */
  abortTransaction(): Promise<void> {
    return this.#needTransactions().abort()
  }
  #needTransactions(): Transactions {
    if (this.#transactions) return this.#transactions
    throw clientError('KAFKA_CLIENT_INVALID_STATE', 'transactions need transactional.id')
  }

  // ---- From record to queue

  get #isFull(): boolean {
    return this.#bufferedBytes >= this.options['buffer.memory']
  }

  #accept(
    topicName: string,
    record: Omit<ProducerRecord, 'topic'>,
    receipt: Receipt | undefined,
    index: number,
    isFresh = false,
  ): void {
    const refuse = (error: KafkaClientError): void => {
      const partition = typeof record.partition === 'number' ? record.partition : -1
      receipt?.settle(index, { topic: topicName, partition, error }, -1, -1)
    }
    if (this.#isClosed) {
      refuse(clientError('KAFKA_CLIENT_CLOSED', 'the producer is closed'))
      return
    }
    const stateError = this.#transactions?.sendError()
    if (stateError) {
      refuse(stateError)
      return
    }
    const topic = this.#topic(topicName)
    const key = record.key ?? null
    const headers = record.headers ?? noHeaders
    const bytesMax = BatchBuilder.recordBytesMax(key, record.value, headers)
    if (bytesMax + headerBytes > this.options['max.request.size']) {
      refuse(
        clientError(
          'KAFKA_CLIENT_RECORD_TOO_LARGE',
          `a record of about ${bytesMax} bytes for topic ${topicName}; max.request.size is ${this.options['max.request.size']}`,
          { fields: { topic: topicName, byteCount: bytesMax } },
        ),
      )
      return
    }
    const wait = (): void => {
      topic.early.push({ record: { ...record, topic: topicName }, receipt, index })
      this.#bufferedBytes += bytesMax
      void this.#load(topicName, topic)
    }
    if (topic.early.length > 0 || topic.queues.length === 0) {
      wait()
      return
    }
    const { queues } = topic
    let queue: PartitionQueue | undefined
    let { partition } = record
    if (typeof partition === 'function')
      try {
        partition = partition(queues.length)
      } catch (error) {
        refuse(asClientError(error))
        return
      }
    if (partition !== undefined) {
      queue = queues[partition]
      if (!queue && !isFresh && Number.isInteger(partition) && partition >= 0) {
        // It may have been added since.
        topic.isStale = true
        wait()
        return
      }
      if (!queue) {
        refuse(
          clientError(
            'KAFKA_CLIENT_UNKNOWN_PARTITION',
            `topic ${topicName} has ${queues.length} partitions, none is ${partition}`,
            { fields: { topic: topicName, partition } },
          ),
        )
        return
      }
    } else if (key !== null) queue = queues[keyPartition(key, queues.length)]!
    else {
      if (topic.sticky < 0 || topic.sticky >= queues.length)
        topic.sticky = Math.floor(Math.random() * queues.length)
      queue = queues[topic.sticky]!
    }
    this.#append(topic, queue, record, headers, bytesMax, receipt, index)
  }

  #topic(name: string): TopicState {
    let topic = this.#topics.get(name)
    if (!topic) {
      topic = { queues: [], sticky: -1, early: [], loading: undefined, loadedMs: 0, isStale: false }
      this.#topics.set(name, topic)
    }
    return topic
  }

  #append(
    topic: TopicState,
    queue: PartitionQueue,
    record: Omit<ProducerRecord, 'topic'>,
    headers: HeadersInput,
    bytesMax: number,
    receipt: Receipt | undefined,
    index: number,
  ): void {
    let { open } = queue
    if (
      open &&
      open.accountedBytes + bytesMax > Math.min(this.#batchBytesMax, queue.batchBytesMax)
    ) {
      queue.roll()
      open = undefined
    }
    if (!open) {
      const nowMs = performance.now()
      const isStale = nowMs - topic.loadedMs > this.options['metadata.max.age.ms']
      if (isStale) void this.#load(queue.topic, topic)
      open = new ProducerBatch({
        topic: queue.topic,
        partition: queue.partition,
        compression: this.#compression,
        isTransactional: this.#transactions !== undefined,
        createdMs: nowMs,
        initialBytes: Math.max(
          Math.min(queue.lastBatchBytes, initialBytesMax),
          bytesMax + headerBytes,
        ),
        memory: this.#memory,
      })
      queue.open = open
      this.#bufferedBytes += open.accountedBytes
    }
    const bytesBefore = open.accountedBytes
    this.#bufferedBytes += open.append(
      record.key ?? null,
      record.value,
      headers,
      record.timestamp ?? Date.now(),
      receipt,
      index,
    )
    const batchBytes = this.options['batch.size']
    const isFull = bytesBefore < batchBytes && open.accountedBytes >= batchBytes
    // KIP-480: records without a key change partition with the batch, which keeps batches full.
    if (isFull && record.key == null && record.partition === undefined) topic.sticky = -1
    if (isFull || open.recordCount === 1) this.#sender.notice(queue, isFull)
  }

  #release(byteCount: number): void {
    this.#bufferedBytes -= byteCount
    if (this.#roomListeners.length === 0 || this.#isFull) return
    const listeners = this.#roomListeners
    this.#roomListeners = []
    for (const listener of listeners) listener()
  }

  /** Gets a topic's metadata and moves the records on that came before it. */
  #load(name: string, topic: TopicState): Promise<void> {
    topic.loading ??= this.#loadOnce(name, topic)
    return topic.loading
  }

  async #loadOnce(name: string, topic: TopicState): Promise<void> {
    try {
      if (topic.isStale) await this.client.refreshMetadata([name])
      const { partitions } = await this.client.topic(name, {
        timeoutMs: this.options['max.block.ms'],
      })
      for (let index = topic.queues.length; index < partitions.length; index++)
        topic.queues.push(new PartitionQueue(name, index))
    } catch (error) {
      // A topic that is known goes on with what is known.
      if (topic.queues.length === 0) this.#failEarly(topic, asClientError(error))
    }
    topic.loadedMs = performance.now()
    topic.loading = undefined
    topic.isStale = false
    const { early } = topic
    topic.early = []
    for (const { record, receipt, index } of early) {
      this.#releaseEarly(record)
      this.#accept(name, record, receipt, index, true)
    }
  }

  #failEarly(topic: TopicState, error: KafkaClientError): void {
    const { early } = topic
    topic.early = []
    for (const { record, receipt, index } of early) {
      this.#releaseEarly(record)
      receipt?.settle(index, { topic: record.topic, partition: -1, error }, -1, -1)
    }
  }

  #releaseEarly(record: ProducerRecord): void {
    this.#release(BatchBuilder.recordBytesMax(record.key ?? null, record.value, record.headers))
  }
}
