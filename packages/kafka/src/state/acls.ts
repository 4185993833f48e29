/** Numbers of the protocol; `any` and `match` stand in filters only. */
export const ResourceType = {
  any: 1,
  topic: 2,
  group: 3,
  cluster: 4,
  transactionalId: 5,
  delegationToken: 6,
} as const
export const PatternType = { any: 1, match: 2, literal: 3, prefixed: 4 } as const
export const AclOperation = {
  any: 1,
  all: 2,
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  clusterAction: 9,
  describeConfigs: 10,
  alterConfigs: 11,
  idempotentWrite: 12,
} as const
export const AclPermission = { any: 1, deny: 2, allow: 3 } as const
export const clusterResourceName = 'kafka-cluster'

/** Who may, or may not, do what to which resource. */
export interface Acl {
  readonly resourceType: number
  readonly resourceName: string
  readonly patternType: number
  /** `User:name` or `User:*`. */
  readonly principal: string
  readonly host: string
  readonly operation: number
  readonly permission: number
}

export interface AclFilter {
  readonly resourceType: number
  readonly resourceName: string | null
  readonly patternType: number
  readonly principal: string | null
  readonly host: string | null
  readonly operation: number
  readonly permission: number
}

export interface AuthorizerOptions {
  readonly isEveryoneAllowedWithoutAcl: boolean
  readonly superUsers: ReadonlySet<string>
}

/** Decides by ACLs, as Kafka's own authorizer does: a denial wins; without any ACL the setting decides. */
export class Authorizer {
  readonly #options: AuthorizerOptions
  #acls: readonly Acl[] = []

  constructor(options: AuthorizerOptions) {
    this.#options = options
  }

  get acls(): readonly Acl[] {
    return this.#acls
  }

  replace(acls: readonly Acl[]): void {
    this.#acls = acls
  }

  isAllowed(
    client: { readonly principal: string; readonly host: string },
    operation: number,
    resourceType: number,
    resourceName: string,
  ): boolean {
    if (this.#acls.length === 0) return this.#options.isEveryoneAllowedWithoutAcl
    if (this.#options.superUsers.has(client.principal)) return true
    const found = this.#acls.filter((acl) => coversResource(acl, resourceType, resourceName))
    if (found.length === 0) return this.#options.isEveryoneAllowedWithoutAcl
    const ofClient = found.filter(
      (acl) =>
        (acl.principal === client.principal || acl.principal === 'User:*') &&
        (acl.host === '*' || acl.host === client.host),
    )
    const has = (permission: number, operations: readonly number[]): boolean =>
      ofClient.some(
        (acl) =>
          acl.permission === permission &&
          (acl.operation === AclOperation.all || operations.includes(acl.operation)),
      )
    if (has(AclPermission.deny, [operation])) return false
    return has(AclPermission.allow, impliedBy[operation] ?? [operation])
  }

  find(filter: AclFilter): readonly Acl[] {
    return this.#acls.filter((acl) => matchesFilter(acl, filter))
  }
}

/** Operations whose permission includes another: who may read may describe. */
const impliedBy: Readonly<Record<number, readonly number[]>> = {
  [AclOperation.describe]: [
    AclOperation.describe,
    AclOperation.read,
    AclOperation.write,
    AclOperation.delete,
    AclOperation.alter,
  ],
  [AclOperation.describeConfigs]: [AclOperation.describeConfigs, AclOperation.alterConfigs],
}

function coversResource(acl: Acl, resourceType: number, resourceName: string): boolean {
  if (acl.resourceType !== resourceType) return false
  if (acl.patternType === PatternType.prefixed) return resourceName.startsWith(acl.resourceName)
  return acl.resourceName === resourceName || acl.resourceName === '*'
}

export function matchesFilter(acl: Acl, filter: AclFilter): boolean {
  const { resourceType, resourceName, patternType } = filter
  if (resourceType !== ResourceType.any && acl.resourceType !== resourceType) return false
  if (patternType === PatternType.match) {
    if (resourceName !== null && !coversResource(acl, acl.resourceType, resourceName)) return false
  } else {
    if (patternType !== PatternType.any && acl.patternType !== patternType) return false
    if (resourceName !== null && acl.resourceName !== resourceName) return false
  }
  return (
    (filter.principal === null || acl.principal === filter.principal) &&
    (filter.host === null || acl.host === filter.host) &&
    (filter.operation === AclOperation.any || acl.operation === filter.operation) &&
    (filter.permission === AclPermission.any || acl.permission === filter.permission)
  )
}

export function isSameAcl(a: Acl, b: Acl): boolean {
  return (
    a.resourceType === b.resourceType &&
    a.resourceName === b.resourceName &&
    a.patternType === b.patternType &&
    a.principal === b.principal &&
    a.host === b.host &&
    a.operation === b.operation &&
    a.permission === b.permission
  )
}
