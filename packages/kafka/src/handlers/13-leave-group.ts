// LeaveGroup v0–5: 3 several members · 4 flexible · 5 reason.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeLeaveGroupRequest,
  encodeLeaveGroupResponse,
} from '@khlong/kafka-protocol/messages/leave-group'
import { AclOperation } from '../state/acls.ts'
import { mayGroup } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

export const leaveGroup: Handler = defineHandler({
  key: ApiKey.leaveGroup,
  decode: decodeLeaveGroupRequest,
  encode: encodeLeaveGroupResponse,
  handle(request, context) {
    if (!mayGroup(context, AclOperation.read, request.groupId))
      return { errorCode: ErrorCode.groupAuthorizationFailed }
    const leaving =
      context.version >= 3
        ? request.members
        : [{ memberId: request.memberId, groupInstanceId: null }]
    const group = context.broker.groups.group(request.groupId)
    const members =
      group?.leave(leaving) ??
      leaving.map(({ memberId, groupInstanceId }) => ({
        memberId,
        groupInstanceId,
        errorCode: ErrorCode.unknownMemberId,
      }))
    if (context.version >= 3) return { members }
    return { errorCode: members[0]?.errorCode ?? ErrorCode.none }
  },
})
