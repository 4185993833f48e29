import { readFileSync } from 'node:fs'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { secureContextOf } from '@khlong/kafka-protocol/security'
import type { BrokerAddress } from './address.ts'
import { clientError } from './errors.ts'
import type { ResolvedClientOptions } from './options.ts'

/**
 * Connects to a broker, by TLS where the settings say so.
 *
 * @throws KafkaClientError `KAFKA_CLIENT_DISCONNECTED`, `KAFKA_CLIENT_INVALID_ARGUMENT`
 */
export function openSocket(
  address: BrokerAddress,
  options: ResolvedClientOptions,
): Promise<Socket> {
  const timeoutMs = options['socket.connection.setup.timeout.ms']
  const where = `${address.host}:${address.port}`
  const isTls = options['security.protocol'].endsWith('SSL')
  const secure = isTls ? tlsOptionsOf(options) : {}
  return new Promise((resolve, reject) => {
    const socket = isTls
      ? connectTls({
          ...secure,
          ...address,
          ...(isIP(address.host) === 0 ? { servername: address.host } : {}),
        })
      : connectTcp(address)
    const fail = (cause?: Error): void => {
      socket.destroy()
      reject(
        clientError('KAFKA_CLIENT_DISCONNECTED', `cannot connect to ${where}`, {
          cause,
          retriable: true,
        }),
      )
    }
    const timer = setTimeout(() => fail(new Error(`not within ${timeoutMs} ms`)), timeoutMs)
    socket.once('error', fail)
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer)
      socket.off('error', fail)
      resolve(socket)
    })
    socket.once('close', () => clearTimeout(timer))
  })
}

/** Stores are read once for each client. */
const known = new WeakMap<ResolvedClientOptions, ConnectionOptions>()

function tlsOptionsOf(options: ResolvedClientOptions): ConnectionOptions {
  let found = known.get(options)
  if (!found) {
    const isNameChecked = options['ssl.endpoint.identification.algorithm'] !== ''
    try {
      found = {
        ...secureContextOf(options, readFileSync),
        ...(isNameChecked ? {} : { checkServerIdentity: () => undefined }),
        ...options.tls,
      }
    } catch (cause) {
      throw clientError('KAFKA_CLIENT_INVALID_ARGUMENT', (cause as Error).message, { cause })
    }
    known.set(options, found)
  }
  return found
}
