// ListGroups v0–5: 3 flexible · 4 states · 5 types. Every group is a classic one.
import { ApiKey } from '@khlong/kafka-protocol'
import {
  decodeListGroupsRequest,
  encodeListGroupsResponse,
} from '@khlong/kafka-protocol/messages/list-groups'
import { AclOperation } from '../state/acls.ts'
import { mayCluster, mayGroup } from './access.ts'
import { defineHandler, type Handler } from './handler.ts'

const holds = (filter: readonly string[], value: string): boolean =>
  filter.length === 0 || filter.some((wanted) => wanted.toLowerCase() === value.toLowerCase())

export const listGroups: Handler = defineHandler({
  key: ApiKey.listGroups,
  decode: decodeListGroupsRequest,
  encode: encodeListGroupsResponse,
  handle(request, context) {
    const seesAll = mayCluster(context, AclOperation.describe)
    return {
      groups: context.broker.groups
        .groups()
        .filter(({ groupId }) => seesAll || mayGroup(context, AclOperation.describe, groupId))
        .filter(({ state }) => holds(request.statesFilter, state))
        .filter(() => holds(request.typesFilter, 'classic'))
        .map(({ groupId, protocolType, state }) => ({
          groupId,
          protocolType: protocolType ?? '',
          groupState: state,
          groupType: 'classic',
        })),
    }
  },
})
