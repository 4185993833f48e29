import { ErrorCode } from '@khlong/kafka-protocol'
import { deleteGroupsApi, describeGroupsApi, listGroupsApi, offsetDeleteApi } from './admin-apis.ts'
import { leaveGroupApi } from './consumer-apis.ts'
import { decodeAssignment } from './consumer-protocol.ts'
import { brokerError } from './errors.ts'
import type { KafkaClient } from './kafka-client.ts'
import type { TopicPartition } from './record.ts'

export interface GroupListing {
  readonly groupId: string
  readonly protocolType: string
  /** Empty where the broker is too old to say (before 2.6). */
  readonly state: string
}

export interface GroupMemberDescription {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly host: string
  /** What a consumer reads; empty for other protocol types. */
  readonly partitions: readonly TopicPartition[]
  /** What the member told the leader, as its protocol has it. */
  readonly metadata: Buffer
  /** What the leader gave the member, as its protocol has it. */
  readonly assignment: Buffer
}

export interface GroupDescription {
  readonly groupId: string
  /** `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty` or `Dead`. */
  readonly state: string
  readonly protocolType: string
  readonly protocol: string
  readonly members: readonly GroupMemberDescription[]
}

/** All groups: each broker knows those that it coordinates. */
export async function listGroups(client: KafkaClient): Promise<GroupListing[]> {
  return client.retrying('listing groups', async () => {
    await client.refreshMetadata([])
    const lists = await Promise.all(
      client.metadata.brokers.map(async ({ nodeId }) => {
        const response = await client.request(nodeId, listGroupsApi, {})
        if (response.errorCode !== 0) throw brokerError(response.errorCode, 'listing groups')
        return response.groups
      }),
    )
    return lists
      .flat()
      .map(({ groupId, protocolType, groupState }) => ({
        groupId,
        protocolType,
        state: groupState,
      }))
      .sort((a, b) => (a.groupId < b.groupId ? -1 : 1))
  })
}

export async function describeGroups(
  client: KafkaClient,
  groupIds: readonly string[],
): Promise<GroupDescription[]> {
  const describe = async (groupId: string): Promise<GroupDescription> => {
    const what = `describing group ${groupId}`
    const response = await client.requestCoordinator('group', groupId, describeGroupsApi, {
      groups: [groupId],
    })
    const group = response.groups[0]
    const errorCode = group?.errorCode ?? ErrorCode.coordinatorNotAvailable
    if (!group || errorCode !== 0) throw client.coordinatorError('group', groupId, errorCode, what)
    return {
      groupId,
      state: group.groupState,
      protocolType: group.protocolType,
      protocol: group.protocolData,
      members: group.members.map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        host: member.clientHost,
        metadata: Buffer.from(member.memberMetadata),
        assignment: Buffer.from(member.memberAssignment),
        partitions:
          group.protocolType === 'consumer'
            ? decodeAssignment(member.memberAssignment).partitions
            : [],
      })),
    }
  }
  return Promise.all(
    groupIds.map((groupId) =>
      client.retrying(`describing group ${groupId}`, () => describe(groupId)),
    ),
  )
}

export async function deleteGroups(
  client: KafkaClient,
  groupIds: readonly string[],
): Promise<void> {
  for (const groupId of groupIds)
    await client.retrying(`deleting group ${groupId}`, async () => {
      const response = await client.requestCoordinator('group', groupId, deleteGroupsApi, {
        groupsNames: [groupId],
      })
      const errorCode = response.results[0]?.errorCode ?? 0
      if (errorCode !== 0)
        throw client.coordinatorError('group', groupId, errorCode, `deleting group ${groupId}`)
    })
}

/** Takes a member out of its group, as if it had left, and gives the broker's error code. */
export async function removeMember(
  client: KafkaClient,
  groupId: string,
  memberId: string,
): Promise<number> {
  const connection = await client.connection(await client.coordinator('group', groupId))
  const hasList = connection.versionOf(leaveGroupApi) >= 3
  const response = await connection.request(
    leaveGroupApi,
    hasList ? { groupId, members: [{ memberId }] } : { groupId, memberId, members: [] },
    { timeoutMs: 5_000 },
  )
  return response.errorCode || (response.members[0]?.errorCode ?? 0)
}

export async function removeMembers(
  client: KafkaClient,
  groupId: string,
  memberIds: readonly string[],
): Promise<void> {
  const what = `taking members out of group ${groupId}`
  for (const memberId of memberIds)
    await client.retrying(what, async () => {
      const errorCode = await removeMember(client, groupId, memberId)
      if (errorCode !== 0 && errorCode !== ErrorCode.unknownMemberId)
        throw client.coordinatorError('group', groupId, errorCode, what)
    })
}

export async function deleteGroupOffsets(
  client: KafkaClient,
  groupId: string,
  topics: ReadonlyMap<string, readonly TopicPartition[]>,
): Promise<void> {
  const what = `deleting offsets of group ${groupId}`
  await client.retrying(what, async () => {
    const response = await client.requestCoordinator('group', groupId, offsetDeleteApi, {
      groupId,
      topics: [...topics].map(([name, partitions]) => ({
        name,
        partitions: partitions.map((one) => ({ partitionIndex: one.partition })),
      })),
    })
    const codes = [
      response.errorCode,
      ...response.topics.flatMap((topic) => topic.partitions.map((one) => one.errorCode)),
    ]
    const errorCode = codes.find((code) => code !== 0)
    if (errorCode !== undefined) throw client.coordinatorError('group', groupId, errorCode, what)
  })
}
