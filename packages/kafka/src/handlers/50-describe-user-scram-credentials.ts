// DescribeUserScramCredentials v0 (KIP-554): mechanisms and iterations, never a key.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  type DescribeUserScramCredentialsResultInput,
  decodeDescribeUserScramCredentialsRequest,
  encodeDescribeUserScramCredentialsResponse,
} from '@khlong/kafka-protocol/messages/describe-user-scram-credentials'
import { scramMechanisms } from '@khlong/kafka-protocol/security'
import { AclOperation } from '../state/acls.ts'
import { mayCluster } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

const refusal = {
  errorCode: ErrorCode.clusterAuthorizationFailed,
  errorMessage: 'Cluster authorization failed.',
} as const

export const describeUserScramCredentials: Handler = defineHandler({
  key: ApiKey.describeUserScramCredentials,
  decode: decodeDescribeUserScramCredentialsRequest,
  encode: encodeDescribeUserScramCredentialsResponse,
  handle(request, context) {
    const wanted = request.users?.map(({ name }) => name) ?? []
    if (!mayCluster(context, AclOperation.describe))
      return {
        ...refusal,
        results: wanted.map(() => ({ user: '', ...refusal, credentialInfos: [] })),
      }
    const { credentials } = context.broker
    const names = wanted.length > 0 ? wanted : credentials.names()
    const describe = (user: string): DescribeUserScramCredentialsResultInput => {
      const refuse = (errorCode: number, errorMessage: string) => ({
        user,
        errorCode,
        errorMessage,
        credentialInfos: [],
      })
      if (names.indexOf(user) !== names.lastIndexOf(user))
        return refuse(
          ErrorCode.duplicateResource,
          `Cannot describe SCRAM credentials for the same user twice in a single request: ${user}`,
        )
      const found = credentials.of(user)
      if (!found)
        return refuse(
          ErrorCode.resourceNotFound,
          `Attempt to describe a user credential that does not exist: ${user}`,
        )
      return {
        user,
        credentialInfos: [...found]
          .map(([mechanism, { iterations }]) => ({
            mechanism: scramMechanisms[mechanism].type,
            iterations,
          }))
          .sort((a, b) => a.mechanism - b.mechanism),
      }
    }
    return { results: [...new Set(names)].map(describe) }
  },
})
