import { ErrorCode } from '@khlong/kafka-protocol'
import type { ProduceRequest } from '@khlong/kafka-protocol/messages/produce'
import { decodeRecords, readBatchHeader } from '@khlong/kafka-protocol/records'

/** Settings with which nothing is waited for long. */
export const quick: {
  readonly 'retry.backoff.ms': number
  readonly 'retry.backoff.max.ms': number
  readonly 'reconnect.backoff.ms': number
  readonly 'reconnect.backoff.max.ms': number
} = {
  'retry.backoff.ms': 5,
  'retry.backoff.max.ms': 20,
  'reconnect.backoff.ms': 5,
  'reconnect.backoff.max.ms': 20,
}

/** What a leader keeps of an idempotent producer, as far as it matters here. */
export class PartitionLog {
  readonly values: string[] = []
  nextSequence = 0
  producerId = -1n

  append(records: Buffer): { errorCode: number; baseOffset: number } {
    const header = readBatchHeader(records)
    if (header.producerId !== this.producerId) {
      this.producerId = header.producerId
      this.nextSequence = 0
    }
    if (header.baseSequence !== this.nextSequence)
      return { errorCode: ErrorCode.outOfOrderSequenceNumber, baseOffset: -1 }
    const baseOffset = this.values.length
    for (const record of decodeRecords(records)) this.values.push(String(record.value))
    this.nextSequence += header.recordCount
    return { errorCode: 0, baseOffset }
  }
}

/** The batch of a request that has one. */
export const recordsOf = (request: ProduceRequest): Buffer =>
  request.topicData[0]!.partitionData[0]!.records!
