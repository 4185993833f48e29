// CreatePartitions v0–3: 2 flexible · 3 throttling errors.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  type CreatePartitionsTopic,
  type CreatePartitionsTopicResultInput,
  decodeCreatePartitionsRequest,
  encodeCreatePartitionsResponse,
} from '@khlong/kafka-protocol/messages/create-partitions'
import { wireError, wireMessage } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import { mayTopic } from './access.ts'
import { assignmentProblem } from './assignment.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'
import { tooManyPartitions } from './partition-limit.ts'

export const createPartitions: Handler = defineHandler({
  key: ApiKey.createPartitions,
  decode: decodeCreatePartitionsRequest,
  encode: encodeCreatePartitionsResponse,
  async handle(request, context) {
    const { topics } = context.broker
    const problem = tooManyPartitions(
      request.topics.map(
        ({ name, count }) => count - (topics.get(name)?.partitions.length ?? count),
      ),
    )
    if (problem !== undefined)
      return {
        results: request.topics.map(({ name }) => ({
          name,
          errorCode: ErrorCode.policyViolation,
          errorMessage: problem,
        })),
      }
    const results: CreatePartitionsTopicResultInput[] = []
    for (const topic of request.topics)
      results.push(await grow(topic, request.validateOnly, context))
    return { results }
  },
})

async function grow(
  { name, count, assignments }: CreatePartitionsTopic,
  isCheckOnly: boolean,
  context: RequestContext,
): Promise<CreatePartitionsTopicResultInput> {
  const { broker } = context
  const refuse = (errorCode: number, errorMessage: string | null) => ({
    name,
    errorCode,
    errorMessage,
  })
  if (!mayTopic(context, AclOperation.alter, name))
    return refuse(ErrorCode.topicAuthorizationFailed, null)
  const topic = broker.topics.get(name)
  if (!topic) return refuse(ErrorCode.unknownTopicOrPartition, 'The topic does not exist.')
  const before = topic.partitions.length
  if (count <= before)
    return refuse(
      ErrorCode.invalidPartitions,
      count === before
        ? `Topic already has ${before} partition(s).`
        : `The topic ${name} currently has ${before} partition(s); ${count} would not be an increase.`,
    )
  const problem =
    assignments && assignments.length !== count - before
      ? `Attempted to add ${count - before} additional partition(s), but only ${assignments.length} assignment(s) were specified.`
      : assignments
          ?.map(({ brokerIds }) => assignmentProblem(brokerIds, broker.brokerId))
          .find(Boolean)
  if (problem !== undefined) return refuse(ErrorCode.invalidReplicaAssignment, problem)
  try {
    if (!isCheckOnly) await broker.metadata.addPartitions(name, count)
    return { name }
  } catch (error) {
    return refuse(wireError(error), wireMessage(error))
  }
}
