// ElectLeaders v0–2: 1 kind of election, error of the whole · 2 flexible. One broker leads all that it has, so none is ever needed.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeElectLeadersRequest,
  type ElectLeadersResponseInput,
  encodeElectLeadersResponse,
  type PartitionResultInput,
} from '@khlong/kafka-protocol/messages/elect-leaders'
import { AclOperation } from '../state/acls.ts'
import { mayCluster } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

export const electLeaders: Handler = defineHandler({
  key: ApiKey.electLeaders,
  decode: decodeElectLeadersRequest,
  encode: encodeElectLeadersResponse,
  handle({ topicPartitions }, context): ElectLeadersResponseInput {
    const isAllowed = mayCluster(context, AclOperation.alter)
    const resultOf = (topic: string, partitionId: number): PartitionResultInput => {
      if (!isAllowed) return { partitionId, errorCode: ErrorCode.clusterAuthorizationFailed }
      const partitions = context.broker.topics.get(topic)?.partitions
      return partitions?.[partitionId] !== undefined
        ? {
            partitionId,
            errorCode: ErrorCode.electionNotNeeded,
            errorMessage: 'Leader election not needed for topic partition.',
          }
        : {
            partitionId,
            errorCode: ErrorCode.unknownTopicOrPartition,
            errorMessage: partitions
              ? `No such partition as ${topic}-${partitionId}`
              : `No such topic as ${topic}`,
          }
    }
    return {
      errorCode: isAllowed ? ErrorCode.none : ErrorCode.clusterAuthorizationFailed,
      // Who asks for all is told of those that changed their leader.
      replicaElectionResults: (topicPartitions ?? []).map(({ topic, partitions }) => ({
        topic,
        partitionResult: partitions.map((partition) => resultOf(topic, partition)),
      })),
    }
  },
})
