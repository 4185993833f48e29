import { AclOperation, clusterResourceName, ResourceType } from '../state/acls.ts'
import type { RequestContext } from './handler.ts'

export function mayTopic(context: RequestContext, operation: number, topic: string): boolean {
  return context.broker.authorizer.isAllowed(context, operation, ResourceType.topic, topic)
}

export function mayGroup(context: RequestContext, operation: number, group: string): boolean {
  return context.broker.authorizer.isAllowed(context, operation, ResourceType.group, group)
}

export function mayTransact(context: RequestContext, operation: number, id: string): boolean {
  return context.broker.authorizer.isAllowed(context, operation, ResourceType.transactionalId, id)
}

export function mayCluster(context: RequestContext, operation: number): boolean {
  const { authorizer } = context.broker
  return authorizer.isAllowed(context, operation, ResourceType.cluster, clusterResourceName)
}

/** Whether a client may write idempotently: somewhere at all, or because an ACL says so (KIP-679). */
export function mayBeIdempotent(context: RequestContext): boolean {
  const { authorizer } = context.broker
  return (
    mayCluster(context, AclOperation.idempotentWrite) ||
    authorizer.isAllowedSomewhere(context, AclOperation.write, ResourceType.topic)
  )
}

const operationsOf: Readonly<Record<number, readonly number[]>> = {
  [ResourceType.topic]: [3, 4, 5, 6, 7, 8, 10, 11],
  [ResourceType.group]: [3, 6, 8, 10, 11],
  [ResourceType.cluster]: [5, 7, 8, 9, 10, 11, 12],
}

/** The operations that a client may do, as the bits that metadata responses carry. */
export function authorizedOperations(
  context: RequestContext,
  resourceType: number,
  resourceName: string,
): number {
  let bits = 0
  for (const operation of operationsOf[resourceType] ?? [])
    if (context.broker.authorizer.isAllowed(context, operation, resourceType, resourceName))
      bits |= 1 << operation
  return bits
}

/** The same for the cluster, which only those get to know who may describe it. */
export function clusterOperations(context: RequestContext): number {
  if (!mayCluster(context, AclOperation.describe)) return 0
  return authorizedOperations(context, ResourceType.cluster, clusterResourceName)
}
