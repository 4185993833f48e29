// DeleteAcls v1–3: 1 pattern types · 2 flexible · 3 user resources.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  type DeleteAclsFilterResultInput,
  decodeDeleteAclsRequest,
  encodeDeleteAclsResponse,
} from '@khlong/kafka-protocol/messages/delete-acls'
import { wireError, wireMessage } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import { mayCluster } from './access.ts'
import { aclFilter, withoutAuthorizer } from './acl-filter.ts'
import { defineHandler, type Handler } from './handler.ts'

export const deleteAcls: Handler = defineHandler({
  key: ApiKey.deleteAcls,
  decode: decodeDeleteAclsRequest,
  encode: encodeDeleteAclsResponse,
  async handle(request, context) {
    if (!context.broker.authorizer.isEnabled)
      return {
        filterResults: request.filters.map(() => ({
          errorCode: ErrorCode.securityDisabled,
          errorMessage: withoutAuthorizer,
          matchingAcls: [],
        })),
      }
    const isAllowed = mayCluster(context, AclOperation.alter)
    const filterResults: DeleteAclsFilterResultInput[] = []
    for (const filter of request.filters) {
      if (!isAllowed) {
        filterResults.push({ errorCode: ErrorCode.clusterAuthorizationFailed, matchingAcls: [] })
        continue
      }
      try {
        const acls = context.broker.authorizer.find(aclFilter(filter))
        if (acls.length > 0) await context.broker.metadata.removeAcls(acls)
        filterResults.push({
          matchingAcls: acls.map(({ permission, ...acl }) => ({
            ...acl,
            permissionType: permission,
          })),
        })
      } catch (error) {
        filterResults.push({
          errorCode: wireError(error),
          errorMessage: wireMessage(error),
          matchingAcls: [],
        })
      }
    }
    return { filterResults }
  },
})
