import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'

/** Bytes to and from one client, whatever carries them. */
export interface Transport {
  /** Whether bytes gather in it before they come as data: those are told by `onRaw`. */
  readonly isFramed: boolean
  readonly remoteAddress: string
  /** Bytes that were written and have not left the process. */
  readonly bufferedBytes: number
  /** Bytes that have left, for telling whether a peer still reads. */
  readonly sentBytes: number
  write(bytes: Buffer): void
  pause(): void
  resume(): void
  /** Ends after what was written has left. */
  end(): void
  /** Ends now. */
  destroy(): void
}

/** What a transport tells its connection. */
export interface TransportEvents {
  onData(chunk: Buffer): void
  /** So many bytes have come of what may become data; gives whether it wants to know of more. */
  onRaw(byteCount: number): boolean
  /** What was buffered has left. */
  onDrain(): void
  onClose(): void
}

const addressOf = (socket: Socket): string => `${socket.remoteAddress}:${socket.remotePort}`

/** MQTT over TCP. */
export function tcpTransport(socket: Socket, events: TransportEvents): Transport {
  const remoteAddress = addressOf(socket)
  socket.on('data', (chunk) => events.onData(chunk as Buffer))
  socket.on('drain', () => events.onDrain())
  socket.on('close', () => events.onClose())
  return {
    isFramed: false,
    remoteAddress,
    get bufferedBytes() {
      return socket.writableLength
    },
    get sentBytes() {
      return socket.bytesWritten - socket.writableLength
    },
    write: (bytes) => {
      if (socket.writable) socket.write(bytes)
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => socket.destroySoon(),
    destroy: () => void socket.destroy(),
  }
}

/** MQTT over WebSocket (MQTT 5 section 6): packets may share a frame or be spread over several. */
export function webSocketTransport(
  webSocket: WebSocket,
  socket: Socket,
  events: TransportEvents,
): Transport {
  const remoteAddress = addressOf(socket)
  webSocket.binaryType = 'nodebuffer'
  webSocket.on('message', (data, isBinary) => {
    // [MQTT-6.0.0-1]: other than binary frames end the connection.
    if (isBinary) events.onData(data as Buffer)
    else webSocket.close(1003)
  })
  const onRaw = (chunk: Buffer): void => {
    if (!events.onRaw(chunk.length)) socket.off('data', onRaw)
  }
  socket.on('data', onRaw)
  const onDrain = (): void => events.onDrain()
  socket.on('drain', onDrain)
  webSocket.on('error', () => webSocket.terminate())
  webSocket.on('close', () => {
    socket.off('drain', onDrain)
    socket.off('data', onRaw)
    events.onClose()
  })
  return {
    isFramed: true,
    remoteAddress,
    get bufferedBytes() {
      return webSocket.bufferedAmount
    },
    get sentBytes() {
      return socket.bytesWritten - socket.writableLength
    },
    write: (bytes) => {
      if (webSocket.readyState === webSocket.OPEN) webSocket.send(bytes)
    },
    pause: () => webSocket.pause(),
    resume: () => webSocket.resume(),
    end: () => webSocket.close(1000),
    destroy: () => webSocket.terminate(),
  }
}
