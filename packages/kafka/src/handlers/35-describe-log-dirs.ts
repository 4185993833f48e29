// DescribeLogDirs v1–4: 2 flexible · 3 error code · 4 sizes of the volume. There is one directory.
import { statfsSync } from 'node:fs'
import path from 'node:path'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeDescribeLogDirsRequest,
  encodeDescribeLogDirsResponse,
} from '@khlong/kafka-protocol/messages/describe-log-dirs'
import { AclOperation } from '../state/acls.ts'
import { mayCluster } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

export const describeLogDirs: Handler = defineHandler({
  key: ApiKey.describeLogDirs,
  decode: decodeDescribeLogDirsRequest,
  encode: encodeDescribeLogDirsResponse,
  handle(request, context) {
    const { broker } = context
    if (!mayCluster(context, AclOperation.describe))
      return { errorCode: ErrorCode.clusterAuthorizationFailed, results: [] }
    const topics = [...broker.topics.values()].flatMap(({ name, partitions }) => {
      const wanted = request.topics?.find(({ topic }) => topic === name)
      if (request.topics !== null && !wanted) return []
      const described = partitions.flatMap((log, partitionIndex) =>
        log && (!wanted || wanted.partitions.includes(partitionIndex))
          ? [{ partitionIndex, partitionSize: log.byteCount, offsetLag: 0, isFutureKey: false }]
          : [],
      )
      return described.length > 0 ? [{ name, partitions: described }] : []
    })
    const logDir = path.resolve(broker.options.data)
    const { blocks, bavail, bsize } = statfsSync(logDir)
    return {
      results: [{ logDir, topics, totalBytes: blocks * bsize, usableBytes: bavail * bsize }],
    }
  },
})
