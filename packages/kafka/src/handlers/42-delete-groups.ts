// DeleteGroups v0–2: 2 flexible.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeDeleteGroupsRequest,
  encodeDeleteGroupsResponse,
} from '@khlong/kafka-protocol/messages/delete-groups'
import { AclOperation } from '../state/acls.ts'
import { mayGroup } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

export const deleteGroups: Handler = defineHandler({
  key: ApiKey.deleteGroups,
  decode: decodeDeleteGroupsRequest,
  encode: encodeDeleteGroupsResponse,
  async handle(request, context) {
    const results: { groupId: string; errorCode: number }[] = []
    for (const groupId of request.groupsNames)
      results.push({
        groupId,
        errorCode: mayGroup(context, AclOperation.delete, groupId)
          ? await context.broker.groups.deleteGroup(groupId)
          : ErrorCode.groupAuthorizationFailed,
      })
    return { results }
  },
})
