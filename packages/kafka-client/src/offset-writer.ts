import { ErrorCode } from '@khlong/kafka-protocol'
import { readdressBatch } from '@khlong/kafka-protocol/records'
import { brokerError, clientError } from './errors.ts'
import type { KafkaClient } from './kafka-client.ts'
import { produceApi } from './producer-apis.ts'
import { ProducerIdentity } from './producer-identity.ts'
import type { TopicPartition } from './record.ts'

/** Who writes: kept by the caller, so that whoever goes on for it after a crash is known as the same. */
export interface WriterIdentity {
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** A new identity, which no other producer has. */
export async function newWriterIdentity(client: KafkaClient): Promise<WriterIdentity> {
  const identity = new ProducerIdentity(client, undefined, 0)
  await identity.acquire()
  return { producerId: identity.producerId, producerEpoch: identity.epoch }
}

/**
 * Writes whole batches to partitions that nobody else writes to, each at the offset that its caller says.
 *
 * Its caller counts the records too, as sequences: so what is sent twice is known by the broker for what it
 * is. A request of a process that was killed, which arrives late, and the same records sent by who goes on
 * for it are written once, whichever comes first (KIP-98).
 */
export class OffsetWriter {
  readonly #client: KafkaClient
  readonly #identity: WriterIdentity

  constructor(client: KafkaClient, identity: WriterIdentity) {
    this.#client = client
    this.#identity = identity
  }

  /**
   * Appends one whole batch, whose first record has `offset` then. Its bytes are changed in place. One
   * call at a time for a partition.
   *
   * @param sequence how many records this identity has written to the partition before
   * @throws KafkaClientError `KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER` where it has written others,
   *   `KAFKA_CLIENT_INVALID_STATE` where somebody else has
   */
  async write(
    { topic, partition }: TopicPartition,
    { offset, sequence }: { readonly offset: number; readonly sequence: number },
    batch: Buffer,
  ): Promise<void> {
    readdressBatch(batch, { ...this.#identity, baseSequence: sequence % sequencesMax })
    const what = `writing to ${topic}-${partition}`
    await this.#client.retrying(what, async () => {
      const leaderId = await this.#client.leader(topic, partition)
      const response = await this.#client.request(leaderId, produceApi, {
        transactionalId: null,
        acks: -1,
        timeoutMs: this.#client.options['request.timeout.ms'],
        topicData: [{ name: topic, partitionData: [{ index: partition, records: batch }] }],
      })
      const result = response.responses[0]?.partitionResponses[0]
      const errorCode = result?.errorCode ?? ErrorCode.unknownServerError
      // It was written by the attempt before, whose answer was lost.
      if (errorCode === ErrorCode.duplicateSequenceNumber) return
      if (errorCode !== 0) {
        await this.#client.refreshMetadata([topic]).catch(() => {})
        throw brokerError(errorCode, what, { topic, partition }, result?.errorMessage ?? null)
      }
      const written = result?.baseOffset ?? -1
      if (written >= 0 && written !== offset)
        throw clientError(
          'KAFKA_CLIENT_INVALID_STATE',
          `${what}: records are at offset ${written} and were to be at ${offset}: somebody else writes there`,
          { fields: { topic, partition, offset: written } },
        )
    })
  }
}

/** Sequences go round here, as Kafka's do. */
const sequencesMax = 0x8000_0000
