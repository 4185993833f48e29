import { type Acl, AclOperation, AclPermission, PatternType, ResourceType } from '../state/acls.ts'
import type { BrokerRegistration, TopicRecord } from './metadata-store.ts'

// What Kafka keeps in its znodes: JSON with these fields (kafka.zk.ZkData).

type Json = Readonly<Record<string, unknown>>

/** Where each kind of thing lies. */
export const zkPath = {
  clusterId: '/cluster/id',
  brokers: '/brokers/ids',
  topics: '/brokers/topics',
  controller: '/controller',
  controllerEpoch: '/controller_epoch',
  producerIds: '/latest_producer_id_block',
  deletions: '/admin/delete_topics',
  topicConfigs: '/config/topics',
  brokerConfigs: '/config/brokers',
  users: '/config/users',
  configChanges: '/config/changes',
  acls: '/kafka-acl',
  aclChanges: '/kafka-acl-changes',
  prefixedAcls: '/kafka-acl-extended/prefixed',
  prefixedAclChanges: '/kafka-acl-extended-changes',
} as const

/** The nodes that a Kafka broker makes when it finds them missing. */
export const zkPersistentPaths: readonly string[] = [
  '/consumers',
  zkPath.brokers,
  zkPath.topics,
  zkPath.configChanges,
  zkPath.deletions,
  '/brokers/seqid',
  '/isr_change_notification',
  zkPath.producerIds,
  '/log_dir_event_notification',
  zkPath.topicConfigs,
  '/config/clients',
  zkPath.users,
  zkPath.brokerConfigs,
  '/config/ips',
  zkPath.acls,
  zkPath.aclChanges,
  zkPath.prefixedAcls,
  zkPath.prefixedAclChanges,
]

export function brokerJson({ endpoints }: BrokerRegistration, nowMs: number): string {
  const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host)
  // For clients from before there were several listeners.
  const plaintext = endpoints.find(({ protocol }) => protocol === 'PLAINTEXT')
  return JSON.stringify({
    features: {},
    listener_security_protocol_map: Object.fromEntries(
      endpoints.map(({ name, protocol }) => [name, protocol]),
    ),
    endpoints: endpoints.map(({ name, host, port }) => `${name}://${bracketed(host)}:${port}`),
    jmx_port: -1,
    port: plaintext?.port ?? -1,
    host: plaintext?.host ?? null,
    version: 5,
    timestamp: String(nowMs),
  })
}

export function controllerJson(brokerId: number, nowMs: number): string {
  return JSON.stringify({
    version: 2,
    brokerid: brokerId,
    timestamp: String(nowMs),
    kraftControllerEpoch: -1,
  })
}

export function topicJson(
  { topicId, partitionCount }: Pick<TopicRecord, 'topicId' | 'partitionCount'>,
  brokerId: number,
): string {
  const partitions = Object.fromEntries(
    Array.from({ length: partitionCount }, (_, partition) => [String(partition), [brokerId]]),
  )
  return JSON.stringify({
    removing_replicas: {},
    partitions,
    topic_id: topicId,
    adding_replicas: {},
    version: 3,
  })
}

/** Undefined where the node says nothing of use. */
export function readTopicJson(
  data: Buffer,
): { topicId: string | undefined; partitionCount: number } | undefined {
  const json = parse(data)
  if (!json || typeof json.partitions !== 'object' || json.partitions === null) return undefined
  const topicId = typeof json.topic_id === 'string' ? json.topic_id : undefined
  return { topicId, partitionCount: Object.keys(json.partitions).length }
}

export function partitionStateJson(brokerId: number, controllerEpoch: number): string {
  return JSON.stringify({
    controller_epoch: controllerEpoch,
    leader: brokerId,
    version: 1,
    leader_epoch: 0,
    isr: [brokerId],
  })
}

export function configJson(config: Readonly<Record<string, string>>): string {
  return JSON.stringify({ version: 1, config })
}

export function readConfigJson(data: Buffer | undefined): Record<string, string> {
  const config = data ? parse(data)?.config : undefined
  if (typeof config !== 'object' || config === null) return {}
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, String(value)]))
}

export function configChangeJson(entityPath: string): string {
  return JSON.stringify({ version: 2, entity_path: entityPath })
}

/** `topics/T`, `brokers/1`…; undefined where the notification cannot be read. */
export function readConfigChange(data: Buffer): string | undefined {
  const json = parse(data)
  if (typeof json?.entity_path === 'string') return json.entity_path
  // Version 1, which older tools write.
  return typeof json?.entity_type === 'string' && typeof json.entity_name === 'string'
    ? `${json.entity_type}/${json.entity_name}`
    : undefined
}

/** A username as the name of a znode (Kafka's Sanitizer): encoded as in a URL, with stars too. */
export function userNode(username: string): string {
  return encodeURIComponent(username).replaceAll(
    /[!~*'()]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** Undefined where the node is not one of a user, as `<default>` of quotas. */
export function usernameOf(node: string): string | undefined {
  try {
    return node.startsWith('<') ? undefined : decodeURIComponent(node)
  } catch {
    return undefined
  }
}

export function producerBlockJson(brokerId: number, first: bigint, last: bigint): string {
  return JSON.stringify({
    version: 1,
    broker: brokerId,
    block_start: String(first),
    block_end: String(last),
  })
}

/** The last id that is given away; -1 where none is. */
export function readProducerBlockEnd(data: Buffer): bigint {
  const end = parse(data)?.block_end
  return typeof end === 'string' && /^\d+$/.test(end) ? BigInt(end) : -1n
}

export function clusterIdJson(id: string): string {
  return JSON.stringify({ version: '1', id })
}

export function readClusterId(data: Buffer): string | undefined {
  const id = parse(data)?.id
  return typeof id === 'string' ? id : undefined
}

/** Names of resource types as the paths of ACLs have them. */
export const resourceTypeNames: Readonly<Record<string, number>> = {
  Topic: ResourceType.topic,
  Group: ResourceType.group,
  Cluster: ResourceType.cluster,
  TransactionalId: ResourceType.transactionalId,
  DelegationToken: ResourceType.delegationToken,
  User: ResourceType.user,
}

const operationNames: Readonly<Record<string, number>> = {
  All: AclOperation.all,
  Read: AclOperation.read,
  Write: AclOperation.write,
  Create: AclOperation.create,
  Delete: AclOperation.delete,
  Alter: AclOperation.alter,
  Describe: AclOperation.describe,
  ClusterAction: AclOperation.clusterAction,
  DescribeConfigs: AclOperation.describeConfigs,
  AlterConfigs: AclOperation.alterConfigs,
  IdempotentWrite: AclOperation.idempotentWrite,
  CreateTokens: AclOperation.createTokens,
  DescribeTokens: AclOperation.describeTokens,
}

/** The node of a resource's ACLs. */
export function aclPath(acl: Pick<Acl, 'resourceType' | 'resourceName' | 'patternType'>): string {
  const root = acl.patternType === PatternType.prefixed ? zkPath.prefixedAcls : zkPath.acls
  return `${root}/${nameOf(resourceTypeNames, acl.resourceType)}/${acl.resourceName}`
}

export function aclsJson(acls: readonly Acl[]): string {
  return JSON.stringify({
    version: 1,
    acls: acls.map((acl) => ({
      principal: acl.principal,
      permissionType: acl.permission === AclPermission.deny ? 'Deny' : 'Allow',
      operation: nameOf(operationNames, acl.operation),
      host: acl.host,
    })),
  })
}

export function readAclsJson(
  data: Buffer,
  resource: Pick<Acl, 'resourceType' | 'resourceName' | 'patternType'>,
): Acl[] {
  const acls = parse(data)?.acls
  if (!Array.isArray(acls)) return []
  return acls.flatMap((acl: Json) => {
    const operation = numberOf(operationNames, acl.operation)
    if (operation === undefined || typeof acl.principal !== 'string') return []
    const isDeny = String(acl.permissionType).toLowerCase() === 'deny'
    return [
      {
        ...resource,
        principal: acl.principal,
        host: typeof acl.host === 'string' ? acl.host : '*',
        operation,
        permission: isDeny ? AclPermission.deny : AclPermission.allow,
      },
    ]
  })
}

/** The notification of a change to a resource's ACLs: where it goes, and what it says. */
export function aclChange(acl: Acl): { path: string; data: string } {
  const type = nameOf(resourceTypeNames, acl.resourceType)
  return acl.patternType === PatternType.prefixed
    ? {
        path: `${zkPath.prefixedAclChanges}/acl_changes_`,
        data: JSON.stringify({
          version: 1,
          resourceType: type,
          name: acl.resourceName,
          patternType: 'PREFIXED',
        }),
      }
    : { path: `${zkPath.aclChanges}/acl_changes_`, data: `${type}:${acl.resourceName}` }
}

function nameOf(names: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(names).find((name) => names[name] === value) ?? String(value)
}

function numberOf(names: Readonly<Record<string, number>>, name: unknown): number | undefined {
  const wanted = String(name).toLowerCase()
  const found = Object.keys(names).find((candidate) => candidate.toLowerCase() === wanted)
  return found === undefined ? undefined : names[found]
}

function parse(data: Buffer): Json | undefined {
  try {
    const value: unknown = JSON.parse(data.toString('utf8'))
    return typeof value === 'object' && value !== null ? (value as Json) : undefined
  } catch {
    return undefined
  }
}
