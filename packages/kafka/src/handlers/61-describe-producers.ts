// DescribeProducers v0: who writes to a partition, and with which open transaction.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeDescribeProducersRequest,
  encodeDescribeProducersResponse,
  type PartitionResponseInput,
} from '@khlong/kafka-protocol/messages/describe-producers'
import { AclOperation } from '../state/acls.ts'
import { mayTopic } from './access.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

export const describeProducers: Handler = defineHandler({
  key: ApiKey.describeProducers,
  decode: decodeDescribeProducersRequest,
  encode: encodeDescribeProducersResponse,
  handle(request, context) {
    return {
      topics: request.topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((index) => describe(context, name, index)),
      })),
    }
  },
})

function describe(
  context: RequestContext,
  topic: string,
  partitionIndex: number,
): PartitionResponseInput {
  const refused = (errorCode: number): PartitionResponseInput => ({
    partitionIndex,
    errorCode,
    activeProducers: [],
  })
  if (!mayTopic(context, AclOperation.read, topic))
    return refused(ErrorCode.topicAuthorizationFailed)
  const log = context.broker.topics.get(topic)?.partitions[partitionIndex]
  if (!log) return refused(ErrorCode.unknownTopicOrPartition)
  return {
    partitionIndex,
    activeProducers: log.producers.list().map((producer) => ({
      producerId: producer.producerId,
      producerEpoch: producer.epoch,
      lastSequence: producer.lastSequence,
      lastTimestamp: producer.lastTimestamp,
      coordinatorEpoch: producer.coordinatorEpoch,
      currentTxnStartOffset: producer.transactionStart,
    })),
  }
}
