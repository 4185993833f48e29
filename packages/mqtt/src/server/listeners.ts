import http from 'node:http'
import type { Socket } from 'node:net'
import net from 'node:net'
import type tls from 'node:tls'
import { formatListen, type ListenAddress, listenTcp } from '@khlong/core'
import type { WebSocketServer } from 'ws'
import { isLoopback, type ResolvedListener } from '../listener-options.ts'

/** A listener of the broker that is open. */
export interface OpenListener {
  readonly address: string
  /** Serves other certificates to those who come from now on. */
  renew(context: tls.SecureContextOptions): void
  /** Stops accepting and ends what is left at the deadline. */
  close(deadlineMs: number): Promise<void>
}

/** What a listener does with who comes. */
export interface ListenerEvents {
  onSocket(socket: Socket): void
  onWebSocket(webSocket: import('ws').WebSocket, socket: Socket): void
  /** A handshake failed: no TLS, or no certificate that is trusted. */
  onTlsFailure(error: Error): void
}

/** A connection that is not a TLS connection by then is cut. */
const handshakeMs = 10_000

/** Opens a listener; `context` is what one of TLS serves. */
export async function openListener(
  listener: ResolvedListener,
  context: tls.SecureContextOptions | undefined,
  messageBytesMax: number,
  events: ListenerEvents,
): Promise<OpenListener> {
  const secure: tls.TlsOptions | undefined = listener.tls &&
    context && {
      ...context,
      requestCert: listener.tls.require_certificate,
      rejectUnauthorized: listener.tls.require_certificate,
      handshakeTimeout: handshakeMs,
    }
  const { server, end, renew } =
    listener.protocol === 'mqtt'
      ? await mqttServer(secure, events)
      : await webSocketServer(listener, secure, messageBytesMax, events)
  server.on('tlsClientError', (error: Error) => events.onTlsFailure(error))
  // Sockets of all kinds, those in a handshake too: nothing may hold the end up.
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const bound = await listenTcp(server, listener.address)
  return {
    address: displayed(bound),
    renew,
    close: async (deadlineMs) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      end()
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, deadlineMs)
      await closed
      clearTimeout(cut)
    },
  }
}

const displayed = ({ host, port }: ListenAddress): string =>
  formatListen({ host: host === '' ? '0.0.0.0' : host, port })

interface Served {
  readonly server: net.Server
  /** Ends each connection after what is written. */
  end(): void
  renew(context: tls.SecureContextOptions): void
}

// TLS costs megabytes, and is loaded where it is spoken.
async function mqttServer(
  secure: tls.TlsOptions | undefined,
  events: ListenerEvents,
): Promise<Served> {
  const clients = new Set<Socket>()
  const onClient = (socket: Socket): void => {
    clients.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => clients.delete(socket))
    events.onSocket(socket)
  }
  const secureServer = secure
    ? (await import('node:tls')).createServer({ ...secure, noDelay: true }, onClient)
    : undefined
  return {
    server: secureServer ?? net.createServer({ noDelay: true }, onClient),
    renew: (context) => secureServer?.setSecureContext(context),
    end: () => {
      for (const socket of clients) socket.end()
    },
  }
}

/** MQTT over WebSocket, at any path, for the subprotocol `mqtt`. */
async function webSocketServer(
  listener: ResolvedListener,
  secure: tls.TlsOptions | undefined,
  messageBytesMax: number,
  events: ListenerEvents,
): Promise<Served> {
  const { WebSocketServer } = await import('ws')
  const answer: http.RequestListener = (_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain', upgrade: 'websocket' })
    response.end('MQTT over WebSocket: connect with the subprotocol mqtt\n')
  }
  const secureServer = secure
    ? (await import('node:https')).createServer(secure, answer)
    : undefined
  const server = secureServer ?? http.createServer(answer)
  // Without an upgrade there is nothing to wait for.
  server.requestTimeout = handshakeMs
  server.headersTimeout = handshakeMs
  const webSockets: WebSocketServer = new WebSocketServer({
    server,
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
    verifyClient: ({ origin }, done) => {
      const isAllowed = mayConnect(origin, listener)
      done(isAllowed, 403, isAllowed ? undefined : 'web page not in websockets_origin')
    },
    // Clients of MQTT 3.1 name it mqttv3.1. [MQTT-6.0.0-3]
    handleProtocols: (offered) =>
      ['mqtt', 'mqttv3.1'].find((protocol) => offered.has(protocol)) ?? false,
  })
  webSockets.on('connection', (webSocket, request) => {
    if (webSocket.protocol === '') webSocket.close(1002, 'the subprotocol mqtt is needed')
    else events.onWebSocket(webSocket, request.socket)
  })
  return {
    server,
    renew: (context) => secureServer?.setSecureContext(context),
    end: () => {
      for (const webSocket of webSockets.clients) webSocket.close(1001)
      server.closeIdleConnections()
    },
  }
}

/**
 * Whether a web page may connect. Programs send no origin. Where nothing but the loopback address
 * keeps strangers out, a page of another host must not use the browser of this one to come in.
 */
function mayConnect(origin: string | undefined, listener: ResolvedListener): boolean {
  const { websockets_origin: allowed, access, address } = listener
  if (origin === undefined) return true
  if (allowed) return allowed.includes('*') || allowed.includes(origin)
  if (!isLoopback(address.host) || !access.allow_anonymous) return true
  const host = URL.parse(origin)?.hostname.replace(/^\[|\]$/g, '')
  return host !== undefined && isLoopback(host)
}
