import { ApiKey } from '@khlong/kafka-protocol'
import {
  decodeIncrementalAlterConfigsResponse,
  encodeIncrementalAlterConfigsRequest,
} from '@khlong/kafka-protocol/messages/incremental-alter-configs'
import type { Wire } from './wire.ts'

/** Sets what has a text and takes away what is null, or does one operation with all of it. */
export async function alterConfigs(
  wire: Wire,
  resourceType: number,
  resourceName: string,
  change: Readonly<Record<string, string | null>>,
  configOperation?: number,
): Promise<[errorCode: number, errorMessage: string | null]> {
  const configs = Object.entries(change).map(([name, value]) => ({
    name,
    configOperation: configOperation ?? (value === null ? 1 : 0),
    value,
  }))
  const resources = [{ resourceType, resourceName, configs }]
  const reader = await wire.send(ApiKey.incrementalAlterConfigs, 1, (writer) =>
    encodeIncrementalAlterConfigsRequest(writer, { resources, validateOnly: false }, 1),
  )
  const [answer] = decodeIncrementalAlterConfigsResponse(reader, 1).responses
  return [answer!.errorCode, answer!.errorMessage]
}
