import { ErrorCode, errorInfo } from '@khlong/kafka-protocol'
import type { PartitionProduceResponse } from '@khlong/kafka-protocol/messages/produce'
import { backoffMs } from './backoff.ts'
import { asClientError, brokerError, clientError, type KafkaClientError } from './errors.ts'
import type { KafkaClient } from './kafka-client.ts'
import type { ResolvedProducerOptions } from './options.ts'
import { type PartitionQueue, sequenceAfter } from './partition-queue.ts'
import { produceApi } from './producer-apis.ts'
import type { ProducerBatch } from './producer-batch.ts'
import type { ProducerIdentity } from './producer-identity.ts'

/** What the sender asks of transactions; absent without a transactional id. */
export interface TransactionGate {
  /** Whether a partition belongs to the transaction; if not, it is being added. */
  admits(queue: PartitionQueue): boolean
  /** A batch of the transaction failed for good. */
  onFailure(error: KafkaClientError): void
}

export interface SenderOptions {
  readonly client: KafkaClient
  readonly options: ResolvedProducerOptions
  /** Absent where the producer is not idempotent. */
  readonly identity: ProducerIdentity | undefined
  readonly transactions: TransactionGate | undefined
  /** A batch ended and its bytes are free again. */
  readonly onSettled: (batch: ProducerBatch) => void
}

/**
 * Moves batches from the queues to the leaders of their partitions and settles them.
 *
 * Order: batches of a partition are written in the order in which they were filled, whatever has to
 * be repeated. Without idempotence one batch per partition is under way at a time; with it up to
 * five, whose sequences let the broker refuse those that overtake a failed one.
 */
export class Sender {
  readonly #client: KafkaClient
  readonly #options: ResolvedProducerOptions
  readonly #identity: ProducerIdentity | undefined
  readonly #transactions: TransactionGate | undefined
  readonly #onSettled: (batch: ProducerBatch) => void
  readonly #all = new Set<PartitionQueue>()
  readonly #active = new Set<PartitionQueue>()
  readonly #requestsByNode = new Map<number, number>()
  /** By node: when the newest of its answered requests had left. */
  readonly #answeredSentMs = new Map<number, number>()
  readonly #connecting = new Set<number>()
  #inFlightCount = 0
  #isAcquiring = false
  #isRefreshing = false
  #refreshFailures = 0
  #isWakeScheduled = false
  #timer: NodeJS.Timeout | undefined
  #timerDueMs = Number.POSITIVE_INFINITY
  #hurries = 0
  #isClosed = false

  constructor(options: SenderOptions) {
    this.#client = options.client
    this.#options = options.options
    this.#identity = options.identity
    this.#transactions = options.transactions
    this.#onSettled = options.onSettled
  }

  #inFlightMaxOf(queue: PartitionQueue): number {
    // A broker that has seen nothing of a producer yet takes what comes first, whatever its sequence.
    if (this.#identity && !queue.isAcknowledged) return 1
    if (!this.#identity) return this.#options.acks === 0 ? 1_000 : 1
    return Math.min(5, this.#options['max.in.flight.requests.per.connection'])
  }

  /** Every batch that is not settled. */
  unsettled(): ProducerBatch[] {
    const batches: ProducerBatch[] = []
    for (const queue of this.#active) {
      batches.push(...queue.inFlight, ...queue.waiting)
      if (queue.open) batches.push(queue.open)
    }
    return batches
  }

  /** Says that `queue` has something to send; `isFull` that it should not linger. */
  notice(queue: PartitionQueue, isFull: boolean): void {
    const isNew = !this.#active.has(queue)
    if (isNew) {
      this.#all.add(queue)
      this.#active.add(queue)
    }
    if (isFull) this.wake()
    else if (isNew || queue.waiting.length === 0) this.#wakeAt(queue.open?.createdMs, queue)
  }

  /** Sends without lingering, until {@link relax}. */
  hurry(): void {
    this.#hurries++
    this.wake()
  }
  relax(): void {
    this.#hurries--
  }
  get #isHurried(): boolean {
    return this.#hurries > 0
  }

  /** Looks at the queues soon. */
  wake(): void {
    if (this.#isWakeScheduled || this.#isClosed) return
    this.#isWakeScheduled = true
    setImmediate(() => {
      this.#isWakeScheduled = false
      this.#drain()
    })
  }

  /** Begins the sequences of all partitions anew, under a new epoch. Nothing is in flight. */
  resetSequences(): void {
    const { producerId, epoch } = this.#identity!
    for (const queue of this.#all) queue.resetSequences(producerId, epoch)
  }

  /** Fails all that waits; what is in flight still gets its answer. */
  failWaiting(error: KafkaClientError, concerns = (_queue: PartitionQueue): boolean => true): void {
    for (const queue of this.#active) {
      if (!concerns(queue)) continue
      queue.roll()
      for (const batch of queue.waiting.splice(0)) this.#settle(batch, error)
    }
  }

  close(error: KafkaClientError): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    for (const batch of this.unsettled()) this.#settle(batch, error)
    this.#active.clear()
  }

  // ---- When to look

  #wakeAt(createdMs: number | undefined, queue: PartitionQueue): void {
    if (createdMs === undefined) this.#timerAt(queue.pausedUntilMs)
    else this.#timerAt(createdMs + (this.#isHurried ? 0 : this.#options['linger.ms']))
  }

  #timerAt(dueMs: number): void {
    if (this.#isClosed || dueMs >= this.#timerDueMs) return
    const waitMs = dueMs - performance.now()
    if (waitMs < 0.5) {
      this.wake()
      return
    }
    clearTimeout(this.#timer)
    this.#timerDueMs = dueMs
    this.#timer = setTimeout(() => {
      this.#timerDueMs = Number.POSITIVE_INFINITY
      this.#drain()
    }, waitMs)
  }

  // ---- What to send

  #drain(): void {
    if (this.#isClosed) return
    const nowMs = performance.now()
    if (this.#identity && !this.#identity.isKnown) {
      this.#acquireIdentity(this.#identity)
      return
    }
    const byNode = new Map<number, PartitionQueue[]>()
    const leavesNow = this.#isAnyDue(nowMs)
    for (const queue of this.#active) {
      if (leavesNow) this.#roll(queue)
      this.#expire(queue, nowMs)
      if (queue.isEmpty) {
        this.#active.delete(queue)
        continue
      }
      if (queue.pausedUntilMs > nowMs) this.#timerAt(queue.pausedUntilMs)
      if (queue.hasGap && !this.#mendsGap(queue)) continue
      if (!queue.next(nowMs, this.#inFlightMaxOf(queue))) continue
      if (this.#transactions && !this.#transactions.admits(queue)) continue
      const leaderId = this.#leaderOf(queue)
      if (leaderId < 0) continue
      const queues = byNode.get(leaderId)
      if (queues) queues.push(queue)
      else byNode.set(leaderId, [queue])
    }
    for (const [nodeId, queues] of byNode) this.#sendTo(nodeId, queues, nowMs)
  }

  /** Whether a batch has lingered long enough. Then all go: they share a request. */
  #isAnyDue(nowMs: number): boolean {
    if (this.#isHurried) return true
    let firstMs = Number.POSITIVE_INFINITY
    for (const queue of this.#active) {
      const { open, waiting } = queue
      if (waiting.length > 0) return true
      if (!open) continue
      if (this.#isFull(open) && queue.hasRoom(this.#inFlightMaxOf(queue))) return true
      if (open.createdMs < firstMs) firstMs = open.createdMs
    }
    const dueMs = firstMs + this.#options['linger.ms']
    if (dueMs <= nowMs + 0.5) return true
    if (firstMs < Number.POSITIVE_INFINITY) this.#timerAt(dueMs)
    return false
  }

  /**
   * Closes a batch that may leave. One that has room goes on filling while a request to its broker
   * is under way, and a full one while as many of its partition are under way as may be: it leaves
   * with the answer. Under load requests carry more, and none waits else. Where requests of others are
   * under way all the time, it leaves with the first answer to one that left after it was due.
   */
  #roll(queue: PartitionQueue): void {
    const { open } = queue
    if (!open) return
    if (this.#isFull(open) && !this.#isHurried) {
      if (queue.hasRoom(this.#inFlightMaxOf(queue))) queue.roll()
      return
    }
    const leader = this.#client.metadata.topic(queue.topic)?.partitions[queue.partition]?.leaderId
    const isUnderWay = (this.#requestsByNode.get(leader ?? -1) ?? 0) > 0
    const dueMs = open.createdMs + this.#options['linger.ms']
    const isOvertaken = dueMs < (this.#answeredSentMs.get(leader ?? -1) ?? 0)
    if (this.#isHurried || !isUnderWay || isOvertaken) queue.roll()
  }

  #isFull(batch: ProducerBatch): boolean {
    return batch.accountedBytes >= this.#options['batch.size']
  }

  #expire(queue: PartitionQueue, nowMs: number): void {
    const timeoutMs = this.#options['delivery.timeout.ms']
    for (;;) {
      const batch = queue.waiting[0]
      if (!batch || batch.createdMs + timeoutMs > nowMs) break
      queue.waiting.shift()
      // It may have been written although nothing was heard of it: its sequence can't be used again.
      if (batch.sequence >= 0) queue.hasGap = true
      this.#fail(
        batch,
        clientError(
          'KAFKA_CLIENT_DELIVERY_TIMEOUT',
          `${batch.recordCount} records for ${queue.topic}-${queue.partition} were not acknowledged within ${timeoutMs} ms`,
          { fields: { topic: queue.topic, partition: queue.partition } },
        ),
      )
    }
    const oldest = queue.waiting[0]
    if (oldest) this.#timerAt(oldest.createdMs + timeoutMs)
  }

  #leaderOf(queue: PartitionQueue): number {
    const leaderId = this.#client.metadata.topic(queue.topic)?.partitions[queue.partition]?.leaderId
    if (leaderId !== undefined && leaderId >= 0) return leaderId
    this.#refresh([queue.topic])
    return -1
  }

  #refresh(topics: readonly string[]): void {
    if (this.#isRefreshing) return
    this.#isRefreshing = true
    this.#client.refreshMetadata(topics).then(
      () => {
        this.#isRefreshing = false
        // Where there is still no leader, the next look is not at once.
        const hasLeaders = topics.every((topic) =>
          this.#client.metadata.topic(topic)?.partitions.every((found) => found.leaderId >= 0),
        )
        this.#refreshFailures = hasLeaders ? 0 : this.#refreshFailures + 1
        if (hasLeaders) this.wake()
        else this.#timerAt(performance.now() + this.#refreshWaitMs())
      },
      () => {
        this.#isRefreshing = false
        this.#refreshFailures++
        this.#timerAt(performance.now() + this.#refreshWaitMs())
      },
    )
  }
  #refreshWaitMs(): number {
    return backoffMs(this.#client.backoff, this.#refreshFailures)
  }

  /** Who the producer is, before its first batch; with a transactional id `initTransactions` asks for that. */
  #acquireIdentity(identity: ProducerIdentity): void {
    if (this.#transactions)
      this.failWaiting(clientError('KAFKA_CLIENT_INVALID_STATE', 'initTransactions was not called'))
    else this.#renewIdentity(identity)
  }

  /**
   * Whether a partition whose sequences have a gap can go on: with a batch that may have been written,
   * under the old id until that is known; then under a new one. Other partitions keep theirs.
   */
  #mendsGap(queue: PartitionQueue): boolean {
    const identity = this.#identity!
    // With a transactional id the epoch is raised when the transaction is aborted.
    if (this.#transactions) return true
    if (!queue.mayBeginAnew) return queue.inFlight.length === 0
    if (queue.producerId === identity.producerId) {
      this.#renewIdentity(identity)
      return false
    }
    queue.resetSequences(identity.producerId, identity.epoch)
    return true
  }

  #renewIdentity(identity: ProducerIdentity): void {
    if (this.#isAcquiring) return
    this.#isAcquiring = true
    identity.acquire().then(
      () => {
        this.#isAcquiring = false
        this.wake()
      },
      (error: unknown) => {
        this.#isAcquiring = false
        const needsIt = (queue: PartitionQueue): boolean => queue.hasGap || !identity.isKnown
        this.failWaiting(asClientError(error), needsIt)
      },
    )
  }

  #sendTo(nodeId: number, queues: readonly PartitionQueue[], nowMs: number): void {
    const requestMax = this.#options['max.in.flight.requests.per.connection']
    if ((this.#requestsByNode.get(nodeId) ?? 0) >= requestMax) return
    const connection = this.#client.openConnection(nodeId)
    if (!connection) {
      this.#connect(nodeId, queues)
      return
    }
    if (connection.isCongested) {
      this.#timerAt(nowMs + 5)
      return
    }
    const batches: { queue: PartitionQueue; batch: ProducerBatch }[] = []
    const bytesMax = this.#options['max.request.size']
    let byteCount = 0
    let isCut = false
    for (const queue of queues) {
      const batch = queue.next(nowMs, this.#inFlightMaxOf(queue))
      if (!batch) continue
      const size = batch.close().byteLength
      if (byteCount > 0 && byteCount + size > bytesMax) {
        isCut = true
        continue
      }
      byteCount += size
      this.#stamp(queue, batch)
      queue.send(batch)
      batches.push({ queue, batch })
    }
    if (isCut || queues.some((queue) => queue.next(nowMs, this.#inFlightMaxOf(queue)))) this.wake()
    // Who was served goes to the end, so that none is starved where requests are cut.
    for (const { queue } of batches) {
      this.#active.delete(queue)
      this.#active.add(queue)
    }
    if (batches.length > 0) this.#send(nodeId, batches)
  }

  #connect(nodeId: number, queues: readonly PartitionQueue[]): void {
    if (this.#connecting.has(nodeId)) return
    this.#connecting.add(nodeId)
    this.#client.connection(nodeId).then(
      () => {
        this.#connecting.delete(nodeId)
        this.wake()
      },
      () => {
        this.#connecting.delete(nodeId)
        this.#refreshFailures++
        this.#refresh(queues.map((queue) => queue.topic))
        this.#timerAt(performance.now() + this.#refreshWaitMs())
      },
    )
  }

  #stamp(queue: PartitionQueue, batch: ProducerBatch): void {
    const identity = this.#identity
    if (!identity) return
    if (queue.producerId < 0n) queue.resetSequences(identity.producerId, identity.epoch)
    // A half of a split batch has its sequence, but not yet in its bytes.
    const isNew = batch.sequence < 0
    const sequence = isNew ? queue.nextSequence : batch.sequence
    batch.stamp(queue.producerId, queue.producerEpoch, sequence)
    if (isNew) queue.nextSequence = sequenceAfter(sequence, batch.recordCount)
  }

  #send(nodeId: number, sent: readonly { queue: PartitionQueue; batch: ProducerBatch }[]): void {
    const topics = new Map<string, { index: number; records: Buffer }[]>()
    for (const { queue, batch } of sent) {
      const partitions = topics.get(queue.topic)
      const data = { index: queue.partition, records: batch.close() }
      if (partitions) partitions.push(data)
      else topics.set(queue.topic, [data])
    }
    const request = {
      transactionalId: this.#options['transactional.id'] ?? null,
      acks: this.#options.acks,
      timeoutMs: this.#options['request.timeout.ms'],
      topicData: [...topics].map(([name, partitionData]) => ({ name, partitionData })),
    }
    // The connection was found open in this same turn.
    const connection = this.#client.openConnection(nodeId)!
    if (this.#options.acks === 0) {
      try {
        connection.send(produceApi, request)
        for (const { queue, batch } of sent) this.#done(queue, batch, undefined, -1, -1)
      } catch (error) {
        for (const { queue, batch } of sent) this.#retry(queue, batch, asClientError(error))
      }
      // No answer will: what filled meanwhile goes next.
      this.wake()
      return
    }
    this.#requestsByNode.set(nodeId, (this.#requestsByNode.get(nodeId) ?? 0) + 1)
    this.#inFlightCount += sent.length
    const sentMs = performance.now()
    const end = (): void => {
      this.#answeredSentMs.set(nodeId, sentMs)
      this.#requestsByNode.set(nodeId, this.#requestsByNode.get(nodeId)! - 1)
      this.#inFlightCount -= sent.length
      this.wake()
    }
    connection.request(produceApi, request).then(
      (response) => {
        const results = new Map<string, PartitionProduceResponse>()
        for (const topic of response.responses)
          for (const result of topic.partitionResponses)
            results.set(`${result.index}:${topic.name}`, result)
        for (const { queue, batch } of sent) {
          const result = results.get(`${queue.partition}:${queue.topic}`)
          this.#onResult(queue, batch, result)
        }
        end()
      },
      (error: unknown) => {
        for (const { queue, batch } of sent) this.#onError(queue, batch, asClientError(error))
        this.#refresh([...topics.keys()])
        end()
      },
    )
  }

  // ---- What came of it

  #onResult(
    queue: PartitionQueue,
    batch: ProducerBatch,
    result: PartitionProduceResponse | undefined,
  ): void {
    const errorCode = result ? result.errorCode : ErrorCode.unknownServerError
    if (result && errorCode === 0) {
      this.#done(queue, batch, undefined, result.baseOffset, result.logAppendTimeMs)
      return
    }
    if (errorCode === ErrorCode.duplicateSequenceNumber) {
      this.#done(queue, batch, undefined, -1, -1)
      return
    }
    const isTooLarge =
      errorCode === ErrorCode.messageTooLarge || errorCode === ErrorCode.recordListTooLarge
    if (isTooLarge && batch.recordCount > 1) {
      queue.batchBytesMax = Math.ceil(batch.accountedBytes / 2)
      queue.land(batch)
      queue.requeue(...batch.split())
      return
    }
    if (errorInfo(errorCode).staleMetadata) this.#refresh([queue.topic])
    const error = brokerError(
      errorCode,
      `writing to ${queue.topic}-${queue.partition}`,
      { topic: queue.topic, partition: queue.partition },
      result?.errorMessage ?? null,
    )
    this.#onError(queue, batch, error)
  }

  #onError(queue: PartitionQueue, batch: ProducerBatch, error: KafkaClientError): void {
    const { errorCode } = error
    const isSequence =
      errorCode === ErrorCode.outOfOrderSequenceNumber || errorCode === ErrorCode.unknownProducerId
    if (isSequence && this.#identity && !this.#transactions) {
      // Behind a batch that failed this was to be expected; otherwise the broker has lost its trace.
      if (!queue.hasEarlier(batch)) queue.hasGap = true
      this.#retry(queue, batch, error)
    } else if (isSequence && queue.hasEarlier(batch)) this.#retry(queue, batch, error)
    else if (error.retriable) this.#retry(queue, batch, error)
    else this.#done(queue, batch, error, -1, -1)
  }

  #retry(queue: PartitionQueue, batch: ProducerBatch, error: KafkaClientError): void {
    queue.land(batch)
    batch.attempts++
    batch.mayBeWritten = mayBeWritten(batch, error)
    const deadlineMs = batch.createdMs + this.#options['delivery.timeout.ms']
    const waitMs = backoffMs(this.#client.backoff, batch.attempts)
    if (this.#isClosed || performance.now() + waitMs > deadlineMs) {
      if (batch.sequence >= 0) queue.hasGap = true
      this.#fail(
        batch,
        clientError(
          'KAFKA_CLIENT_DELIVERY_TIMEOUT',
          `${batch.recordCount} records for ${queue.topic}-${queue.partition} were not acknowledged within ${this.#options['delivery.timeout.ms']} ms`,
          { cause: error, fields: error.fields },
        ),
      )
      return
    }
    this.#client.logger.debug(
      { topic: queue.topic, partition: queue.partition, err: error },
      'Kafka batch is sent again',
    )
    queue.pausedUntilMs = performance.now() + waitMs
    queue.requeue(batch)
    this.#active.add(queue)
    this.#timerAt(queue.pausedUntilMs)
  }

  #done(
    queue: PartitionQueue,
    batch: ProducerBatch,
    error: KafkaClientError | undefined,
    baseOffset: number,
    logAppendTimeMs: number,
  ): void {
    queue.land(batch)
    if (error) {
      // The sequences behind it would never fit again.
      if (batch.sequence >= 0) queue.hasGap = true
      this.#fail(batch, error)
      return
    }
    queue.isAcknowledged = true
    batch.settle(undefined, baseOffset, logAppendTimeMs)
    this.#onSettled(batch)
  }

  #fail(batch: ProducerBatch, error: KafkaClientError): void {
    this.#transactions?.onFailure(error)
    this.#settle(batch, error)
  }

  #settle(batch: ProducerBatch, error: KafkaClientError): void {
    batch.settle(error, -1, -1)
    this.#onSettled(batch)
  }
}

/** Whether a batch may have been written, by this attempt or one before it. */
function mayBeWritten(batch: ProducerBatch, { errorCode }: KafkaClientError): boolean {
  switch (errorCode) {
    case ErrorCode.outOfOrderSequenceNumber:
    case ErrorCode.unknownProducerId:
      // A repetition would have been known.
      return false
    case undefined:
    case ErrorCode.unknownServerError:
    case ErrorCode.requestTimedOut:
    case ErrorCode.notEnoughReplicasAfterAppend:
      return true
    default:
      return batch.mayBeWritten
  }
}
