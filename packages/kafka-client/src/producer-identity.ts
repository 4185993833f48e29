import { ErrorCode } from '@khlong/kafka-protocol'
import { brokerError } from './errors.ts'
import type { KafkaClient } from './kafka-client.ts'
import { initProducerIdApi } from './producer-apis.ts'

/** Who the producer is to the brokers: they drop repetitions of a batch by id, epoch and sequence. */
export class ProducerIdentity {
  readonly #client: KafkaClient
  readonly #transactionalId: string | null
  readonly #transactionTimeoutMs: number
  producerId = -1n
  epoch = -1
  #acquiring: Promise<void> | undefined

  constructor(
    client: KafkaClient,
    transactionalId: string | undefined,
    transactionTimeoutMs: number,
  ) {
    this.#client = client
    this.#transactionalId = transactionalId ?? null
    this.#transactionTimeoutMs = transactionTimeoutMs
  }

  get isKnown(): boolean {
    return this.producerId >= 0n
  }

  /** Gets an id, or with a transactional id its next epoch. Calls that come at once share one. */
  acquire(): Promise<void> {
    this.#acquiring ??= this.#acquire().finally(() => {
      this.#acquiring = undefined
    })
    return this.#acquiring
  }

  #acquire(): Promise<void> {
    const client = this.#client
    const transactionalId = this.#transactionalId
    return client.retrying('getting a producer id', async () => {
      const request = {
        transactionalId,
        transactionTimeoutMs: this.#transactionTimeoutMs,
        ...(transactionalId !== null && this.isKnown
          ? { producerId: this.producerId, producerEpoch: this.epoch }
          : {}),
      }
      const response =
        transactionalId === null
          ? await client.requestAny(initProducerIdApi, request)
          : await client.requestCoordinator(
              'transaction',
              transactionalId,
              initProducerIdApi,
              request,
            )
      if (response.errorCode !== 0) {
        if (transactionalId !== null && response.errorCode !== ErrorCode.concurrentTransactions)
          throw client.coordinatorError(
            'transaction',
            transactionalId,
            response.errorCode,
            'getting a producer id',
          )
        throw brokerError(response.errorCode, 'getting a producer id')
      }
      this.producerId = response.producerId
      this.epoch = response.producerEpoch
    })
  }
}
