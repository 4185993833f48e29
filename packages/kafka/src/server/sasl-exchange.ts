import type { Reader } from '@khlong/core/bytes'
import { ApiKey } from '@khlong/kafka-protocol'
import {
  decodeSaslAuthenticateRequest,
  encodeSaslAuthenticateResponse,
} from '@khlong/kafka-protocol/messages/sasl-authenticate'
import {
  decodeSaslHandshakeRequest,
  encodeSaslHandshakeResponse,
} from '@khlong/kafka-protocol/messages/sasl-handshake'
import type { ResponseWriter } from '../handlers/handler.ts'
import type { SaslSession } from '../security/sasl-session.ts'

/** Whether an API belongs to the login. */
export function isLoginApi(apiKey: number): boolean {
  return apiKey === ApiKey.saslHandshake || apiKey === ApiKey.saslAuthenticate
}

/** Answers a request of the login. @throws where the frame is malformed or the request comes at the wrong time */
export function answerLogin(
  session: SaslSession,
  apiKey: number,
  version: number,
  reader: Reader,
  nowMs: number,
): ResponseWriter | undefined {
  if (apiKey === ApiKey.saslHandshake) {
    if (session.isBusy && !session.isBeforeHandshake) return undefined
    const { mechanism } = decodeSaslHandshakeRequest(reader, version)
    reader.finish()
    const answer = session.handshake(mechanism, version)
    return (writer) => encodeSaslHandshakeResponse(writer, answer, version)
  }
  if (!session.isBusy || session.isBeforeHandshake) return undefined
  const { authBytes } = decodeSaslAuthenticateRequest(reader, version)
  reader.finish()
  const answer = session.authenticate(authBytes, nowMs)
  return (writer) => encodeSaslAuthenticateResponse(writer, answer, version)
}
