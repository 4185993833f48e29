// JoinGroup v0–9: 1 rebalance timeout · 4 member id required · 5 static members · 6 flexible · 7 protocol
// type · 8 reason · 9 skip assignment.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeJoinGroupRequest,
  encodeJoinGroupResponse,
} from '@khlong/kafka-protocol/messages/join-group'
import { type JoinResult, refusedJoin } from '../groups/group-member.ts'
import { AclOperation } from '../state/acls.ts'
import { mayGroup } from './access.ts'
import { isCoordinatorReady } from './coordinator.ts'
import { defineHandler, type Handler } from './handler.ts'

export const joinGroup: Handler = defineHandler({
  key: ApiKey.joinGroup,
  decode: decodeJoinGroupRequest,
  encode: encodeJoinGroupResponse,
  async handle(request, context) {
    const { broker, version } = context
    const { groupId, memberId, sessionTimeoutMs } = request
    const respond = (result: JoinResult) => ({
      errorCode: result.errorCode,
      generationId: result.generation,
      protocolType: result.protocolType,
      // Null is allowed from version 7 on.
      protocolName: result.protocolName ?? (version >= 7 ? null : ''),
      leader: result.leader,
      skipAssignment: result.isAssignmentSkipped,
      memberId: result.memberId,
      members: result.members.map((member) => ({ ...member })),
    })
    const refuse = (errorCode: number) => respond(refusedJoin(memberId, errorCode))
    if (groupId === '') return refuse(ErrorCode.invalidGroupId)
    if (!mayGroup(context, AclOperation.read, groupId))
      return refuse(ErrorCode.groupAuthorizationFailed)
    const { options } = broker
    if (
      sessionTimeoutMs < options['group.min.session.timeout.ms'] ||
      sessionTimeoutMs > options['group.max.session.timeout.ms']
    )
      return refuse(ErrorCode.invalidSessionTimeout)
    if (!(await isCoordinatorReady(context))) return refuse(ErrorCode.coordinatorNotAvailable)
    if (memberId !== '' && !broker.groups.group(groupId)) return refuse(ErrorCode.unknownMemberId)
    const group = broker.groups.obtain(groupId)
    const result = await new Promise<JoinResult>((resolve) => {
      group.join(
        {
          memberId,
          groupInstanceId: request.groupInstanceId,
          generation: -1,
          clientId: context.clientId,
          clientHost: `/${context.host}`,
          sessionTimeoutMs,
          rebalanceTimeoutMs: version >= 1 ? request.rebalanceTimeoutMs : sessionTimeoutMs,
          protocolType: request.protocolType,
          // The request's bytes go away; the group keeps these.
          protocols: request.protocols.map(({ name, metadata }) => ({
            name,
            metadata: Buffer.from(metadata),
          })),
          isMemberIdRequired: version >= 4,
          canSkipAssignment: version >= 9,
        },
        resolve,
      )
    })
    return respond(result)
  },
})
