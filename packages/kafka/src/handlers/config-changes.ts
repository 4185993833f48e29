import { ErrorCode } from '@khlong/kafka-protocol'
import { KafkaError } from '../errors.ts'
import { wireError, wireMessage } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import { checkTopicOverrides, topicConfig } from '../state/topic-configs.ts'
import { mayCluster, mayTopic } from './access.ts'
import { ConfigResource, isDynamicKey, topicNameOfBrokerKey } from './config-entries.ts'
import type { RequestContext } from './handler.ts'

export interface ConfigTarget {
  readonly resourceType: number
  readonly resourceName: string
}

export interface ConfigResult extends ConfigTarget {
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** Puts what `change` makes of a resource's own settings in their place. */
export async function changeConfigs(
  { resourceType, resourceName }: ConfigTarget,
  isCheckOnly: boolean,
  context: RequestContext,
  change: (own: Readonly<Record<string, string>>) => Record<string, string>,
): Promise<ConfigResult> {
  const { broker } = context
  const result = (errorCode: number, errorMessage: string | null = null): ConfigResult => ({
    errorCode,
    errorMessage,
    resourceType,
    resourceName,
  })
  try {
    if (resourceType === ConfigResource.topic) {
      if (!mayTopic(context, AclOperation.alterConfigs, resourceName))
        return result(ErrorCode.topicAuthorizationFailed, 'Topic authorization failed.')
      const topic = broker.topics.get(resourceName)
      if (!topic)
        return result(
          ErrorCode.unknownTopicOrPartition,
          `The topic '${resourceName}' does not exist.`,
        )
      const configs = change(topic.overrides)
      checkTopicOverrides(configs)
      if (!isCheckOnly) await broker.metadata.setTopicConfigs(resourceName, configs)
      return result(ErrorCode.none)
    }
    if (resourceType !== ConfigResource.broker)
      return result(ErrorCode.invalidRequest, `resource type ${resourceType} is not supported yet`)
    if (!mayCluster(context, AclOperation.alterConfigs))
      return result(ErrorCode.clusterAuthorizationFailed, 'Cluster authorization failed.')
    const configs = change(broker.brokerConfigs)
    checkBrokerConfigs(configs)
    if (!isCheckOnly) await broker.metadata.setBrokerConfigs(configs)
    return result(ErrorCode.none)
  } catch (error) {
    return result(wireError(error), wireMessage(error))
  }
}

/** What APPEND and SUBTRACT do to a setting that is a list. */
export function changeList(
  name: string,
  current: string,
  value: string,
  operation: 'append' | 'subtract',
): string {
  if (topicConfig(name)?.type !== 7)
    throw new KafkaError(
      'KAFKA_CONFIG_INVALID',
      `Can't ${operation} to key ${name} because its type is not LIST.`,
    )
  const values = current.split(',').filter(Boolean)
  const given = value.split(',').filter(Boolean)
  return operation === 'append'
    ? [...new Set([...values, ...given])].join(',')
    : values.filter((kept) => !given.includes(kept)).join(',')
}

function checkBrokerConfigs(configs: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(configs)) {
    const topicName = topicNameOfBrokerKey(name)
    if (!isDynamicKey(name) || topicName === undefined)
      throw new KafkaError(
        'KAFKA_CONFIG_INVALID',
        `Cannot update these configs dynamically: ${name}`,
      )
    checkTopicOverrides({ [topicName]: value })
  }
}
