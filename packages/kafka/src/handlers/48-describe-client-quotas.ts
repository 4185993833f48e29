// DescribeClientQuotas v0–1: 1 flexible. Quotas are not done yet, so there are none; `kafka-configs
// --describe --entity-type users` asks before it asks for SCRAM credentials.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeDescribeClientQuotasRequest,
  encodeDescribeClientQuotasResponse,
} from '@khlong/kafka-protocol/messages/describe-client-quotas'
import { AclOperation } from '../state/acls.ts'
import { mayCluster } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

export const describeClientQuotas: Handler = defineHandler({
  key: ApiKey.describeClientQuotas,
  decode: decodeDescribeClientQuotasRequest,
  encode: encodeDescribeClientQuotasResponse,
  handle: (_request, context) =>
    mayCluster(context, AclOperation.describeConfigs)
      ? { entries: [] }
      : {
          errorCode: ErrorCode.clusterAuthorizationFailed,
          errorMessage: 'Cluster authorization failed.',
          entries: null,
        },
})
