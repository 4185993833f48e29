// DescribeGroups v0–6: 3 authorized operations · 4 static members · 5 flexible · 6 group id not found.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  type DescribedGroupInput,
  decodeDescribeGroupsRequest,
  encodeDescribeGroupsResponse,
} from '@khlong/kafka-protocol/messages/describe-groups'
import { AclOperation, ResourceType } from '../state/acls.ts'
import { authorizedOperations, mayGroup } from './access.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

const noBytes = Buffer.alloc(0)

export const describeGroups: Handler = defineHandler({
  key: ApiKey.describeGroups,
  decode: decodeDescribeGroupsRequest,
  encode: encodeDescribeGroupsResponse,
  handle(request, context) {
    return {
      groups: request.groups.map((groupId) => {
        const described = describe(groupId, context)
        return request.includeAuthorizedOperations && !described.errorCode
          ? {
              ...described,
              authorizedOperations: authorizedOperations(context, ResourceType.group, groupId),
            }
          : described
      }),
    }
  },
})

function describe(groupId: string, context: RequestContext): DescribedGroupInput {
  const nothing = { groupId, groupState: '', protocolType: '', protocolData: '', members: [] }
  if (!mayGroup(context, AclOperation.describe, groupId))
    return { ...nothing, errorCode: ErrorCode.groupAuthorizationFailed }
  if (groupId === '') return { ...nothing, errorCode: ErrorCode.invalidGroupId }
  const group = context.broker.groups.group(groupId)
  if (!group)
    return {
      ...nothing,
      groupState: 'Dead',
      ...(context.version >= 6
        ? { errorCode: ErrorCode.groupIdNotFound, errorMessage: `Group ${groupId} not found.` }
        : {}),
    }
  const isSettled = group.state === 'Stable'
  return {
    groupId,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: isSettled ? (group.protocolName ?? '') : '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isSettled
        ? (member.protocols.find(({ name }) => name === group.protocolName)?.metadata ?? noBytes)
        : noBytes,
      memberAssignment: isSettled ? member.assignment : noBytes,
    })),
  }
}
