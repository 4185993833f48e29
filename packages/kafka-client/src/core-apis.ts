import { ApiKey } from '@khlong/kafka-protocol'
import * as apiVersions from '@khlong/kafka-protocol/messages/api-versions'
import * as findCoordinator from '@khlong/kafka-protocol/messages/find-coordinator'
import * as metadata from '@khlong/kafka-protocol/messages/metadata'
import * as saslAuthenticate from '@khlong/kafka-protocol/messages/sasl-authenticate'
import * as saslHandshake from '@khlong/kafka-protocol/messages/sasl-handshake'
import { type Api, defineApi } from './api.ts'

// The APIs that every client needs, whatever it is for.

export const apiVersionsApi: Api<
  apiVersions.ApiVersionsRequestInput,
  apiVersions.ApiVersionsResponse
> = defineApi(
  ApiKey.apiVersions,
  apiVersions.encodeApiVersionsRequest,
  apiVersions.decodeApiVersionsResponse,
  { maxVersion: 3 },
)
export const metadataApi: Api<metadata.MetadataRequestInput, metadata.MetadataResponse> = defineApi(
  ApiKey.metadata,
  metadata.encodeMetadataRequest,
  metadata.decodeMetadataResponse,
  { minVersion: 1 },
)
export const findCoordinatorApi: Api<
  findCoordinator.FindCoordinatorRequestInput,
  findCoordinator.FindCoordinatorResponse
> = defineApi(
  ApiKey.findCoordinator,
  findCoordinator.encodeFindCoordinatorRequest,
  findCoordinator.decodeFindCoordinatorResponse,
  { minVersion: 1, maxVersion: 5 },
)
export const saslHandshakeApi: Api<
  saslHandshake.SaslHandshakeRequestInput,
  saslHandshake.SaslHandshakeResponse
> = defineApi(
  ApiKey.saslHandshake,
  saslHandshake.encodeSaslHandshakeRequest,
  saslHandshake.decodeSaslHandshakeResponse,
  { minVersion: 1 },
)
export const saslAuthenticateApi: Api<
  saslAuthenticate.SaslAuthenticateRequestInput,
  saslAuthenticate.SaslAuthenticateResponse
> = defineApi(
  ApiKey.saslAuthenticate,
  saslAuthenticate.encodeSaslAuthenticateRequest,
  saslAuthenticate.decodeSaslAuthenticateResponse,
)
