import { ErrorCode } from '@khlong/kafka-protocol'
import { KafkaError } from '../errors.ts'
import type { ConfigChange, Configs } from '../metadata/metadata-store.ts'
import { wireError, wireMessage } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import type { BrokerState } from '../state/broker-state.ts'
import {
  ConfigType,
  checkTopicOverrides,
  topicConfig,
  valueProblem,
} from '../state/topic-configs.ts'
import { mayCluster, mayTopic } from './access.ts'
import { ConfigResource, topicNameOfBrokerKey, unsupportedResource } from './config-entries.ts'
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
  change: ConfigChange,
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
      if (resourceName === '')
        return result(ErrorCode.invalidRequest, 'Default topic resources are not allowed.')
      if (!mayTopic(context, AclOperation.alterConfigs, resourceName))
        return result(ErrorCode.topicAuthorizationFailed, 'Topic authorization failed.')
      const topic = broker.topics.get(resourceName)
      if (!topic)
        return result(
          ErrorCode.unknownTopicOrPartition,
          `The topic '${resourceName}' does not exist.`,
        )
      const checked = (own: Configs): Configs => {
        const changed = change(own)
        checkTopicOverrides(changed, own)
        return changed
      }
      if (isCheckOnly) checked(topic.overrides)
      else await broker.metadata.changeTopicConfigs(resourceName, checked)
      return result(ErrorCode.none)
    }
    if (resourceType !== ConfigResource.broker)
      return result(ErrorCode.invalidRequest, unsupportedResource(resourceType))
    if (!mayCluster(context, AclOperation.alterConfigs))
      return result(ErrorCode.clusterAuthorizationFailed, 'Cluster authorization failed.')
    return result(...(await changeBroker(resourceName, isCheckOnly, broker, change)))
  } catch (error) {
    return result(wireError(error), wireMessage(error))
  }
}

/** The settings of this broker, or those of every broker, which have an empty name. */
async function changeBroker(
  name: string,
  isCheckOnly: boolean,
  broker: BrokerState,
  change: ConfigChange,
): Promise<[errorCode: number, errorMessage: string | null]> {
  if (name !== '' && name !== String(broker.brokerId))
    return [
      ErrorCode.invalidRequest,
      `Unexpected broker id, expected ${broker.brokerId} or empty string, but received ${name}`,
    ]
  const whose = name === '' ? 'everyBroker' : 'own'
  const checked = (own: Configs): Configs => {
    const changed = change(own)
    checkBrokerConfigs(changed, own)
    return changed
  }
  try {
    if (isCheckOnly) checked(broker.brokerConfigs[whose])
    else await broker.metadata.changeBrokerConfigs(whose, checked)
    return [ErrorCode.none, null]
  } catch (error) {
    // Of topics Kafka calls it an invalid setting, of brokers an invalid request.
    if (error instanceof KafkaError && error.code === 'KAFKA_CONFIG_INVALID')
      return [ErrorCode.invalidRequest, error.message]
    throw error
  }
}

/** @throws KafkaError `KAFKA_REQUEST_INVALID` where a setting stands there twice. */
export function checkNames(configs: readonly { readonly name: string }[]): void {
  if (new Set(configs.map(({ name }) => name)).size < configs.length)
    throw new KafkaError('KAFKA_REQUEST_INVALID', 'Error due to duplicate config keys')
}

/** @throws KafkaError `KAFKA_REQUEST_INVALID` */
export function missingValue(name: string): never {
  throw new KafkaError('KAFKA_REQUEST_INVALID', `Null value not supported for : ${name}`)
}

/** What APPEND and SUBTRACT do to a setting that is a list. */
export function changeList(
  name: string,
  current: string,
  value: string,
  operation: 'APPEND' | 'SUBTRACT',
): string {
  if (topicConfig(topicNameOfBrokerKey(name) ?? name)?.type !== ConfigType.list)
    throw new KafkaError(
      'KAFKA_CONFIG_INVALID',
      `Can't ${operation} to key ${name} because its type is not LIST.`,
    )
  const values = current.split(',').filter(Boolean)
  const given = value.split(',').filter(Boolean)
  return operation === 'APPEND'
    ? [...new Set([...values, ...given])].join(',')
    : values.filter((kept) => !given.includes(kept)).join(',')
}

/** Looks at what was not so `before`: another broker's settings may stand among them. */
function checkBrokerConfigs(configs: Configs, before: Configs): void {
  const changed = Object.entries(configs).filter(([name, value]) => before[name] !== value)
  const fixed = changed.filter(([name]) => topicNameOfBrokerKey(name) === undefined)
  if (fixed.length > 0)
    throw invalid(
      `Cannot update these configs dynamically: [${fixed.map(([name]) => name).join(', ')}]`,
    )
  for (const [name, value] of changed) {
    const problem = valueProblem(topicConfig(topicNameOfBrokerKey(name)!)!, value)
    if (problem) throw invalid(`Invalid value ${value} for configuration ${name}: ${problem}`)
  }
}

function invalid(message: string): KafkaError {
  return new KafkaError('KAFKA_CONFIG_INVALID', message)
}
