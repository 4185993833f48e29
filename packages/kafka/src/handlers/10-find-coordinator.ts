// FindCoordinator v0–6: 1 key type · 3 flexible · 4 several keys · 6 share groups. The coordinator is this
// broker. Left out: share groups.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  type CoordinatorInput,
  decodeFindCoordinatorRequest,
  encodeFindCoordinatorResponse,
} from '@khlong/kafka-protocol/messages/find-coordinator'
import { AclOperation } from '../state/acls.ts'
import { mayGroup, mayTransact } from './access.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

const groupKey = 0
const transactionKey = 1

export const findCoordinator: Handler = defineHandler({
  key: ApiKey.findCoordinator,
  decode: decodeFindCoordinatorRequest,
  encode: encodeFindCoordinatorResponse,
  handle(request, context) {
    if (context.version >= 4)
      return {
        coordinators: request.coordinatorKeys.map((key) => find(key, request.keyType, context)),
      }
    const { errorCode, errorMessage, nodeId, host, port } = find(
      request.key,
      request.keyType,
      context,
    )
    return { errorCode, errorMessage, nodeId, host, port }
  },
})

function find(key: string, keyType: number, context: RequestContext): CoordinatorInput {
  const { broker } = context
  const refused = (errorCode: number, errorMessage: string): CoordinatorInput => ({
    key,
    nodeId: -1,
    host: '',
    port: -1,
    errorCode,
    errorMessage,
  })
  if (keyType === transactionKey) {
    if (!mayTransact(context, AclOperation.describe, key))
      return refused(
        ErrorCode.transactionalIdAuthorizationFailed,
        `not authorized for transactional id ${key}`,
      )
  } else if (keyType !== groupKey)
    return refused(ErrorCode.invalidRequest, `key type ${keyType} is not supported yet`)
  else if (!mayGroup(context, AclOperation.describe, key))
    return refused(ErrorCode.groupAuthorizationFailed, `not authorized for group ${key}`)
  return { key, nodeId: broker.brokerId, ...context.address, errorCode: 0, errorMessage: null }
}
