/** Numbers of the protocol; `any` and `match` stand in filters only. */
export const ResourceType = {
  any: 1,
  topic: 2,
  group: 3,
  cluster: 4,
  transactionalId: 5,
  delegationToken: 6,
  user: 7,
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
  createTokens: 13,
  describeTokens: 14,
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
  /** Without an authorizer nobody is asked, and ACLs can be neither made nor seen, as in Kafka. */
  readonly isEnabled: boolean
  readonly isEveryoneAllowedWithoutAcl: boolean
  readonly superUsers: ReadonlySet<string>
}

/** Who asks, and from where. */
export interface AclClient {
  readonly principal: string
  readonly host: string
}

/** The ACLs of one type of resource, so that a request looks at those of its resource only. */
interface OfType {
  /** By the resource's name; those for every name stand at `*`. */
  readonly literal: Map<string, Acl[]>
  readonly prefixed: Acl[]
}

/**
 * Decides by ACLs, where there is an authorizer, as Kafka's own do: super users may do everything, a denial wins, and where a
 * resource has no ACL the setting decides.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions
  #acls: readonly Acl[] = []
  #byType: ReadonlyMap<number, OfType> = new Map()

  constructor(options: AuthorizerOptions) {
    this.#options = options
  }

  get isEnabled(): boolean {
    return this.#options.isEnabled
  }
  get acls(): readonly Acl[] {
    return this.#acls
  }

  replace(acls: readonly Acl[]): void {
    this.#acls = acls
    const byType = new Map<number, OfType>()
    for (const acl of acls) {
      let ofType = byType.get(acl.resourceType)
      if (!ofType) {
        ofType = { literal: new Map(), prefixed: [] }
        byType.set(acl.resourceType, ofType)
      }
      const { literal, prefixed } = ofType
      const named = literal.get(acl.resourceName)
      if (acl.patternType === PatternType.prefixed) prefixed.push(acl)
      else if (named) named.push(acl)
      else literal.set(acl.resourceName, [acl])
    }
    this.#byType = byType
  }

  isAllowed(
    client: AclClient,
    operation: number,
    resourceType: number,
    resourceName: string,
  ): boolean {
    if (!this.isEnabled || this.#options.superUsers.has(client.principal)) return true
    const found = this.#covering(resourceType, resourceName)
    if (found.length === 0) return this.#options.isEveryoneAllowedWithoutAcl
    const has = (permission: number, operations: readonly number[]): boolean =>
      found.some(
        (acl) =>
          acl.permission === permission &&
          isFor(acl, client) &&
          (acl.operation === AclOperation.all || operations.includes(acl.operation)),
      )
    if (has(AclPermission.deny, [operation])) return false
    return has(AclPermission.allow, impliedBy[operation] ?? [operation])
  }

  /** Whether a client may do it with some resource of a type, whatever its name (KIP-679). */
  isAllowedSomewhere(client: AclClient, operation: number, resourceType: number): boolean {
    if (!this.isEnabled || this.#options.superUsers.has(client.principal)) return true
    const ofType = this.#byType.get(resourceType)
    const own = [...(ofType?.literal.values() ?? []), ofType?.prefixed ?? []]
      .flat()
      .filter(
        (acl) =>
          isFor(acl, client) && [AclOperation.all, operation].some((one) => one === acl.operation),
      )
    const denied = own.filter(({ permission }) => permission === AclPermission.deny)
    const isDenied = ({ resourceName, patternType }: Acl): boolean =>
      denied.some(
        (acl) =>
          (acl.patternType === patternType && acl.resourceName === resourceName) ||
          (acl.patternType === PatternType.prefixed && resourceName.startsWith(acl.resourceName)),
      )
    if (denied.some((acl) => acl.patternType === PatternType.literal && acl.resourceName === '*'))
      return false
    if (this.#options.isEveryoneAllowedWithoutAcl) return true
    return own.some((acl) => acl.permission === AclPermission.allow && !isDenied(acl))
  }

  find(filter: AclFilter): readonly Acl[] {
    return this.#acls.filter((acl) => matchesFilter(acl, filter))
  }

  #covering(resourceType: number, resourceName: string): readonly Acl[] {
    const ofType = this.#byType.get(resourceType)
    if (!ofType) return none
    const { literal, prefixed } = ofType
    const named = literal.get(resourceName) ?? none
    const everywhere = resourceName === '*' ? none : (literal.get('*') ?? none)
    const begun = prefixed.filter((acl) => resourceName.startsWith(acl.resourceName))
    return everywhere.length + begun.length === 0 ? named : [...named, ...everywhere, ...begun]
  }
}

const none: readonly Acl[] = []

function isFor(acl: Acl, { principal, host }: AclClient): boolean {
  return (
    (acl.principal === principal || acl.principal === 'User:*') &&
    (acl.host === '*' || acl.host === host)
  )
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
