import type { Socket } from 'node:net'
import type { Logger } from '@khlong/core'
import type { WebSocket } from 'ws'
import type { ResolvedListener } from '../listener-options.ts'
import type { BrokerCounters } from '../state/counters.ts'
import type { AccessControl, Reloaded } from './access-control.ts'
import { Connection } from './connection.ts'
import type { ConnectionHost } from './connection-host.ts'
import { type OpenListener, openListener } from './listeners.ts'
import { peerOf } from './peer.ts'
import type { Strangers } from './strangers.ts'
import {
  type Transport,
  type TransportEvents,
  tcpTransport,
  webSocketTransport,
} from './transport.ts'

/** A listener with those who came in by it. */
interface Door {
  /** Changes where its rules are read again. */
  listener: ResolvedListener
  readonly host: ConnectionHost
  readonly connections: Set<Connection>
  open: OpenListener | undefined
}

/** What the doors need of their broker. */
export interface DoorsOptions {
  readonly listeners: readonly ResolvedListener[]
  readonly messageBytesMax: number
  readonly access: AccessControl
  readonly counters: BrokerCounters
  readonly strangers: Strangers
  readonly logger: Logger
  /** What connections of a listener have of the broker; `listener` gives what holds now. */
  makeHost(listener: () => ResolvedListener): ConnectionHost
}

/** All listeners of the broker, and who has come in by them. */
export class Doors {
  readonly #options: DoorsOptions
  readonly #doors: Door[]

  constructor(options: DoorsOptions) {
    this.#options = options
    this.#doors = options.listeners.map((listener) => {
      const door: Door = {
        listener,
        host: options.makeHost(() => door.listener),
        connections: new Set(),
        open: undefined,
      }
      return door
    })
  }

  /** By name, those that are open. */
  get addresses(): Record<string, string> {
    const addresses: Record<string, string> = {}
    for (const { listener, open } of this.#doors) if (open) addresses[listener.name] = open.address
    return addresses
  }

  *connections(): Generator<Connection> {
    for (const { connections } of this.#doors) yield* connections
  }

  /** Opens those for the pipeline's own clients, or the others. */
  async open(kind: 'internal' | 'public'): Promise<void> {
    const { logger } = this.#options
    for (const door of this.#doors) {
      const { listener } = door
      if (listener.isInternal !== (kind === 'internal') || door.open) continue
      door.open = await openListener(
        listener,
        this.#options.access.contextOf(listener),
        this.#options.messageBytesMax,
        {
          onSocket: (socket) => this.#socket(door, socket),
          onWebSocket: (webSocket, socket) => this.#webSocket(door, webSocket, socket),
          onTlsFailure: (error) => {
            this.#options.counters.tlsFailures++
            logger.debug({ listener: listener.name, err: error }, 'TLS handshake failed')
          },
        },
      )
      logger.info({ listener: listener.name, address: door.open.address }, 'listening')
    }
  }

  /** The rules have changed: whoever may not be here any more goes. */
  review({ listeners, contexts, distrusted }: Reloaded): void {
    for (const door of this.#doors) {
      const { name } = door.listener
      door.listener = listeners.find((listener) => listener.name === name) ?? door.listener
      const context = contexts.get(name)
      if (context) door.open?.renew(context)
      for (const connection of [...door.connections]) connection.review(distrusted.has(name))
    }
  }

  /** Ends every connection, then closes; what is left at the deadline is cut. */
  async close(reason: number, deadlineMs: number): Promise<void> {
    const open = this.#doors.map((door) => {
      const { open: listener } = door
      door.open = undefined
      return listener
    })
    for (const connection of this.connections()) connection.close(reason)
    await Promise.all(open.map((listener) => listener?.close(deadlineMs)))
  }

  #socket(door: Door, socket: Socket): void {
    const isIn = this.#accept(door, socket, (events) => tcpTransport(socket, events))
    if (!isIn) socket.destroy()
  }

  #webSocket(door: Door, webSocket: WebSocket, socket: Socket): void {
    const isIn = this.#accept(door, socket, (events) =>
      webSocketTransport(webSocket, socket, events),
    )
    if (!isIn) webSocket.terminate()
  }

  #accept(door: Door, socket: Socket, open: (events: TransportEvents) => Transport): boolean {
    const { counters, strangers } = this.#options
    const { listener, connections } = door
    const { max_connections: max, isInternal, access } = listener
    const isFull = max >= 0 && connections.size >= max
    const isFlooded = strangers.isFull && !isInternal && !access.allow_anonymous
    if (!door.open || isFull || isFlooded) {
      counters.connectionsRefused++
      return false
    }
    counters.connectionsAccepted++
    let connection: Connection | undefined
    const transport = open({
      onData: (chunk) => connection?.onData(chunk),
      onRaw: (byteCount) => connection?.onRaw(byteCount) ?? true,
      onDrain: () => connection?.onDrain(),
      onClose: () => {
        connection?.onClose()
        if (connection) connections.delete(connection)
      },
    })
    connection = new Connection(door.host, transport, peerOf(socket, listener))
    connections.add(connection)
    return true
  }
}
