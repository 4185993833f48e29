// DescribeAcls v1–3: 1 pattern types · 2 flexible · 3 user resources.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeDescribeAclsRequest,
  encodeDescribeAclsResponse,
} from '@khlong/kafka-protocol/messages/describe-acls'
import { type Acl, AclOperation } from '../state/acls.ts'
import { mayCluster } from './access.ts'
import { aclFilter, withoutAuthorizer } from './acl-filter.ts'
import { defineHandler, type Handler } from './handler.ts'

export const describeAcls: Handler = defineHandler({
  key: ApiKey.describeAcls,
  decode: decodeDescribeAclsRequest,
  encode: encodeDescribeAclsResponse,
  handle(request, context) {
    if (!context.broker.authorizer.isEnabled)
      return {
        errorCode: ErrorCode.securityDisabled,
        errorMessage: withoutAuthorizer,
        resources: [],
      }
    if (!mayCluster(context, AclOperation.describe))
      return { errorCode: ErrorCode.clusterAuthorizationFailed, resources: [] }
    const byResource = new Map<string, Acl[]>()
    for (const acl of context.broker.authorizer.find(aclFilter(request))) {
      const resource = `${acl.resourceType}/${acl.patternType}/${acl.resourceName}`
      const acls = byResource.get(resource)
      if (acls) acls.push(acl)
      else byResource.set(resource, [acl])
    }
    return {
      resources: [...byResource.values()].map((acls) => ({
        resourceType: acls[0]!.resourceType,
        resourceName: acls[0]!.resourceName,
        patternType: acls[0]!.patternType,
        acls: acls.map(({ principal, host, operation, permission }) => ({
          principal,
          host,
          operation,
          permissionType: permission,
        })),
      })),
    }
  },
})
