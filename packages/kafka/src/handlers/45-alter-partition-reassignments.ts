// AlterPartitionReassignments v0–1, flexible: 1 whether the number of replicas may change. A partition is where the one
// broker is, so asking for that changes nothing; other replicas are refused as Kafka refuses brokers that it has not got.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  type AlterPartitionReassignmentsResponseInput,
  decodeAlterPartitionReassignmentsRequest,
  encodeAlterPartitionReassignmentsResponse,
  type ReassignablePartition,
  type ReassignablePartitionResponseInput,
} from '@khlong/kafka-protocol/messages/alter-partition-reassignments'
import { AclOperation } from '../state/acls.ts'
import { mayCluster } from './access.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

export const alterPartitionReassignments: Handler = defineHandler({
  key: ApiKey.alterPartitionReassignments,
  decode: decodeAlterPartitionReassignmentsRequest,
  encode: encodeAlterPartitionReassignmentsResponse,
  handle({ topics }, context): AlterPartitionReassignmentsResponseInput {
    if (!mayCluster(context, AclOperation.alter))
      return { errorCode: ErrorCode.clusterAuthorizationFailed, responses: [] }
    return {
      responses: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map((partition) => answer(name, partition, context)),
      })),
    }
  },
})

function answer(
  topic: string,
  { partitionIndex, replicas }: ReassignablePartition,
  { broker }: RequestContext,
): ReassignablePartitionResponseInput {
  const refused = (errorCode: number, errorMessage: string) => ({
    partitionIndex,
    errorCode,
    errorMessage,
  })
  if (broker.topics.get(topic)?.partitions[partitionIndex] === undefined)
    return refused(ErrorCode.unknownTopicOrPartition, 'The partition does not exist.')
  if (replicas === null)
    return refused(ErrorCode.noReassignmentInProgress, 'No partition reassignment is in progress.')
  const problem = replicasProblem(replicas, broker.brokerId)
  return problem === undefined
    ? { partitionIndex }
    : refused(
        ErrorCode.invalidReplicaAssignment,
        `The manual partition assignment includes ${problem}`,
      )
}

function replicasProblem(replicas: readonly number[], brokerId: number): string | undefined {
  if (replicas.length === 0) return 'an empty replica list.'
  const other = replicas.find((replica) => replica !== brokerId)
  if (other !== undefined) return `broker ${other}, but no such broker is registered.`
  return replicas.length > 1 ? `the broker ${brokerId} more than once.` : undefined
}
