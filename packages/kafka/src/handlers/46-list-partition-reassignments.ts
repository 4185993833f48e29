// ListPartitionReassignments v0, flexible. There is one broker, so none is ever under way.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeListPartitionReassignmentsRequest,
  encodeListPartitionReassignmentsResponse,
  type ListPartitionReassignmentsResponseInput,
} from '@khlong/kafka-protocol/messages/list-partition-reassignments'
import { AclOperation } from '../state/acls.ts'
import { mayCluster } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

export const listPartitionReassignments: Handler = defineHandler({
  key: ApiKey.listPartitionReassignments,
  decode: decodeListPartitionReassignmentsRequest,
  encode: encodeListPartitionReassignmentsResponse,
  handle(_request, context): ListPartitionReassignmentsResponseInput {
    const errorCode = mayCluster(context, AclOperation.describe)
      ? ErrorCode.none
      : ErrorCode.clusterAuthorizationFailed
    return { errorCode, topics: [] }
  },
})
