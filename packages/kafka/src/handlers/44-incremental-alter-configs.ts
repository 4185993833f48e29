// IncrementalAlterConfigs v0–1: 1 flexible. Operations: 0 set, 1 delete, 2 append, 3 subtract.
import { ApiKey } from '@khlong/kafka-protocol'
import {
  type AlterableConfig,
  decodeIncrementalAlterConfigsRequest,
  encodeIncrementalAlterConfigsResponse,
} from '@khlong/kafka-protocol/messages/incremental-alter-configs'
import { KafkaError } from '../errors.ts'
import { topicConfig } from '../state/topic-configs.ts'
import {
  type ConfigResult,
  changeConfigs,
  changeList,
  checkNames,
  missingValue,
} from './config-changes.ts'
import { topicNameOfBrokerKey } from './config-entries.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

export const incrementalAlterConfigs: Handler = defineHandler({
  key: ApiKey.incrementalAlterConfigs,
  decode: decodeIncrementalAlterConfigsRequest,
  encode: encodeIncrementalAlterConfigsResponse,
  async handle(request, context) {
    const responses: ConfigResult[] = []
    for (const resource of request.resources)
      responses.push(
        await changeConfigs(resource, request.validateOnly, context, (own) => {
          checkNames(resource.configs)
          const configs = { ...own }
          for (const config of resource.configs) apply(configs, config, context)
          return configs
        }),
      )
    return { responses }
  },
})

function apply(
  configs: Record<string, string>,
  { name, configOperation, value }: AlterableConfig,
  context: RequestContext,
): void {
  if (configOperation === 1) {
    delete configs[name]
    return
  }
  if (value === null) missingValue(name)
  const topicName = topicNameOfBrokerKey(name) ?? name
  const current = configs[name] ?? topicConfig(topicName)?.fallback(context.broker.options) ?? ''
  switch (configOperation) {
    case 0:
      configs[name] = value
      return
    case 2:
      configs[name] = changeList(name, current, value, 'APPEND')
      return
    case 3:
      configs[name] = changeList(name, current, value, 'SUBTRACT')
      return
    default:
      throw new KafkaError('KAFKA_CONFIG_INVALID', `unknown operation ${configOperation}`)
  }
}
