// CreateTopics v2–7: 4 broker defaults by -1 · 5 flexible, settings returned · 7 topic id. Replicas can
// only be this broker.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  type CreatableTopic,
  type CreatableTopicResultInput,
  decodeCreateTopicsRequest,
  encodeCreateTopicsResponse,
} from '@khlong/kafka-protocol/messages/create-topics'
import { KafkaError } from '../errors.ts'
import { wireError, wireMessage } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import { mayCluster, mayTopic } from './access.ts'
import { assignmentProblem } from './assignment.ts'
import { effectiveTopicConfigs } from './config-entries.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'
import { tooManyPartitions } from './partition-limit.ts'

export const createTopics: Handler = defineHandler({
  key: ApiKey.createTopics,
  decode: decodeCreateTopicsRequest,
  encode: encodeCreateTopicsResponse,
  async handle(request, context) {
    const byName = new Map<string, CreatableTopic | undefined>()
    for (const topic of request.topics)
      byName.set(topic.name, byName.has(topic.name) ? undefined : topic)
    const problem = tooManyPartitions(
      request.topics.map(({ assignments, numPartitions }) =>
        assignments.length > 0
          ? assignments.length
          : numPartitions === -1
            ? context.broker.options['num.partitions']
            : numPartitions,
      ),
    )
    if (problem !== undefined)
      return {
        topics: [...byName.keys()].map((name) => refused(name, ErrorCode.policyViolation, problem)),
      }
    const topics = [...byName].map(([name, topic]) =>
      topic
        ? create(topic, request.validateOnly, context)
        : refused(name, ErrorCode.invalidRequest, 'Duplicate topic name.'),
    )
    return { topics: await Promise.all(topics) }
  },
})

async function create(
  topic: CreatableTopic,
  isCheckOnly: boolean,
  context: RequestContext,
): Promise<CreatableTopicResultInput> {
  const { broker } = context
  const { name } = topic
  if (!mayCluster(context, AclOperation.create) && !mayTopic(context, AclOperation.create, name))
    return {
      ...refused(name, ErrorCode.topicAuthorizationFailed, 'Authorization failed.'),
      ...configsFor(name, context, {}),
    }
  try {
    broker.checkNewTopicName(name)
    const partitionCount = countPartitions(topic, context)
    const configs: Record<string, string> = {}
    for (const config of topic.configs) {
      if (config.value === null)
        throw new KafkaError(
          'KAFKA_CONFIG_INVALID',
          `Null value not supported for topic configs: ${config.name}`,
        )
      configs[config.name] = config.value
    }
    const topicId = await broker.createTopic(name, partitionCount, configs, { isCheckOnly })
    return {
      name,
      topicId,
      numPartitions: partitionCount,
      replicationFactor: 1,
      ...configsFor(name, context, configs),
    }
  } catch (error) {
    return refused(name, wireError(error), wireMessage(error))
  }
}

/** The settings of the topic, or that the client may not see them; then partitions are not told either. */
function configsFor(
  name: string,
  context: RequestContext,
  configs: Readonly<Record<string, string>>,
): Partial<CreatableTopicResultInput> {
  if (!mayTopic(context, AclOperation.describeConfigs, name))
    return {
      topicConfigErrorCode: ErrorCode.topicAuthorizationFailed,
      numPartitions: -1,
      replicationFactor: -1,
      configs: null,
    }
  return {
    configs: effectiveTopicConfigs(context.broker, configs).map((entry) => ({
      name: entry.name,
      value: entry.value,
      readOnly: entry.readOnly,
      configSource: entry.configSource,
      isSensitive: false,
    })),
  }
}

function countPartitions(topic: CreatableTopic, context: RequestContext): number {
  const { brokerId, options } = context.broker
  const { assignments, numPartitions, replicationFactor } = topic
  if (assignments.length > 0) {
    const problem =
      assignments.map(({ brokerIds }) => assignmentProblem(brokerIds, brokerId)).find(Boolean) ??
      orderProblem(assignments.map(({ partitionIndex }) => partitionIndex))
    if (problem !== undefined) throw new KafkaError('KAFKA_ASSIGNMENT_INVALID', problem)
    return assignments.length
  }
  if (replicationFactor !== -1 && replicationFactor !== 1)
    throw new KafkaError(
      'KAFKA_REPLICATION_INVALID',
      replicationFactor < 1
        ? 'Replication factor must be larger than 0, or -1 to use the default value.'
        : `Unable to replicate the partition ${replicationFactor} time(s): the target replication factor of ${replicationFactor} cannot be reached because only 1 broker(s) are registered.`,
    )
  if (numPartitions === -1) return options['num.partitions']
  if (numPartitions < 1)
    throw new KafkaError(
      'KAFKA_PARTITIONS_INVALID',
      'Number of partitions must be larger than 0, or -1 to use the default value.',
    )
  return numPartitions
}

/** In the words of Kafka. */
function orderProblem(partitions: readonly number[]): string | undefined {
  const twice = partitions.find((partition, index) => partitions.indexOf(partition) !== index)
  if (twice !== undefined)
    return `Found multiple manual partition assignments for partition ${twice}`
  return partitions.every((partition) => partition >= 0 && partition < partitions.length)
    ? undefined
    : 'partitions should be a consecutive 0-based integer sequence'
}

function refused(
  name: string,
  errorCode: number,
  errorMessage: string | null,
): CreatableTopicResultInput {
  return { name, errorCode, errorMessage, numPartitions: -1, replicationFactor: -1 }
}
