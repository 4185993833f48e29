// SaslHandshake v0–1: 0 bare tokens follow (KIP-43) · 1 SaslAuthenticate follows (KIP-152). A login is
// answered by the connection; here come those who are logged in already, or who need not be.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeSaslHandshakeRequest,
  encodeSaslHandshakeResponse,
} from '@khlong/kafka-protocol/messages/sasl-handshake'
import { defineHandler, type Handler } from './handler.ts'

export const saslHandshake: Handler = defineHandler({
  key: ApiKey.saslHandshake,
  decode: decodeSaslHandshakeRequest,
  encode: encodeSaslHandshakeResponse,
  handle: () => ({ errorCode: ErrorCode.illegalSaslState, mechanisms: [] }),
})
