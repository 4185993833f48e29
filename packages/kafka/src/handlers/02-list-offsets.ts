// ListOffsets v1–11: 2 isolation level · 4 leader epoch · 6 flexible · 7 max timestamp (-3) · 8 earliest local (-4) ·
// 9 latest tiered (-5) · 11 earliest pending upload (-6). Nothing is tiered here.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeListOffsetsRequest,
  encodeListOffsetsResponse,
} from '@khlong/kafka-protocol/messages/list-offsets'
import type { PartitionLog } from '../log/partition-log.ts'
import { offsetForTime, offsetOfMaxTime, type TimedOffset } from '../log/time-lookup.ts'
import { wireError } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import { epochError } from './01-fetch.ts'
import { mayTopic } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

const readCommitted = 1
const nothing: TimedOffset = { offset: -1, timestamp: -1 }

export const listOffsets: Handler = defineHandler({
  key: ApiKey.listOffsets,
  decode: decodeListOffsetsRequest,
  encode: encodeListOffsetsResponse,
  handle(request, context) {
    return {
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, timestamp, currentLeaderEpoch }) => {
          if (!mayTopic(context, AclOperation.describe, name))
            return { partitionIndex, errorCode: ErrorCode.topicAuthorizationFailed }
          const topic = context.broker.topics.get(name)
          if (!topic || partitionIndex < 0 || partitionIndex >= topic.partitions.length)
            return { partitionIndex, errorCode: ErrorCode.unknownTopicOrPartition }
          const log = topic.partitions[partitionIndex]
          if (!log) return { partitionIndex, errorCode: ErrorCode.kafkaStorageError }
          const errorCode = epochError(log, currentLeaderEpoch)
          if (errorCode !== ErrorCode.none) return { partitionIndex, errorCode }
          const limitOffset =
            request.isolationLevel === readCommitted ? log.lastStableOffset : log.highWatermark
          try {
            const found = find(log, timestamp, limitOffset)
            return {
              partitionIndex,
              ...found,
              leaderEpoch: found.offset < 0 ? -1 : log.leaderEpoch,
            }
          } catch (error) {
            return { partitionIndex, errorCode: wireError(error) }
          }
        }),
      })),
    }
  },
})

function find(log: PartitionLog, timestamp: number, limitOffset: number): TimedOffset {
  switch (timestamp) {
    case -1:
      return { offset: limitOffset, timestamp: -1 }
    case -2:
    case -4:
      return { offset: log.logStartOffset, timestamp: -1 }
    case -3:
      return offsetOfMaxTime(log, limitOffset) ?? nothing
    case -5:
    case -6:
      return nothing
    default:
      return offsetForTime(log, timestamp, limitOffset) ?? nothing
  }
}
