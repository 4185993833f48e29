import type { AddressInfo } from 'node:net'
import { CodedError, formatListen, type ListenAddress } from '@khlong/core'
import type { FastifyInstance } from 'fastify'

/**
 * Listens and gives `host:port`.
 *
 * @throws CodedError `LISTEN_TAKEN`, `LISTEN_FAILED`
 */
export async function listenApp(app: FastifyInstance, address: ListenAddress): Promise<string> {
  try {
    await app.listen({ host: address.host, port: address.port })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code?.startsWith('FST_')) throw error
    const taken = code === 'EADDRINUSE'
    const where = formatListen(address)
    throw new CodedError(
      taken ? 'LISTEN_TAKEN' : 'LISTEN_FAILED',
      taken ? `${where} is taken by another process` : `could not listen on ${where}`,
      { cause: error, fields: { host: address.host, port: address.port } },
    )
  }
  const { port } = app.server.address() as AddressInfo
  return formatListen({ host: address.host, port })
}
