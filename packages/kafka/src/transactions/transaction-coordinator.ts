import { type Clock, describeError, type Logger } from '@khlong/core'
import { ErrorCode } from '@khlong/kafka-protocol'
import { BatchBuilder, decodeRecordsOf } from '@khlong/kafka-protocol/records'
import { KafkaError } from '../errors.ts'
import type { Committer } from '../log/committer.ts'
import type { Marker } from '../log/marker.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { CoordinatorTopic } from '../state/coordinator-topic.ts'
import type { ProducerIds } from '../state/producer-ids.ts'
import {
  noEpoch,
  noProducer,
  type ProducerIdentity,
  Transaction,
  type TransactionPartition,
} from './transaction.ts'
import {
  type KeptTransaction,
  readTransactionRecord,
  transactionKey,
  transactionValue,
} from './transaction-records.ts'

// How little a transaction needs to be flushed for, and why that is enough:
//
// - Ongoing (a partition was added) is written and no flush of it waited for. What a loss of power takes
//   of it, the logs know: an open transaction there belongs to the id's current producer and is Ongoing
//   again.
// - Prepare, the markers and Complete are one ordered commit: one flush, of which a crash leaves the
//   beginning. Prepare without Complete is completed on start; no marker is there without its Prepare,
//   and no Complete without its markers. So an open transaction in a log is always a later one.
// - An epoch is flushed before its producer hears of it.

export interface TransactionCoordinatorOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly committer: Committer
  readonly topic: CoordinatorTopic
  readonly producerIds: Pick<ProducerIds, 'next'>
  readonly timeoutMsMax: number
  readonly expirationMs: number
  /** The log of a partition; undefined where it is offline, null where there is no such partition. */
  readonly logOf: (at: TransactionPartition) => PartitionLog | undefined | null
  /** Every log that is served. */
  readonly logs: () => Iterable<PartitionLog>
  /** Markers are in these partitions. */
  readonly onEnded: (log: PartitionLog, producerId: bigint, isCommit: boolean) => void
}

export interface InitProducer {
  readonly transactionalId: string
  readonly timeoutMs: number
  /** Who the producer believes to be (KIP-360). */
  readonly expected: ProducerIdentity | undefined
}

export type InitResult = ProducerIdentity & { readonly errorCode: number }

/** All transactional ids, kept in the topic `__transaction_state` as Kafka keeps them. */
export class TransactionCoordinator {
  readonly #options: TransactionCoordinatorOptions
  readonly #transactions = new Map<string, Transaction>()

  constructor(options: TransactionCoordinatorOptions) {
    this.#options = options
  }

  /** Reads what was kept, and ends what a crash left between decision and end. */
  async load(): Promise<void> {
    const { topic } = this.#options
    await topic.load((_partition, header, bytes) => {
      if (header.isControl) return
      for (const { key, value } of decodeRecordsOf(bytes, header)) if (key) this.#replay(key, value)
    })
    for (const transaction of this.#transactions.values())
      if (transaction.isPrepared) await this.#complete(transaction)
    this.#adoptOpen()
  }

  /** @throws KafkaError where the topic cannot be made just now. */
  ready(): Promise<void> {
    return this.#options.topic.ready()
  }

  get(transactionalId: string): Transaction | undefined {
    return this.#transactions.get(transactionalId)
  }

  transactions(): IterableIterator<Transaction> {
    return this.#transactions.values()
  }

  /** Gives a transactional id its next producer, and fences the one before; see InitProducerId. */
  async init(request: InitProducer): Promise<InitResult> {
    const { transactionalId, timeoutMs, expected } = request
    const { producerIds, timeoutMsMax } = this.#options
    if (timeoutMs <= 0 || timeoutMs > timeoutMsMax)
      return refused(ErrorCode.invalidTransactionTimeout)
    await this.ready()
    let transaction = this.#transactions.get(transactionalId)
    if (!transaction) {
      const producerId = await producerIds.next()
      transaction = this.#transactions.get(transactionalId)
      if (!transaction) {
        transaction = new Transaction(transactionalId, producerId)
        this.#transactions.set(transactionalId, transaction)
      }
    }
    if (transaction.isBusy) return refused(ErrorCode.concurrentTransactions)
    if (!transaction.knows(expected)) return refused(ErrorCode.producerFenced)
    if (transaction.isPrepared) return refused(ErrorCode.concurrentTransactions)
    if (transaction.status === 'Ongoing') {
      const errorCode = await this.#abortFenced(transaction)
      if (errorCode !== ErrorCode.none) return refused(errorCode)
      // Another one may have come between: the same epoch is not given twice.
      if (transaction.isBusy) return refused(ErrorCode.concurrentTransactions)
    }
    return this.#bump(transaction, timeoutMs, expected)
  }

  async #bump(
    transaction: Transaction,
    timeoutMs: number,
    expected: ProducerIdentity | undefined,
  ): Promise<InitResult> {
    transaction.isBusy = true
    transaction.isFencing = true
    try {
      const { producerId: lastProducerId } = transaction
      const isExhausted = transaction.isExhausted(expected)
      const producerId = isExhausted ? await this.#options.producerIds.next() : lastProducerId
      const next = isExhausted
        ? { epoch: 0, lastEpoch: expected ? transaction.producerEpoch : noEpoch }
        : transaction.nextEpoch(expected)
      if (!next) return refused(ErrorCode.producerFenced)
      const kept = transaction.kept({
        producerId,
        producerEpoch: next.epoch,
        timeoutMs,
        status: 'Empty',
        partitions: new Map(),
        updateTimestampMs: this.#options.clock.nowMs(),
        startTimestampMs: -1,
      })
      const errorCode = await this.#save(transaction, kept)
      if (errorCode !== ErrorCode.none) return refused(errorCode)
      transaction.restore(kept)
      transaction.lastProducerEpoch = next.lastEpoch
      transaction.lastProducerId = isExhausted && expected ? lastProducerId : noProducer
      return { errorCode, producerId, producerEpoch: next.epoch }
    } finally {
      transaction.isBusy = false
      transaction.isFencing = false
    }
  }

  /** Adds partitions to the producer's transaction, which begins with the first; an error code. */
  add(
    transactionalId: string,
    producer: ProducerIdentity,
    partitions: readonly TransactionPartition[],
  ): number {
    const transaction = this.#transactions.get(transactionalId)
    if (!transaction) return ErrorCode.invalidProducerIdMapping
    const refusal = transaction.addRefusal(producer)
    if (refusal !== ErrorCode.none) return refusal
    const isOngoing = transaction.status === 'Ongoing'
    const added = partitions.filter(({ topic, partition }) => !transaction.has(topic, partition))
    if (isOngoing && added.length === 0) return ErrorCode.none
    return this.#addAll(transaction, added)
  }

  #addAll(transaction: Transaction, added: readonly TransactionPartition[]): number {
    const nowMs = this.#options.clock.nowMs()
    const isOngoing = transaction.status === 'Ongoing'
    const all = new Map(isOngoing ? transaction.partitions : undefined)
    for (const { topic, partition } of added)
      all.set(topic, new Set([...(all.get(topic) ?? []), partition]))
    const kept = transaction.kept({
      status: 'Ongoing',
      partitions: all,
      updateTimestampMs: nowMs,
      startTimestampMs: isOngoing ? transaction.startTimestampMs : nowMs,
    })
    const log = this.#append(transaction, kept)
    if (!log) return ErrorCode.coordinatorNotAvailable
    transaction.restore(kept)
    // A repeated InitProducerId is over once the producer has begun.
    transaction.lastProducerEpoch = noEpoch
    this.#options.committer.writeSoon(log)
    return ErrorCode.none
  }

  /**
   * Makes sure that a producer may write to a partition in its transaction (KIP-890): nothing gets into
   * a log that no end of a transaction will reach.
   *
   * @throws KafkaError `KAFKA_PRODUCER_UNMAPPED`, `KAFKA_PRODUCER_EPOCH_STALE`,
   * `KAFKA_TRANSACTION_STATE_INVALID`
   */
  verify(transactionalId: string, producer: ProducerIdentity, at: TransactionPartition): void {
    const transaction = this.#transactions.get(transactionalId)
    const { producerId, producerEpoch } = producer
    if (transaction?.producerId !== producerId)
      throw new KafkaError(
        'KAFKA_PRODUCER_UNMAPPED',
        `producer ${producerId} is not that of transactional id ${transactionalId}`,
      )
    // Java's Streams gives its tasks back where the epoch is stale, and dies of any other reason.
    if (transaction.isFencing || transaction.producerEpoch !== producerEpoch)
      throw new KafkaError(
        'KAFKA_PRODUCER_EPOCH_STALE',
        transaction.isFencing
          ? `transactional id ${transactionalId} is about to have another epoch than ${producerEpoch}`
          : `transactional id ${transactionalId} has epoch ${transaction.producerEpoch}, found ${producerEpoch}`,
      )
    const isOpen = transaction.status === 'Ongoing' && !transaction.isBusy
    if (!isOpen || !transaction.has(at.topic, at.partition))
      throw new KafkaError(
        'KAFKA_TRANSACTION_STATE_INVALID',
        `${at.topic}-${at.partition} is not in an open transaction of ${transactionalId}`,
      )
  }

  /** Commits or aborts; resolves when everybody may see it. */
  async end(
    transactionalId: string,
    producer: ProducerIdentity,
    isCommit: boolean,
  ): Promise<number> {
    const transaction = this.#transactions.get(transactionalId)
    if (!transaction) return ErrorCode.invalidProducerIdMapping
    const answer = transaction.endAnswer(producer, isCommit)
    return answer ?? this.#end(transaction, isCommit, producer.producerEpoch)
  }

  /**
   * Ends a producer's transaction in one partition, as an admin asks for.
   *
   * @throws KafkaError `KAFKA_PRODUCER_EPOCH_STALE`, `KAFKA_COORDINATOR_STALE`, `KAFKA_STORAGE_FAILED`
   */
  async writeMarker(log: PartitionLog, marker: Marker): Promise<number> {
    log.appendMarker(marker)
    const round = this.#options.committer.enqueue(log)
    await round.flushed
    if (round.failures.has(log)) return ErrorCode.kafkaStorageError
    this.#options.onEnded(log, marker.producerId, marker.isCommit)
    return ErrorCode.none
  }

  /** Ends transactions that take too long, and what could not be ended before; forgets unused ids. */
  async sweep(): Promise<void> {
    const { clock, logger } = this.#options
    const nowMs = clock.nowMs()
    const ends: Promise<unknown>[] = []
    for (const transaction of this.#transactions.values()) {
      if (transaction.isBusy) continue
      const { status, startTimestampMs, timeoutMs, transactionalId } = transaction
      if (transaction.isPrepared) ends.push(this.#complete(transaction))
      else if (status === 'Ongoing' && startTimestampMs + timeoutMs < nowMs) {
        logger.info({ transactionalId }, 'aborts a transaction that took too long')
        ends.push(this.#abortFenced(transaction))
      }
    }
    for (const log of this.#options.logs()) if (log.isOwing) this.#writeOwed(log)
    await Promise.all(ends)
  }

  /** Markers that the journal holds and their log could not take: nobody else may come to write to it. */
  #writeOwed(log: PartitionLog): void {
    try {
      log.assertWritable()
      this.#options.committer.enqueue(log)
    } catch (error) {
      this.#options.logger.warn(
        { log: log.name, err: describeError(error) },
        'a log is not writable',
      )
    }
  }

  /** Forgets the ids that nobody used for the time of `transactional.id.expiration.ms`. */
  async expire(): Promise<void> {
    const beforeMs = this.#options.clock.nowMs() - this.#options.expirationMs
    for (const transaction of this.#transactions.values()) {
      const { status, isBusy, isPrepared, transactionalId } = transaction
      if (status === 'Ongoing' || isPrepared || isBusy) continue
      if (transaction.updateTimestampMs > beforeMs) continue
      transaction.isBusy = true
      if ((await this.#save(transaction, undefined)) === ErrorCode.none)
        this.#transactions.delete(transactionalId)
      transaction.isBusy = false
    }
  }

  close(): void {
    this.#options.topic.close()
  }

  /** Aborts with the next epoch, so that the producer cannot go on. */
  #abortFenced(transaction: Transaction): Promise<number> {
    return this.#end(transaction, false, transaction.producerEpoch + 1)
  }

  /** Ends a transaction whose end was decided before. */
  async #complete(transaction: Transaction): Promise<void> {
    const isCommit = transaction.status === 'PrepareCommit'
    const errorCode = await this.#end(transaction, isCommit, transaction.producerEpoch)
    if (errorCode !== ErrorCode.none)
      this.#options.logger.warn(
        { transactionalId: transaction.transactionalId },
        'a decided transaction could not be ended; it is tried again',
      )
  }

  async #end(transaction: Transaction, isCommit: boolean, epoch: number): Promise<number> {
    const { committer, topic, clock, onEnded } = this.#options
    const state = topic.logOf(transaction.transactionalId)
    const logs = this.#logsOf(transaction, epoch)
    if (!state || !logs) return ErrorCode.coordinatorNotAvailable
    const nowMs = clock.nowMs()
    const { producerId } = transaction
    const changed = { producerEpoch: epoch, updateTimestampMs: nowMs }
    const prepared = transaction.kept({
      ...changed,
      status: isCommit ? 'PrepareCommit' : 'PrepareAbort',
    })
    const completed = transaction.kept({
      ...changed,
      status: isCommit ? 'CompleteCommit' : 'CompleteAbort',
      partitions: new Map(),
    })
    const decisionOffset = state.logEndOffset
    transaction.isBusy = true
    transaction.isFencing = epoch !== transaction.producerEpoch
    try {
      if (!transaction.isPrepared) state.append(this.#batch(transaction, prepared), 'broker')
      for (const log of logs) {
        const known = log.producers.coordinatorEpochOf(producerId)
        const coordinatorEpoch = Math.max(state.leaderEpoch, known)
        log.appendMarker({ producerId, producerEpoch: epoch, coordinatorEpoch, isCommit })
      }
      state.append(this.#batch(transaction, completed), 'broker')
      const round = committer.enqueueOrdered([state, ...logs])
      await round.flushed
      const isThrough = round.failures.size === 0 || round.isJournaled
      const isDecided = transaction.isPrepared || state.writtenOffset > decisionOffset
      if (!isThrough && !isDecided) return ErrorCode.coordinatorNotAvailable
      transaction.restore(isThrough ? completed : prepared)
      transaction.lastProducerEpoch = noEpoch
      if (!isThrough) return ErrorCode.concurrentTransactions
      for (const log of logs) onEnded(log, producerId, isCommit)
      return ErrorCode.none
    } finally {
      transaction.isBusy = false
      transaction.isFencing = false
    }
  }

  /** The logs that a transaction's end goes to; undefined while one of them cannot be written. */
  #logsOf(transaction: Transaction, epoch: number): PartitionLog[] | undefined {
    const { logOf, topic, logger } = this.#options
    const logs: PartitionLog[] = []
    try {
      topic.logOf(transaction.transactionalId)?.assertWritable()
      for (const [name, partitions] of transaction.partitions)
        for (const partition of partitions) {
          const log = logOf({ topic: name, partition })
          // A topic that is gone has nothing to end.
          if (log === null) continue
          if (!log) return undefined
          log.assertWritable()
          const isFenced = (log.producers.epochOf(transaction.producerId) ?? noEpoch) > epoch
          if (!isFenced) logs.push(log)
        }
    } catch (error) {
      logger.warn(
        { transactionalId: transaction.transactionalId, err: describeError(error) },
        'a transaction cannot be ended now',
      )
      return undefined
    }
    return logs
  }

  /** What logs hold of open transactions and the topic does not: Ongoing is not waited for. */
  #adoptOpen(): void {
    const { logs, committer, logger, topic, onEnded } = this.#options
    const byProducer = new Map<bigint, Transaction>()
    for (const transaction of this.#transactions.values())
      byProducer.set(transaction.producerId, transaction)
    for (const log of logs())
      for (const producerId of [...log.producers.transactions.producerIds()]) {
        const transaction = byProducer.get(producerId)
        const producerEpoch = log.producers.epochOf(producerId) ?? noEpoch
        const { topic: name, partition } = log.identity
        if (transaction?.producerEpoch === producerEpoch) {
          const isKnown = transaction.status === 'Ongoing' && transaction.has(name, partition)
          if (!isKnown && !transaction.isPrepared)
            this.#addAll(transaction, [{ topic: name, partition }])
        } else if (topic.isWhole) {
          logger.warn({ log: log.name, producerId }, 'aborts a transaction that no id owns')
          const coordinatorEpoch = log.producers.coordinatorEpochOf(producerId)
          log.appendMarker({ producerId, producerEpoch, coordinatorEpoch, isCommit: false })
          committer.enqueue(log)
          onEnded(log, producerId, false)
        }
      }
  }

  #replay(key: Buffer, value: Buffer | null): void {
    const record = readTransactionRecord(key, value)
    if (!record) return
    const { transactionalId, kept } = record
    if (!kept) {
      this.#transactions.delete(transactionalId)
      return
    }
    let transaction = this.#transactions.get(transactionalId)
    if (!transaction) {
      transaction = new Transaction(transactionalId, kept.producerId)
      this.#transactions.set(transactionalId, transaction)
    }
    transaction.restore(kept)
  }

  /** Appends state that nobody waits for; undefined where that is not possible. */
  #append(transaction: Transaction, kept: KeptTransaction): PartitionLog | undefined {
    const log = this.#options.topic.logOf(transaction.transactionalId)
    try {
      log?.append(this.#batch(transaction, kept), 'broker')
      return log
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      this.#options.logger.error({ err: error }, 'transaction state could not be written')
      return undefined
    }
  }

  #save(transaction: Transaction, kept: KeptTransaction | undefined): Promise<number> {
    return this.#options.topic.append(transaction.transactionalId, this.#batch(transaction, kept))
  }

  #batch({ transactionalId }: Transaction, kept: KeptTransaction | undefined): Buffer {
    const builder = new BatchBuilder({ initialBytes: 256 })
    const value = kept ? transactionValue(kept) : null
    builder.append(transactionKey(transactionalId), value, [], this.#options.clock.nowMs())
    return builder.build()
  }
}

const refused = (errorCode: number): InitResult => ({
  errorCode,
  producerId: noProducer,
  producerEpoch: noEpoch,
})
