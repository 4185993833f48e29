// Heartbeat v0–4: 3 static members · 4 flexible.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeHeartbeatRequest,
  encodeHeartbeatResponse,
} from '@khlong/kafka-protocol/messages/heartbeat'
import { AclOperation } from '../state/acls.ts'
import { mayGroup } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

export const heartbeat: Handler = defineHandler({
  key: ApiKey.heartbeat,
  decode: decodeHeartbeatRequest,
  encode: encodeHeartbeatResponse,
  handle(request, context) {
    if (!mayGroup(context, AclOperation.read, request.groupId))
      return { errorCode: ErrorCode.groupAuthorizationFailed }
    const group = context.broker.groups.group(request.groupId)
    if (!group) return { errorCode: ErrorCode.unknownMemberId }
    const { memberId, groupInstanceId, generationId } = request
    return {
      errorCode: group.heartbeat({ memberId, groupInstanceId, generation: generationId }),
    }
  },
})
