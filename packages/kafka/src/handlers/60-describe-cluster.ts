// DescribeCluster v0–2: 1 endpoint type · 2 fenced brokers.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeDescribeClusterRequest,
  encodeDescribeClusterResponse,
} from '@khlong/kafka-protocol/messages/describe-cluster'
import { clusterOperations } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

export const describeCluster: Handler = defineHandler({
  key: ApiKey.describeCluster,
  decode: decodeDescribeClusterRequest,
  encode: encodeDescribeClusterResponse,
  handle(request, context) {
    const { brokerId, metadata } = context.broker
    // 1 asks for brokers, 2 for KRaft controllers, of which there are none.
    if (context.version >= 1 && request.endpointType !== 1)
      return {
        errorCode: ErrorCode.mismatchedEndpointType,
        errorMessage: 'this is a broker; there are no controller endpoints',
        clusterId: '',
        brokers: [],
      }
    return {
      clusterId: metadata.clusterId,
      controllerId: brokerId,
      brokers: [{ brokerId, ...context.address }],
      ...(request.includeClusterAuthorizedOperations
        ? {
            clusterAuthorizedOperations: clusterOperations(context),
          }
        : {}),
    }
  },
})
