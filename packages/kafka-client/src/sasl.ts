import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { BrokerConnection } from './connection.ts'
import { saslAuthenticateApi, saslHandshakeApi } from './core-apis.ts'
import { clientError } from './errors.ts'
import type { ResolvedClientOptions } from './options.ts'

const derive = promisify(pbkdf2)

/**
 * Authenticates a fresh connection by SASL PLAIN (RFC 4616) or SCRAM (RFC 5802).
 *
 * @throws KafkaClientError `KAFKA_CLIENT_AUTHENTICATION_FAILED`
 */
export async function authenticate(
  connection: BrokerConnection,
  options: ResolvedClientOptions,
): Promise<void> {
  const mechanism = options['sasl.mechanism']
  const username = options['sasl.username']
  const password = options['sasl.password']
  if (username === undefined || password === undefined)
    throw failed(`${mechanism} needs sasl.username and sasl.password`)
  const handshake = await connection.request(saslHandshakeApi, { mechanism })
  if (handshake.errorCode !== 0)
    throw failed(`the broker offers ${handshake.mechanisms.join(', ')}, not ${mechanism}`)
  const exchange = async (authBytes: Buffer): Promise<Buffer> => {
    const response = await connection.request(saslAuthenticateApi, { authBytes })
    if (response.errorCode !== 0) throw failed(response.errorMessage ?? 'the broker refused')
    return response.authBytes
  }
  if (mechanism === 'PLAIN') await exchange(Buffer.from(`\0${username}\0${password}`))
  else
    await scram(mechanism === 'SCRAM-SHA-512' ? 'sha512' : 'sha256', username, password, exchange)
}

async function scram(
  digest: 'sha256' | 'sha512',
  username: string,
  password: string,
  exchange: (bytes: Buffer) => Promise<Buffer>,
): Promise<void> {
  const nonce = randomBytes(24).toString('base64')
  const name = username.replaceAll('=', '=3D').replaceAll(',', '=2C')
  const firstBare = `n=${name},r=${nonce}`
  const serverFirst = (await exchange(Buffer.from(`n,,${firstBare}`))).toString('utf8')
  const { r: serverNonce, s: salt, i: iterationText } = attributes(serverFirst)
  const iterations = Number(iterationText)
  if (!serverNonce?.startsWith(nonce) || salt === undefined || !(iterations >= 4096))
    throw failed('the broker answered with a SCRAM challenge that is not valid')
  const length = digest === 'sha512' ? 64 : 32
  const salted = await derive(
    password.normalize('NFKC'),
    Buffer.from(salt, 'base64'),
    iterations,
    length,
    digest,
  )
  const hmac = (key: Buffer, text: string): Buffer => createHmac(digest, key).update(text).digest()
  const clientKey = hmac(salted, 'Client Key')
  const storedKey = createHash(digest).update(clientKey).digest()
  const finalWithoutProof = `c=biws,r=${serverNonce}`
  const authMessage = `${firstBare},${serverFirst},${finalWithoutProof}`
  const proof = hmac(storedKey, authMessage)
  for (let index = 0; index < proof.byteLength; index++) proof[index]! ^= clientKey[index]!
  const serverFinal = await exchange(
    Buffer.from(`${finalWithoutProof},p=${proof.toString('base64')}`),
  )
  const signature = Buffer.from(attributes(serverFinal.toString('utf8')).v ?? '', 'base64')
  const expected = hmac(hmac(salted, 'Server Key'), authMessage)
  if (signature.byteLength !== expected.byteLength || !timingSafeEqual(signature, expected))
    throw failed('the broker does not know the password: its signature is wrong')
}

function attributes(text: string): Record<string, string | undefined> {
  const values: Record<string, string | undefined> = {}
  for (const part of text.split(',')) values[part[0] ?? ''] = part.slice(2)
  return values
}

const failed = (message: string): Error =>
  clientError('KAFKA_CLIENT_AUTHENTICATION_FAILED', message)
