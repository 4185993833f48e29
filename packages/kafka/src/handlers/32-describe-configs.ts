// DescribeConfigs v1–4: 1 synonyms · 3 types and documentation · 4 flexible. Documented are the settings of topics and
// those of the broker that are their defaults.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  type DescribeConfigsRequest,
  type DescribeConfigsResource,
  type DescribeConfigsResultInput,
  decodeDescribeConfigsRequest,
  encodeDescribeConfigsResponse,
} from '@khlong/kafka-protocol/messages/describe-configs'
import { AclOperation } from '../state/acls.ts'
import { documentationOf } from '../state/config-documentation.ts'
import { topicNameProblem } from '../state/topic.ts'
import { mayCluster, mayTopic } from './access.ts'
import {
  brokerConfigEntries,
  type ConfigEntry,
  ConfigResource,
  effectiveTopicConfigs,
  everyBrokerConfigEntries,
  topicNameOfBrokerKey,
  unsupportedResource,
} from './config-entries.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

export const describeConfigs: Handler = defineHandler({
  key: ApiKey.describeConfigs,
  decode: decodeDescribeConfigsRequest,
  encode: encodeDescribeConfigsResponse,
  handle(request, context) {
    return {
      results: request.resources.map((resource) => describe(resource, request, context)),
    }
  },
})

function describe(
  resource: DescribeConfigsResource,
  { includeSynonyms, includeDocumentation }: DescribeConfigsRequest,
  context: RequestContext,
): DescribeConfigsResultInput {
  const { broker } = context
  const { resourceType, resourceName, configurationKeys } = resource
  const refuse = (errorCode: number, errorMessage: string): DescribeConfigsResultInput => ({
    errorCode,
    errorMessage,
    resourceType,
    resourceName,
    configs: [],
  })
  const give = (entries: readonly ConfigEntry[]): DescribeConfigsResultInput => ({
    resourceType,
    resourceName,
    configs: entries
      .filter(({ name }) => configurationKeys === null || configurationKeys.includes(name))
      .map((entry) => ({
        ...entry,
        synonyms: includeSynonyms ? [...entry.synonyms] : [],
        documentation: includeDocumentation ? documentationOfKey(entry.name) : null,
      })),
  })
  if (resourceType === ConfigResource.topic) {
    if (!mayTopic(context, AclOperation.describeConfigs, resourceName))
      return refuse(ErrorCode.topicAuthorizationFailed, 'Topic authorization failed.')
    const problem = topicNameProblem(resourceName)
    if (problem !== undefined) return refuse(ErrorCode.invalidTopicException, problem)
    const topic = broker.topics.get(resourceName)
    if (!topic)
      return refuse(ErrorCode.unknownTopicOrPartition, `Topic '${resourceName}' does not exist.`)
    return give(effectiveTopicConfigs(broker, topic.overrides))
  }
  if (!mayCluster(context, AclOperation.describeConfigs))
    return refuse(ErrorCode.clusterAuthorizationFailed, 'Cluster authorization failed.')
  if (resourceType === ConfigResource.broker) {
    if (resourceName !== '' && resourceName !== String(broker.brokerId))
      return refuse(
        ErrorCode.invalidRequest,
        `Unexpected broker id, expected ${broker.brokerId}, but received ${resourceName}`,
      )
    return give(
      resourceName === '' ? everyBrokerConfigEntries(broker) : brokerConfigEntries(broker),
    )
  }
  if (resourceType === ConfigResource.brokerLogger) return give([])
  return refuse(ErrorCode.invalidRequest, unsupportedResource(resourceType))
}

function documentationOfKey(name: string): string | null {
  return documentationOf(name) ?? documentationOf(topicNameOfBrokerKey(name) ?? '') ?? null
}
