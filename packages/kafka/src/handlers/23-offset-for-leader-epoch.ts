// OffsetForLeaderEpoch v2–4: 2 current leader epoch · 3 replica id · 4 flexible.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeOffsetForLeaderEpochRequest,
  encodeOffsetForLeaderEpochResponse,
} from '@khlong/kafka-protocol/messages/offset-for-leader-epoch'
import { AclOperation } from '../state/acls.ts'
import { epochError } from './01-fetch.ts'
import { mayCluster, mayTopic } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

export const offsetForLeaderEpoch: Handler = defineHandler({
  key: ApiKey.offsetForLeaderEpoch,
  decode: decodeOffsetForLeaderEpochRequest,
  encode: encodeOffsetForLeaderEpochResponse,
  handle(request, context) {
    // Brokers ask for each other's epochs, of any topic.
    const isBroker = mayCluster(context, AclOperation.clusterAction)
    return {
      topics: request.topics.map(({ topic: name, partitions: wanted }) => ({
        topic: name,
        partitions: wanted.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
          if (!isBroker && !mayTopic(context, AclOperation.describe, name))
            return { partition, errorCode: ErrorCode.topicAuthorizationFailed }
          const partitions = context.broker.topics.get(name)?.partitions
          if (!partitions || partition < 0 || partition >= partitions.length)
            return { partition, errorCode: ErrorCode.unknownTopicOrPartition }
          const log = partitions[partition]
          if (!log) return { partition, errorCode: ErrorCode.kafkaStorageError }
          const errorCode = epochError(log, currentLeaderEpoch)
          if (errorCode !== ErrorCode.none) return { partition, errorCode }
          // The epoch asked for, or the greatest one before it, ends where the next begins.
          const epochs =
            log.leaderEpochs.length > 0 ? log.leaderEpochs : [{ epoch: 0, startOffset: 0 }]
          const index = epochs.findLastIndex(({ epoch }) => epoch <= leaderEpoch)
          if (leaderEpoch < 0 || leaderEpoch > log.leaderEpoch) return { partition }
          const endOffset = epochs[index + 1]?.startOffset ?? log.logEndOffset
          // One before the first that is known ends where that begins.
          return { partition, leaderEpoch: epochs[index]?.epoch ?? leaderEpoch, endOffset }
        }),
      })),
    }
  },
})
