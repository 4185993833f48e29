import { readFileSync } from 'node:fs'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { secureContextOf } from '@khlong/kafka-protocol/security'
import type { BrokerAddress } from './address.ts'
import { clientError } from './errors.ts'
import type { ResolvedClientOptions } from './options.ts'

/** Bytes of a socket that are read at once. */
const readBytes = 64 * 1024

/** A socket that is connected. What it reads is given in its own buffer, which is used again afterwards. */
export interface OpenSocket {
  readonly socket: Socket
  onBytes: (bytes: Buffer, byteCount: number) => void
}

/**
 * Connects to a broker, by TLS where the settings say so.
 *
 * @throws KafkaClientError `KAFKA_CLIENT_DISCONNECTED`, `KAFKA_CLIENT_INVALID_ARGUMENT`
 */
export function openSocket(
  address: BrokerAddress,
  options: ResolvedClientOptions,
): Promise<OpenSocket> {
  const timeoutMs = options['socket.connection.setup.timeout.ms']
  const where = `${address.host}:${address.port}`
  const isTls = options['security.protocol'].endsWith('SSL')
  const secure = isTls ? tlsOptionsOf(options) : {}
  return new Promise((resolve, reject) => {
    const buffer = Buffer.allocUnsafeSlow(readBytes)
    let opened: OpenSocket | undefined
    // Brokers say nothing before they are asked.
    const callback = (byteCount: number): boolean => {
      opened?.onBytes(buffer, byteCount)
      return true
    }
    const target = { ...address, onread: { buffer, callback } }
    const socket = isTls
      ? connectTls({
          ...secure,
          ...target,
          ...(isIP(address.host) === 0 ? { servername: address.host } : {}),
        })
      : connectTcp(target)
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
      opened = { socket, onBytes: () => {} }
      resolve(opened)
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
