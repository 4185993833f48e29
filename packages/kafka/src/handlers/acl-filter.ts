import type { AclFilter } from '../state/acls.ts'

/** A filter as the requests of three APIs carry it. */
export function aclFilter(request: {
  readonly resourceTypeFilter: number
  readonly resourceNameFilter: string | null
  readonly patternTypeFilter: number
  readonly principalFilter: string | null
  readonly hostFilter: string | null
  readonly operation: number
  readonly permissionType: number
}): AclFilter {
  return {
    resourceType: request.resourceTypeFilter,
    resourceName: request.resourceNameFilter,
    patternType: request.patternTypeFilter,
    principal: request.principalFilter,
    host: request.hostFilter,
    operation: request.operation,
    permission: request.permissionType,
  }
}

/** Why all three are refused with SECURITY_DISABLED on a broker whose settings name no authorizer. */
export const withoutAuthorizer =
  'No Authorizer is configured on the broker: its setting authorizer.class.name is not set'
