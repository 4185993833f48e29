// SyncGroup v0–5: 3 static members · 4 flexible · 5 protocol type and name.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeSyncGroupRequest,
  encodeSyncGroupResponse,
} from '@khlong/kafka-protocol/messages/sync-group'
import type { SyncResult } from '../groups/group-member.ts'
import { AclOperation } from '../state/acls.ts'
import { mayGroup } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

const noBytes = Buffer.alloc(0)

export const syncGroup: Handler = defineHandler({
  key: ApiKey.syncGroup,
  decode: decodeSyncGroupRequest,
  encode: encodeSyncGroupResponse,
  async handle(request, context) {
    const refuse = (errorCode: number) => ({ errorCode, assignment: noBytes })
    if (!mayGroup(context, AclOperation.read, request.groupId))
      return refuse(ErrorCode.groupAuthorizationFailed)
    const group = context.broker.groups.group(request.groupId)
    if (!group) return refuse(ErrorCode.unknownMemberId)
    // Kafka asks for both from version 5 on.
    if (context.version >= 5 && (request.protocolType === null || request.protocolName === null))
      return refuse(ErrorCode.inconsistentGroupProtocol)
    const result = await new Promise<SyncResult>((resolve) => {
      group.sync(
        {
          memberId: request.memberId,
          groupInstanceId: request.groupInstanceId,
          generation: request.generationId,
          protocolType: request.protocolType,
          protocolName: request.protocolName,
          assignments: new Map(
            request.assignments.map(({ memberId, assignment }) => [
              memberId,
              Buffer.from(assignment),
            ]),
          ),
        },
        resolve,
      )
    })
    return {
      errorCode: result.errorCode,
      protocolType: group.protocolType,
      protocolName: group.protocolName,
      assignment: result.assignment,
    }
  },
})
