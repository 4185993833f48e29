import { ApiKey } from '@khlong/kafka-protocol'
import * as createPartitions from '@khlong/kafka-protocol/messages/create-partitions'
import * as createTopics from '@khlong/kafka-protocol/messages/create-topics'
import * as deleteGroups from '@khlong/kafka-protocol/messages/delete-groups'
import * as deleteRecords from '@khlong/kafka-protocol/messages/delete-records'
import * as deleteTopics from '@khlong/kafka-protocol/messages/delete-topics'
import * as describeCluster from '@khlong/kafka-protocol/messages/describe-cluster'
import * as describeConfigs from '@khlong/kafka-protocol/messages/describe-configs'
import * as describeGroups from '@khlong/kafka-protocol/messages/describe-groups'
import * as incrementalAlterConfigs from '@khlong/kafka-protocol/messages/incremental-alter-configs'
import * as listGroups from '@khlong/kafka-protocol/messages/list-groups'
import * as offsetDelete from '@khlong/kafka-protocol/messages/offset-delete'
import { type Api, defineApi } from './api.ts'

export const createTopicsApi: Api<
  createTopics.CreateTopicsRequestInput,
  createTopics.CreateTopicsResponse
> = defineApi(
  ApiKey.createTopics,
  createTopics.encodeCreateTopicsRequest,
  createTopics.decodeCreateTopicsResponse,
)
export const deleteTopicsApi: Api<
  deleteTopics.DeleteTopicsRequestInput,
  deleteTopics.DeleteTopicsResponse
> = defineApi(
  ApiKey.deleteTopics,
  deleteTopics.encodeDeleteTopicsRequest,
  deleteTopics.decodeDeleteTopicsResponse,
  { maxVersion: 5 },
)
export const createPartitionsApi: Api<
  createPartitions.CreatePartitionsRequestInput,
  createPartitions.CreatePartitionsResponse
> = defineApi(
  ApiKey.createPartitions,
  createPartitions.encodeCreatePartitionsRequest,
  createPartitions.decodeCreatePartitionsResponse,
)
export const describeConfigsApi: Api<
  describeConfigs.DescribeConfigsRequestInput,
  describeConfigs.DescribeConfigsResponse
> = defineApi(
  ApiKey.describeConfigs,
  describeConfigs.encodeDescribeConfigsRequest,
  describeConfigs.decodeDescribeConfigsResponse,
)
export const incrementalAlterConfigsApi: Api<
  incrementalAlterConfigs.IncrementalAlterConfigsRequestInput,
  incrementalAlterConfigs.IncrementalAlterConfigsResponse
> = defineApi(
  ApiKey.incrementalAlterConfigs,
  incrementalAlterConfigs.encodeIncrementalAlterConfigsRequest,
  incrementalAlterConfigs.decodeIncrementalAlterConfigsResponse,
)
export const listGroupsApi: Api<listGroups.ListGroupsRequestInput, listGroups.ListGroupsResponse> =
  defineApi(
    ApiKey.listGroups,
    listGroups.encodeListGroupsRequest,
    listGroups.decodeListGroupsResponse,
  )
export const describeGroupsApi: Api<
  describeGroups.DescribeGroupsRequestInput,
  describeGroups.DescribeGroupsResponse
> = defineApi(
  ApiKey.describeGroups,
  describeGroups.encodeDescribeGroupsRequest,
  describeGroups.decodeDescribeGroupsResponse,
  { maxVersion: 5 },
)
export const deleteGroupsApi: Api<
  deleteGroups.DeleteGroupsRequestInput,
  deleteGroups.DeleteGroupsResponse
> = defineApi(
  ApiKey.deleteGroups,
  deleteGroups.encodeDeleteGroupsRequest,
  deleteGroups.decodeDeleteGroupsResponse,
)
export const deleteRecordsApi: Api<
  deleteRecords.DeleteRecordsRequestInput,
  deleteRecords.DeleteRecordsResponse
> = defineApi(
  ApiKey.deleteRecords,
  deleteRecords.encodeDeleteRecordsRequest,
  deleteRecords.decodeDeleteRecordsResponse,
)
export const describeClusterApi: Api<
  describeCluster.DescribeClusterRequestInput,
  describeCluster.DescribeClusterResponse
> = defineApi(
  ApiKey.describeCluster,
  describeCluster.encodeDescribeClusterRequest,
  describeCluster.decodeDescribeClusterResponse,
  { maxVersion: 0 },
)
export const offsetDeleteApi: Api<
  offsetDelete.OffsetDeleteRequestInput,
  offsetDelete.OffsetDeleteResponse
> = defineApi(
  ApiKey.offsetDelete,
  offsetDelete.encodeOffsetDeleteRequest,
  offsetDelete.decodeOffsetDeleteResponse,
)
