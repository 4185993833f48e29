import type { AddressInfo, Server, Socket } from 'node:net'
import net from 'node:net'
import { CodedError } from './errors.ts'

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/**
 * Reads `1883`, `"1883"`, `"127.0.0.1:1883"` or `"[::1]:1883"`. Without a host it is 127.0.0.1.
 *
 * @throws CodedError `LISTEN_INVALID`
 */
export function parseListen(listen: number | string, defaultHost = '127.0.0.1'): ListenAddress {
  const match = /^(?:\[([^\]]+)\]:|([^:[\]]+):)?(\d{1,5})$/.exec(String(listen))
  const port = Number(match?.[3])
  if (!match || port > 65_535)
    throw new CodedError(
      'LISTEN_INVALID',
      `expected PORT or HOST:PORT to listen on, found ${listen}`,
    )
  return { host: match[1] ?? match[2] ?? defaultHost, port }
}

/** `host:port`, with brackets around an IPv6 host. */
export function formatListen(address: ListenAddress): string {
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}

/** Whether an address that was listened on or connected from is this machine's own. */
export function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false
  const bare = address.replace(/^::ffff:/, '')
  return bare === 'localhost' || bare === '::1' || (net.isIP(bare) === 4 && bare.startsWith('127.'))
}

/**
 * Listens and resolves with the address in use.
 *
 * @throws CodedError `LISTEN_TAKEN` where another process has the port, `LISTEN_FAILED` otherwise.
 */
export async function listenTcp(server: Server, address: ListenAddress): Promise<ListenAddress> {
  await new Promise<void>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      const taken = error.code === 'EADDRINUSE'
      const where = formatListen(address)
      reject(
        new CodedError(
          taken ? 'LISTEN_TAKEN' : 'LISTEN_FAILED',
          taken ? `${where} is taken by another process` : `could not listen on ${where}`,
          { cause: error, fields: { host: address.host, port: address.port } },
        ),
      )
    }
    server.once('error', onError)
    server.listen({ host: address.host, port: address.port }, () => {
      server.off('error', onError)
      resolve()
    })
  })
  return { host: address.host, port: (server.address() as AddressInfo).port }
}

export interface TcpServerOptions {
  readonly noDelay?: boolean
  /** Makes another kind of server, such as one of TLS. */
  createServer?(options: { readonly noDelay: boolean }, onClient: (socket: Socket) => void): Server
}

/** A TCP server that knows its connections, so that it can be stopped by a deadline. */
export class TcpServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** What is served: the sockets themselves, or what is made of them. */
  readonly #clients = new Set<Socket>()

  /** `onSocket` owns each socket; an error on a socket that it does not handle closes that socket only. */
  constructor(onSocket: (socket: Socket) => void, options: TcpServerOptions = {}) {
    const noDelay = options.noDelay ?? true
    const onClient = (socket: Socket): void => {
      this.#clients.add(socket)
      socket.on('error', () => socket.destroy())
      socket.once('close', () => this.#clients.delete(socket))
      onSocket(socket)
    }
    this.#server =
      options.createServer?.({ noDelay }, onClient) ?? net.createServer({ noDelay }, onClient)
    // Those that are still in a handshake, too.
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  get connectionCount(): number {
    return this.#sockets.size
  }

  listen(address: ListenAddress): Promise<ListenAddress> {
    return listenTcp(this.#server, address)
  }

  /** Stops accepting, ends each connection after what is written, and cuts what is left at the deadline. */
  async close(deadlineMs: number): Promise<void> {
    if (!this.#server.listening && this.#sockets.size === 0) return
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    for (const client of this.#clients) client.end()
    const cut = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy()
    }, deadlineMs)
    await closed
    clearTimeout(cut)
  }
}
