// ListConfigResources v0–1: 0 client metrics (there are none) · 1 by resource type.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeListConfigResourcesRequest,
  encodeListConfigResourcesResponse,
} from '@khlong/kafka-protocol/messages/list-config-resources'
import { AclOperation } from '../state/acls.ts'
import { mayCluster } from './access.ts'
import { ConfigResource } from './config-entries.ts'
import { defineHandler, type Handler } from './handler.ts'

export const listConfigResources: Handler = defineHandler({
  key: ApiKey.listConfigResources,
  decode: decodeListConfigResourcesRequest,
  encode: encodeListConfigResourcesResponse,
  handle(request, context) {
    const { broker, version } = context
    if (!mayCluster(context, AclOperation.describeConfigs))
      return { errorCode: ErrorCode.clusterAuthorizationFailed, configResources: [] }
    if (version === 0) return { configResources: [] }
    const types = request.resourceTypes
    const wants = (type: number): boolean => types.length === 0 || types.includes(type)
    const brokerName = String(broker.brokerId)
    return {
      configResources: [
        ...(wants(ConfigResource.topic)
          ? [...broker.topics.keys()].map((resourceName) => ({
              resourceName,
              resourceType: ConfigResource.topic,
            }))
          : []),
        ...(wants(ConfigResource.broker)
          ? [{ resourceName: brokerName, resourceType: ConfigResource.broker }]
          : []),
        ...(wants(ConfigResource.brokerLogger)
          ? [{ resourceName: brokerName, resourceType: ConfigResource.brokerLogger }]
          : []),
      ],
    }
  },
})
