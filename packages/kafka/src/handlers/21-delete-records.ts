// DeleteRecords v0–2: 2 flexible. Offset -1 stands for the high watermark.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeDeleteRecordsRequest,
  encodeDeleteRecordsResponse,
} from '@khlong/kafka-protocol/messages/delete-records'
import { AclOperation } from '../state/acls.ts'
import { isInternalTopic } from '../state/topic.ts'
import { mayTopic } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

export const deleteRecords: Handler = defineHandler({
  key: ApiKey.deleteRecords,
  decode: decodeDeleteRecordsRequest,
  encode: encodeDeleteRecordsResponse,
  handle(request, context) {
    const { broker } = context
    let isChanged = false
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, offset }) => {
        const refuse = (errorCode: number) => ({ partitionIndex, lowWatermark: -1, errorCode })
        if (!mayTopic(context, AclOperation.delete, name))
          return refuse(ErrorCode.topicAuthorizationFailed)
        const topic = broker.topics.get(name)
        const log = topic?.partitions[partitionIndex]
        if (!log) return refuse(ErrorCode.unknownTopicOrPartition)
        if (isInternalTopic(name)) return refuse(ErrorCode.invalidTopicException)
        if (!log.config.isDeleted) return refuse(ErrorCode.policyViolation)
        const before = offset === -1 ? log.highWatermark : offset
        if (before < 0 || before > log.highWatermark) return refuse(ErrorCode.offsetOutOfRange)
        log.deleteBefore(before)
        isChanged = true
        return { partitionIndex, lowWatermark: log.logStartOffset, errorCode: ErrorCode.none }
      }),
    }))
    // Where the log begins must outlive a crash before the client hears of it.
    if (isChanged) broker.logs.saveCheckpoints()
    return { topics }
  },
})
