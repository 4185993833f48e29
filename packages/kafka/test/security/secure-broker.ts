import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Reader } from '@khlong/core/bytes'
import { ApiKey } from '@khlong/kafka-protocol'
import { encodeAlterUserScramCredentialsRequest } from '@khlong/kafka-protocol/messages/alter-user-scram-credentials'
import {
  decodeMetadataResponse,
  encodeMetadataRequest,
  type MetadataResponse,
} from '@khlong/kafka-protocol/messages/metadata'
import {
  decodeSaslAuthenticateResponse,
  encodeSaslAuthenticateRequest,
  type SaslAuthenticateResponse,
} from '@khlong/kafka-protocol/messages/sasl-authenticate'
import {
  decodeSaslHandshakeResponse,
  encodeSaslHandshakeRequest,
  type SaslHandshakeResponse,
} from '@khlong/kafka-protocol/messages/sasl-handshake'
import { type ScramMechanism, saltPassword, scramMechanisms } from '@khlong/kafka-protocol/security'
import type { KafkaOptions } from '../../src/index.ts'
import { Wire } from '../wire.ts'

/** A file of `vectors/tls`. */
export const tlsFile = (name: string): string =>
  fileURLToPath(new URL(`../vectors/tls/${name}`, import.meta.url))
export const tlsText = (name: string): string => readFileSync(tlsFile(name), 'utf8')

const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule'

/** One listener of each protocol on free ports; users alice, bob and admin, of whom admin may do everything. */
export const secureListeners: KafkaOptions = {
  listeners:
    'PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0,SASL_SSL://localhost:0',
  'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
  ...Object.fromEntries(
    ['sasl_plaintext', 'sasl_ssl'].map((name) => [
      `listener.name.${name}.plain.sasl.jaas.config`,
      `${plain} required user_alice="alice-secret" user_bob="bob-secret" user_admin="admin-secret";`,
    ]),
  ),
  'ssl.keystore.type': 'PEM',
  'ssl.keystore.key': tlsText('server.key'),
  'ssl.keystore.certificate.chain': tlsText('server.crt'),
  'ssl.truststore.type': 'PEM',
  'ssl.truststore.certificates': tlsText('ca.crt'),
  'ssl.client.auth': 'requested',
  'connection.failed.authentication.delay.ms': 1,
}

export async function handshake(
  wire: Wire,
  mechanism: string,
  version = 1,
): Promise<SaslHandshakeResponse> {
  const reader = await wire.send(ApiKey.saslHandshake, version, (writer) =>
    encodeSaslHandshakeRequest(writer, { mechanism }, version),
  )
  return decodeSaslHandshakeResponse(reader, version)
}

export async function authenticate(
  wire: Wire,
  authBytes: Uint8Array | string,
  version = 2,
): Promise<SaslAuthenticateResponse> {
  const reader = await wire.send(ApiKey.saslAuthenticate, version, (writer) =>
    encodeSaslAuthenticateRequest(writer, { authBytes: Buffer.from(authBytes) }, version),
  )
  return decodeSaslAuthenticateResponse(reader, version)
}

/** A connection that is logged in by PLAIN. */
export async function openAs(address: string, name: string): Promise<Wire> {
  const wire = await Wire.open(address)
  await handshake(wire, 'PLAIN')
  await authenticate(wire, `\0${name}\0${name}-secret`)
  return wire
}

export async function metadata(wire: Wire): Promise<MetadataResponse> {
  const reader: Reader = await wire.send(ApiKey.metadata, 9, (writer) =>
    encodeMetadataRequest(writer, { topics: null }, 9),
  )
  return decodeMetadataResponse(reader, 9)
}

/** Sets a user's password for SCRAM. */
export async function setScramPassword(
  wire: Wire,
  name: string,
  password: string,
  mechanism: ScramMechanism,
): Promise<void> {
  const salt = Buffer.from(`salt of ${name}`)
  await wire.send(ApiKey.alterUserScramCredentials, 0, (writer) =>
    encodeAlterUserScramCredentialsRequest(
      writer,
      {
        deletions: [],
        upsertions: [
          {
            name,
            mechanism: scramMechanisms[mechanism].type,
            iterations: 4096,
            salt,
            saltedPassword: saltPassword(mechanism, password, salt, 4096),
          },
        ],
      },
      0,
    ),
  )
}
