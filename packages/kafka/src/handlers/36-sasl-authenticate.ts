// SaslAuthenticate v0–2: 1 session lifetime (KIP-368) · 2 flexible. A login is answered by the connection;
// here come those who are logged in already, or who need not be.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeSaslAuthenticateRequest,
  encodeSaslAuthenticateResponse,
} from '@khlong/kafka-protocol/messages/sasl-authenticate'
import { defineHandler, type Handler } from './handler.ts'

export const saslAuthenticate: Handler = defineHandler({
  key: ApiKey.saslAuthenticate,
  decode: decodeSaslAuthenticateRequest,
  encode: encodeSaslAuthenticateResponse,
  handle: () => ({
    errorCode: ErrorCode.illegalSaslState,
    errorMessage: 'SaslAuthenticate request received after successful authentication',
    authBytes: Buffer.alloc(0),
  }),
})
