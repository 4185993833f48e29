import { ErrorCode } from '@khlong/kafka-protocol'
import { brokerError } from './errors.ts'
import type { KafkaClient } from './kafka-client.ts'
import { addPartitionsToTxnApi, endTxnApi } from './producer-apis.ts'
import { ProducerIdentity } from './producer-identity.ts'
import type { TopicPartition } from './record.ts'

const timeoutMs = 60_000

/**
 * Writes markers of transactions that hold nothing. A marker takes an offset and is given to no reader, so
 * this is how a partition's next offset is raised without a record.
 */
export class MarkerWriter {
  readonly #client: KafkaClient
  readonly #transactionalId: string
  readonly #identity: ProducerIdentity
  #isReady = false
  #last: Promise<void> = Promise.resolve()

  constructor(client: KafkaClient, transactionalId: string) {
    this.#client = client
    this.#transactionalId = transactionalId
    this.#identity = new ProducerIdentity(client, transactionalId, timeoutMs)
  }

  /**
   * Takes the transactional id over: a transaction that its last owner left open has ended, and its marker
   * is on its way, when this resolves.
   */
  async open(): Promise<void> {
    await this.#identity.acquire()
    this.#isReady = true
  }

  /** Asks for `count` markers in a partition; they may be written some time after this resolves. */
  write(place: TopicPartition, count: number): Promise<void> {
    // There is one transaction at a time.
    const writing = this.#last.then(() => this.#write(place, count))
    this.#last = writing.catch(() => {})
    return writing
  }

  async #write({ topic, partition }: TopicPartition, count: number): Promise<void> {
    if (!this.#isReady) await this.open()
    const who = {
      transactionalId: this.#transactionalId,
      producerId: this.#identity.producerId,
      producerEpoch: this.#identity.epoch,
    }
    for (let left = count; left > 0; left--) {
      await this.#client.retrying(`a marker in ${topic}-${partition}`, async () => {
        const response = await this.#client.requestCoordinator(
          'transaction',
          this.#transactionalId,
          addPartitionsToTxnApi,
          {
            v3AndBelowTransactionalId: who.transactionalId,
            v3AndBelowProducerId: who.producerId,
            v3AndBelowProducerEpoch: who.producerEpoch,
            v3AndBelowTopics: [{ name: topic, partitions: [partition] }],
          },
        )
        this.#check(
          response.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode,
          topic,
          partition,
        )
      })
      await this.#client.retrying(`a marker in ${topic}-${partition}`, async () => {
        const { errorCode } = await this.#client.requestCoordinator(
          'transaction',
          this.#transactionalId,
          endTxnApi,
          { ...who, committed: true },
        )
        this.#check(errorCode, topic, partition)
      })
    }
  }

  #check(errorCode: number | undefined, topic: string, partition: number): void {
    if (errorCode === 0) return
    const what = `a marker in ${topic}-${partition}`
    if (errorCode === undefined || errorCode === ErrorCode.concurrentTransactions)
      throw brokerError(errorCode ?? ErrorCode.unknownServerError, what, { topic, partition })
    throw this.#client.coordinatorError('transaction', this.#transactionalId, errorCode, what)
  }
}
