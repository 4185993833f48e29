import { ErrorCode } from '@khlong/kafka-protocol'
import { brokerError, clientError, type KafkaClientError } from './errors.ts'
import type { KafkaClient } from './kafka-client.ts'
import type { PartitionQueue } from './partition-queue.ts'
import {
  addOffsetsToTxnApi,
  addPartitionsToTxnApi,
  endTxnApi,
  txnOffsetCommitApi,
} from './producer-apis.ts'
import type { ProducerIdentity } from './producer-identity.ts'
import type { TransactionGate } from './sender.ts'

/** The next offset to read of a partition, as it is committed. */
export interface OffsetToCommit {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly leaderEpoch?: number | undefined
  readonly metadata?: string | undefined
}

/** Who commits: a member that lost its place in the group is fenced by its generation. */
export interface GroupMetadata {
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId?: string | null | undefined
}

/** What a transaction needs of its producer. */
export interface TransactionHost {
  wake(): void
  flush(): Promise<void>
  failWaiting(error: KafkaClientError): void
  resetSequences(): void
}

type State = 'uninitialized' | 'ready' | 'open' | 'ending' | 'failed' | 'fenced'

/** Groups what is committed by topic, as requests have it. */
export function byTopic<Item extends { readonly topic: string }>(
  items: readonly Item[],
): Map<string, Item[]> {
  const topics = new Map<string, Item[]>()
  for (const item of items) {
    const known = topics.get(item.topic)
    if (known) known.push(item)
    else topics.set(item.topic, [item])
  }
  return topics
}

/**
 * The transactions of one producer (KIP-98, with fencing of KIP-447).
 *
 * Invariants: a batch leaves only when its partition was added to the open transaction; after an
 * error of any record only `abort` leads on; a fenced producer never writes again.
 */
export class Transactions implements TransactionGate {
  readonly #client: KafkaClient
  readonly #transactionalId: string
  readonly #identity: ProducerIdentity
  readonly #host: TransactionHost
  #state: State = 'uninitialized'
  #error: KafkaClientError | undefined
  readonly #added = new Set<string>()
  #toAdd = new Map<string, PartitionQueue>()
  #adding: Promise<void> | undefined
  #hasOffsets = false

  constructor(
    client: KafkaClient,
    transactionalId: string,
    identity: ProducerIdentity,
    host: TransactionHost,
  ) {
    this.#client = client
    this.#transactionalId = transactionalId
    this.#identity = identity
    this.#host = host
  }

  /** Why a record cannot be sent now; undefined where it can. */
  sendError(): KafkaClientError | undefined {
    if (this.#state === 'open') return undefined
    return this.#error ?? invalidState(`no transaction is open (${this.#state})`)
  }

  admits(queue: PartitionQueue): boolean {
    const key = `${queue.partition}:${queue.topic}`
    if (this.#added.has(key)) return true
    this.#toAdd.set(key, queue)
    this.#adding ??= this.#addPartitions()
    return false
  }

  onFailure(error: KafkaClientError): void {
    if (this.#state === 'fenced') return
    this.#error ??= error
    this.#state = isFencing(error) ? 'fenced' : 'failed'
  }

  async init(): Promise<void> {
    if (this.#state !== 'uninitialized') throw invalidState('transactions are initialized already')
    await this.#identity.acquire()
    this.#state = 'ready'
  }

  begin(): void {
    if (this.#state !== 'ready')
      throw this.#error ?? invalidState(`a transaction cannot begin now (${this.#state})`)
    this.#state = 'open'
  }

  async sendOffsets(offsets: readonly OffsetToCommit[], group: GroupMetadata): Promise<void> {
    this.#needOpen()
    if (offsets.length === 0) return
    await this.#attempt('adding offsets to the transaction', async () => {
      const { errorCode } = await this.#client.requestCoordinator(
        'transaction',
        this.#transactionalId,
        addOffsetsToTxnApi,
        { ...this.#who(), groupId: group.groupId },
      )
      this.#check(errorCode, 'adding offsets to the transaction')
      this.#hasOffsets = true
    })
    const topics = [...byTopic(offsets)].map(([name, partitions]) => ({
      name,
      partitions: partitions.map((one) => ({
        partitionIndex: one.partition,
        committedOffset: one.offset,
        committedLeaderEpoch: one.leaderEpoch ?? -1,
        committedMetadata: one.metadata ?? '',
      })),
    }))
    const what = `committing offsets of group ${group.groupId}`
    await this.#attempt(what, async () => {
      const response = await this.#client.requestCoordinator(
        'group',
        group.groupId,
        txnOffsetCommitApi,
        {
          ...this.#who(),
          groupId: group.groupId,
          generationId: group.generationId,
          memberId: group.memberId,
          groupInstanceId: group.groupInstanceId ?? null,
          topics,
        },
      )
      for (const topic of response.topics)
        for (const { errorCode } of topic.partitions)
          if (errorCode !== 0)
            throw this.#client.coordinatorError('group', group.groupId, errorCode, what)
    })
  }

  async commit(): Promise<void> {
    this.#needOpen()
    await this.#host.flush()
    this.#needOpen()
    this.#state = 'ending'
    await this.#end(true)
  }

  async abort(): Promise<void> {
    if (this.#state === 'fenced') throw this.#error!
    if (this.#state !== 'open' && this.#state !== 'failed' && this.#state !== 'ending')
      throw invalidState(`there is no transaction to abort (${this.#state})`)
    const hadFailed = this.#state === 'failed'
    this.#state = 'ending'
    this.#host.failWaiting(
      this.#error ?? clientError('KAFKA_CLIENT_INVALID_STATE', 'the transaction was aborted'),
    )
    await this.#host.flush()
    if (this.#isFenced) throw this.#error!
    // What failed may have left gaps in the sequences: the next epoch begins without.
    await this.#end(false)
    this.#error = undefined
    if (hadFailed) {
      await this.#identity.acquire()
      this.#host.resetSequences()
    }
  }

  get #isFenced(): boolean {
    return this.#state === 'fenced'
  }

  async #end(committed: boolean): Promise<void> {
    // Partitions that are still being added would begin the next transaction behind our back.
    await this.#adding
    if (this.#added.size > 0 || this.#hasOffsets)
      await this.#attempt('ending the transaction', async () => {
        const { errorCode } = await this.#client.requestCoordinator(
          'transaction',
          this.#transactionalId,
          endTxnApi,
          { ...this.#who(), committed },
        )
        this.#check(errorCode, committed ? 'committing the transaction' : 'aborting it')
      })
    this.#added.clear()
    this.#toAdd.clear()
    this.#hasOffsets = false
    this.#state = 'ready'
  }

  async #addPartitions(): Promise<void> {
    // What else is found in this turn goes along.
    await Promise.resolve()
    const adding = this.#toAdd
    this.#toAdd = new Map()
    try {
      await this.#attempt('adding partitions to the transaction', async () => {
        const topics = [...byTopic([...adding.values()])].map(([name, queues]) => ({
          name,
          partitions: queues.map((queue) => queue.partition),
        }))
        const response = await this.#client.requestCoordinator(
          'transaction',
          this.#transactionalId,
          addPartitionsToTxnApi,
          {
            v3AndBelowTransactionalId: this.#transactionalId,
            v3AndBelowProducerId: this.#identity.producerId,
            v3AndBelowProducerEpoch: this.#identity.epoch,
            v3AndBelowTopics: topics,
          },
        )
        for (const topic of response.resultsByTopicV3AndBelow)
          for (const { partitionErrorCode } of topic.resultsByPartition)
            this.#check(partitionErrorCode, `adding ${topic.name} to the transaction`)
      })
      for (const key of adding.keys()) this.#added.add(key)
    } catch {
      // The state has the error; the records that wait for it are failed with it.
      this.#host.failWaiting(this.sendError() ?? invalidState('the transaction was aborted'))
    } finally {
      this.#adding = undefined
      this.#host.wake()
    }
  }

  #who(): { transactionalId: string; producerId: bigint; producerEpoch: number } {
    return {
      transactionalId: this.#transactionalId,
      producerId: this.#identity.producerId,
      producerEpoch: this.#identity.epoch,
    }
  }

  #needOpen(): void {
    const error = this.sendError()
    if (error) throw error
  }

  /** Turns an answered error into a thrown one. */
  #check(errorCode: number, what: string): void {
    if (errorCode === 0) return
    if (errorCode === ErrorCode.concurrentTransactions) throw brokerError(errorCode, what)
    throw this.#client.coordinatorError('transaction', this.#transactionalId, errorCode, what)
  }

  async #attempt(what: string, attempt: () => Promise<void>): Promise<void> {
    try {
      await this.#client.retrying(what, attempt)
    } catch (error) {
      this.onFailure(error as KafkaClientError)
      throw error
    }
  }
}

function isFencing(error: KafkaClientError): boolean {
  const { errorCode } = error
  return (
    errorCode === ErrorCode.producerFenced ||
    errorCode === ErrorCode.invalidProducerEpoch ||
    errorCode === ErrorCode.transactionalIdAuthorizationFailed ||
    errorCode === ErrorCode.invalidProducerIdMapping
  )
}

const invalidState = (message: string): KafkaClientError =>
  clientError('KAFKA_CLIENT_INVALID_STATE', message)
