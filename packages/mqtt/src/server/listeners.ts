import http from 'node:http'
import type { Socket } from 'node:net'
import { formatListen, type ListenAddress, listenTcp, TcpServer } from '@khlong/core'
import type { WebSocketServer } from 'ws'

/** A door of the broker that is open. */
export interface Listener {
  readonly address: string
  /** Stops accepting and ends what is left at the deadline. */
  close(deadlineMs: number): Promise<void>
}

/** Opens a TCP listener; `onSocket` owns each connection. */
export async function listenMqtt(
  address: ListenAddress,
  onSocket: (socket: Socket) => void,
): Promise<Listener> {
  const server = new TcpServer(onSocket)
  const bound = await server.listen(address)
  return { address: formatListen(bound), close: (deadlineMs) => server.close(deadlineMs) }
}

/** Opens a WebSocket listener for the subprotocol `mqtt`, at any path. */
export async function listenWebSocket(
  address: ListenAddress,
  messageBytesMax: number,
  onWebSocket: (webSocket: import('ws').WebSocket, socket: Socket) => void,
): Promise<Listener> {
  const { WebSocketServer } = await import('ws')
  const server = http.createServer((_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain', upgrade: 'websocket' })
    response.end('MQTT over WebSocket: connect with the subprotocol mqtt\n')
  })
  const webSockets: WebSocketServer = new WebSocketServer({
    server,
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
    // Clients of MQTT 3.1 name it mqttv3.1. [MQTT-6.0.0-3]
    handleProtocols: (offered) =>
      ['mqtt', 'mqttv3.1'].find((protocol) => offered.has(protocol)) ?? false,
  })
  webSockets.on('connection', (webSocket, request) => {
    if (webSocket.protocol === '') webSocket.close(1002, 'the subprotocol mqtt is needed')
    else onWebSocket(webSocket, request.socket)
  })
  const bound = await listenTcp(server, address)
  return {
    address: formatListen(bound),
    close: async (deadlineMs) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const cut = setTimeout(() => {
        for (const webSocket of webSockets.clients) webSocket.terminate()
        server.closeAllConnections()
      }, deadlineMs)
      for (const webSocket of webSockets.clients) webSocket.close(1001)
      server.closeIdleConnections()
      await closed
      clearTimeout(cut)
    },
  }
}
