// AlterClientQuotas v0–1: 1 flexible. Quotas are not done yet: every change is refused.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeAlterClientQuotasRequest,
  encodeAlterClientQuotasResponse,
} from '@khlong/kafka-protocol/messages/alter-client-quotas'
import { AclOperation } from '../state/acls.ts'
import { mayCluster } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

export const alterClientQuotas: Handler = defineHandler({
  key: ApiKey.alterClientQuotas,
  decode: decodeAlterClientQuotasRequest,
  encode: encodeAlterClientQuotasResponse,
  handle({ entries }, context) {
    const refusal = mayCluster(context, AclOperation.alterConfigs)
      ? {
          errorCode: ErrorCode.invalidRequest,
          errorMessage: 'Client quotas are not supported yet.',
        }
      : {
          errorCode: ErrorCode.clusterAuthorizationFailed,
          errorMessage: 'Cluster authorization failed.',
        }
    return { entries: entries.map(({ entity }) => ({ ...refusal, entity })) }
  },
})
