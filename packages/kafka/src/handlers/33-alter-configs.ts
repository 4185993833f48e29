// AlterConfigs v0–2: 2 flexible. What is given replaces all settings of the resource.
import { ApiKey } from '@khlong/kafka-protocol'
import {
  decodeAlterConfigsRequest,
  encodeAlterConfigsResponse,
} from '@khlong/kafka-protocol/messages/alter-configs'
import { type ConfigResult, changeConfigs, checkNames, missingValue } from './config-changes.ts'
import { defineHandler, type Handler } from './handler.ts'

export const alterConfigs: Handler = defineHandler({
  key: ApiKey.alterConfigs,
  decode: decodeAlterConfigsRequest,
  encode: encodeAlterConfigsResponse,
  async handle(request, context) {
    const responses: ConfigResult[] = []
    for (const resource of request.resources)
      responses.push(
        await changeConfigs(resource, request.validateOnly, context, () => {
          checkNames(resource.configs)
          return Object.fromEntries(
            resource.configs.map(({ name, value }) => [name, value ?? missingValue(name)]),
          )
        }),
      )
    return { responses }
  },
})
