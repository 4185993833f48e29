// ApiVersions v0–4: 3 flexible, client name and version · 4 features from version 0. The list is made of
// the handlers that are registered. No features are announced: their protocols are not complete.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  type ApiVersionInput,
  decodeApiVersionsRequest,
  encodeApiVersionsResponse,
} from '@khlong/kafka-protocol/messages/api-versions'
import { defineHandler, type Handler, listedVersions, type ResponseWriter } from './handler.ts'

/** The handler, for a broker that has `handlers` beside it. */
export function apiVersions(handlers: readonly Handler[]): Handler {
  const apiKeys = listed([...handlers, { key: ApiKey.apiVersions }])
  return defineHandler({
    key: ApiKey.apiVersions,
    decode: decodeApiVersionsRequest,
    encode: encodeApiVersionsResponse,
    handle(request, context) {
      const isNamed =
        context.version < 3 ||
        (isSoftwareName(request.clientSoftwareName) &&
          isSoftwareName(request.clientSoftwareVersion))
      return isNamed ? { apiKeys } : { errorCode: ErrorCode.invalidRequest, apiKeys: [] }
    },
  })
}

/** The answer to an unknown version: in the form of version 0, with the list (KIP-511). */
export function unsupportedApiVersions(handlers: readonly Handler[]): ResponseWriter {
  const apiKeys = listed(handlers)
  return (writer) =>
    encodeApiVersionsResponse(writer, { errorCode: ErrorCode.unsupportedVersion, apiKeys }, 0)
}

const isSoftwareName = (text: string): boolean =>
  /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?$/.test(text)

function listed(handlers: readonly Pick<Handler, 'key' | 'maxVersion'>[]): ApiVersionInput[] {
  return handlers
    .toSorted((a, b) => a.key - b.key)
    .map((handler) => {
      const { min, max } = listedVersions(handler)
      return { apiKey: handler.key, minVersion: min, maxVersion: max }
    })
}
