import { ApiKey } from '@khlong/kafka-protocol'
import * as fetch from '@khlong/kafka-protocol/messages/fetch'
import * as heartbeat from '@khlong/kafka-protocol/messages/heartbeat'
import * as joinGroup from '@khlong/kafka-protocol/messages/join-group'
import * as leaveGroup from '@khlong/kafka-protocol/messages/leave-group'
import * as listOffsets from '@khlong/kafka-protocol/messages/list-offsets'
import * as offsetCommit from '@khlong/kafka-protocol/messages/offset-commit'
import * as offsetFetch from '@khlong/kafka-protocol/messages/offset-fetch'
import * as syncGroup from '@khlong/kafka-protocol/messages/sync-group'
import { type Api, defineApi } from './api.ts'

// Later versions of Fetch, OffsetCommit and OffsetFetch name topics by id.

export const fetchApi: Api<fetch.FetchRequestInput, fetch.FetchResponse> = defineApi(
  ApiKey.fetch,
  fetch.encodeFetchRequest,
  fetch.decodeFetchResponse,
  { maxVersion: 12 },
)
export const listOffsetsApi: Api<
  listOffsets.ListOffsetsRequestInput,
  listOffsets.ListOffsetsResponse
> = defineApi(
  ApiKey.listOffsets,
  listOffsets.encodeListOffsetsRequest,
  listOffsets.decodeListOffsetsResponse,
  { maxVersion: 7 },
)
export const offsetCommitApi: Api<
  offsetCommit.OffsetCommitRequestInput,
  offsetCommit.OffsetCommitResponse
> = defineApi(
  ApiKey.offsetCommit,
  offsetCommit.encodeOffsetCommitRequest,
  offsetCommit.decodeOffsetCommitResponse,
  { maxVersion: 8 },
)
export const offsetFetchApi: Api<
  offsetFetch.OffsetFetchRequestInput,
  offsetFetch.OffsetFetchResponse
> = defineApi(
  ApiKey.offsetFetch,
  offsetFetch.encodeOffsetFetchRequest,
  offsetFetch.decodeOffsetFetchResponse,
  { maxVersion: 8 },
)
export const joinGroupApi: Api<joinGroup.JoinGroupRequestInput, joinGroup.JoinGroupResponse> =
  defineApi(ApiKey.joinGroup, joinGroup.encodeJoinGroupRequest, joinGroup.decodeJoinGroupResponse)
export const syncGroupApi: Api<syncGroup.SyncGroupRequestInput, syncGroup.SyncGroupResponse> =
  defineApi(ApiKey.syncGroup, syncGroup.encodeSyncGroupRequest, syncGroup.decodeSyncGroupResponse)
export const heartbeatApi: Api<heartbeat.HeartbeatRequestInput, heartbeat.HeartbeatResponse> =
  defineApi(ApiKey.heartbeat, heartbeat.encodeHeartbeatRequest, heartbeat.decodeHeartbeatResponse)
export const leaveGroupApi: Api<leaveGroup.LeaveGroupRequestInput, leaveGroup.LeaveGroupResponse> =
  defineApi(
    ApiKey.leaveGroup,
    leaveGroup.encodeLeaveGroupRequest,
    leaveGroup.decodeLeaveGroupResponse,
  )
