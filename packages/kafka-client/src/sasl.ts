import { randomBytes } from 'node:crypto'
import { isScramMechanism, parseJaas, ScramClient } from '@khlong/kafka-protocol/security'
import type { BrokerConnection } from './connection.ts'
import { saslAuthenticateApi, saslHandshakeApi } from './core-apis.ts'
import { clientError } from './errors.ts'
import type { ResolvedClientOptions } from './options.ts'

/**
 * Authenticates a connection by SASL PLAIN (RFC 4616) or SCRAM (RFC 5802). Gives the time in milliseconds for
 * which the broker takes it; 0 stands for as long as the connection lasts (KIP-368).
 *
 * @throws KafkaClientError `KAFKA_CLIENT_AUTHENTICATION_FAILED`
 */
export async function authenticate(
  connection: Pick<BrokerConnection, 'request'>,
  options: ResolvedClientOptions,
): Promise<number> {
  const mechanism = options['sasl.mechanism']
  const { username, password } = credentialsOf(options)
  const handshake = await connection.request(saslHandshakeApi, { mechanism })
  if (handshake.errorCode !== 0)
    throw failed(`the broker offers ${handshake.mechanisms.join(', ')}, not ${mechanism}`)
  let lifetimeMs = 0
  const exchange = async (authBytes: Buffer): Promise<Buffer> => {
    const response = await connection.request(saslAuthenticateApi, { authBytes })
    if (response.errorCode !== 0) throw failed(response.errorMessage ?? 'the broker refused')
    lifetimeMs = response.sessionLifetimeMs
    return response.authBytes
  }
  if (!isScramMechanism(mechanism)) {
    await exchange(Buffer.from(`\0${username}\0${password}`))
    return lifetimeMs
  }
  const nonce = randomBytes(24).toString('base64')
  const scram = new ScramClient({ mechanism, username, password, nonce })
  const challenge = await exchange(scram.firstMessage)
  const serverFinal = await exchange(proofOf(scram, challenge))
  if (!scram.accepts(serverFinal))
    throw failed('the broker does not know the password: its signature is wrong')
  return lifetimeMs
}

function proofOf(scram: ScramClient, challenge: Buffer): Buffer {
  try {
    return scram.finalMessage(challenge)
  } catch (cause) {
    throw failed('the broker answered with a SCRAM challenge that is not valid', cause)
  }
}

const loginModule = /^org\.apache\.kafka\.common\.security\.(plain\.Plain|scram\.Scram)LoginModule$/

function credentialsOf(options: ResolvedClientOptions): { username: string; password: string } {
  const mechanism = options['sasl.mechanism']
  const jaas = options['sasl.jaas.config']
  let username = options['sasl.username']
  let password = options['sasl.password']
  if (jaas !== undefined) {
    if (username !== undefined || password !== undefined)
      throw failed('sasl.jaas.config cannot stand beside sasl.username and sasl.password')
    const entry = readJaas(jaas)
    if (!loginModule.test(entry.loginModule))
      throw failed(`sasl.jaas.config: the login module ${entry.loginModule} is not known here`)
    username = entry.options.get('username')
    password = entry.options.get('password')
  }
  if (username === undefined || password === undefined)
    throw failed(`${mechanism} needs sasl.jaas.config, or sasl.username and sasl.password`)
  return { username, password }
}

function readJaas(text: string): ReturnType<typeof parseJaas> {
  try {
    return parseJaas(text)
  } catch (cause) {
    throw failed(`sasl.jaas.config: ${(cause as Error).message}`, cause)
  }
}

const failed = (message: string, cause?: unknown): Error =>
  clientError('KAFKA_CLIENT_AUTHENTICATION_FAILED', message, { cause })
