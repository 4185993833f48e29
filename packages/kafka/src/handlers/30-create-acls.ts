// CreateAcls v1–3: 1 pattern types · 2 flexible · 3 user resources.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeCreateAclsRequest,
  encodeCreateAclsResponse,
} from '@khlong/kafka-protocol/messages/create-acls'
import { wireError, wireMessage } from '../server/wire-errors.ts'
import { type Acl, AclOperation, clusterResourceName, ResourceType } from '../state/acls.ts'
import { mayCluster } from './access.ts'
import { withoutAuthorizer } from './acl-filter.ts'
import { defineHandler, type Handler } from './handler.ts'

export const createAcls: Handler = defineHandler({
  key: ApiKey.createAcls,
  decode: decodeCreateAclsRequest,
  encode: encodeCreateAclsResponse,
  async handle(request, context) {
    const all = (errorCode: number, errorMessage: string | null = null) => ({
      results: request.creations.map(() => ({ errorCode, errorMessage })),
    })
    if (!context.broker.authorizer.isEnabled)
      return all(ErrorCode.securityDisabled, withoutAuthorizer)
    if (!mayCluster(context, AclOperation.alter)) return all(ErrorCode.clusterAuthorizationFailed)
    const acls = request.creations.map(
      (creation): Acl => ({
        resourceType: creation.resourceType,
        resourceName: creation.resourceName,
        patternType: creation.resourcePatternType,
        principal: creation.principal,
        host: creation.host,
        operation: creation.operation,
        permission: creation.permissionType,
      }),
    )
    const good = acls.filter((acl) => problemOf(acl) === undefined)
    try {
      if (good.length > 0) await context.broker.metadata.addAcls(good)
    } catch (error) {
      return all(wireError(error), wireMessage(error))
    }
    return {
      results: acls.map((acl) => {
        const errorMessage = problemOf(acl) ?? null
        return { errorCode: errorMessage ? ErrorCode.invalidRequest : ErrorCode.none, errorMessage }
      }),
    }
  },
})

function problemOf(acl: Acl): string | undefined {
  if (acl.resourceType < 2 || acl.resourceType > 7) return 'the resource type must be one'
  if (acl.patternType !== 3 && acl.patternType !== 4) return 'the pattern must be one'
  if (acl.resourceName === '') return 'the resource name is empty'
  if (acl.resourceType === ResourceType.cluster && acl.resourceName !== clusterResourceName)
    return `The only valid name for the CLUSTER resource is ${clusterResourceName}`
  if (acl.operation < 2) return 'the operation must be one'
  if (acl.permission !== 2 && acl.permission !== 3) return 'the permission must be one'
  if (!acl.principal.includes(':'))
    return `Could not parse principal from \`${acl.principal}\` (no colon is present separating the principal type from the principal name)`
  return undefined
}
