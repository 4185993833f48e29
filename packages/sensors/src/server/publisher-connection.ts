import net from 'node:net'
import tls from 'node:tls'
import type { Clock, Logger, Random, TimerHandle } from '@khlong/core'
import {
  AnswerReader,
  disconnect,
  encodeConnect,
  encodePublish,
  encodePubrel,
  pingreq,
} from '../protocol/mqtt-client-codec.ts'

/** A message for the broker; `topic`, `qos` and `retain` may be shared by many. */
export interface Outgoing {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly payload: string
}

/** What a connection tells whoever publishes on it. */
export interface PublisherEvents<Item> {
  /** An item left for the first time. */
  onSent(item: Item): void
  /** The broker is done with an item; for QoS 0, when it has left. */
  onAcknowledged(item: Item): void
  /** There is room for more. */
  onReady?(): void
}

/** Where to connect, as whom, and how much at once. */
export interface PublisherConnectionOptions {
  readonly url: URL
  readonly clientId: string
  readonly inFlightMax: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

const keepAliveSeconds = 60
const reconnectMinMs = 100
const reconnectMaxMs = 5_000
const connectTimeoutMs = 10_000

interface InFlight<Item> {
  readonly item: Item
  readonly message: Outgoing
}

/**
 * A connection to a broker that only publishes.
 *
 * What was sent and not acknowledged is sent again, in order and with DUP, after a reconnect. The
 * caller keeps what waits, and asks `hasRoom` before it gives more.
 */
export class PublisherConnection<Item> {
  readonly #options: PublisherConnectionOptions
  readonly #events: PublisherEvents<Item>
  readonly #inFlight = new Map<number, InFlight<Item>>()
  #socket: net.Socket | undefined
  #output: Buffer[] = []
  #isFlushDue = false
  #timer: TimerHandle | undefined
  #backoffMs = reconnectMinMs
  #lastPacketId = 0
  #isClosed = false
  #drained: (() => void) | undefined
  isConnected = false

  constructor(options: PublisherConnectionOptions, events: PublisherEvents<Item>) {
    this.#options = options
    this.#events = events
  }

  get inFlightCount(): number {
    return this.#inFlight.size
  }
  get hasRoom(): boolean {
    return (
      this.isConnected &&
      this.#inFlight.size < this.#options.inFlightMax &&
      !this.#socket?.writableNeedDrain
    )
  }

  /** Connects, and goes on connecting until it is closed. */
  open(): void {
    const { url, clientId } = this.#options
    const isTls = url.protocol === 'mqtts:'
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const port = Number(url.port || (isTls ? 8883 : 1883))
    const socket = isTls ? tls.connect({ host, port }) : net.connect({ host, port, noDelay: true })
    this.#socket = socket
    const reader = new AnswerReader()
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#lost(socket))
    socket.on('drain', () => this.#events.onReady?.())
    socket.on('data', (chunk) => {
      const answers = reader.read(chunk as Buffer)
      if (!answers) {
        this.#options.logger.warn({ clientId }, 'the broker says what no publisher expects')
        socket.destroy()
        return
      }
      for (const answer of answers)
        if (answer.kind === 'connack') this.#connected(socket, answer.code)
        else if (answer.kind === 'pubrec') this.#write(encodePubrel(answer.packetId))
        else if (answer.kind !== 'pingresp') this.#acknowledged(answer.packetId)
      if (this.hasRoom) this.#events.onReady?.()
    })
    const field = (text: string): string | undefined => decodeURIComponent(text) || undefined
    const [username, password] = [field(url.username), field(url.password)]
    this.#write(encodeConnect({ clientId, keepAliveSeconds, username, password }))
    this.#timer = this.#options.clock.setTimer(() => socket.destroy(), connectTimeoutMs)
  }

  /** Sends one message. The caller has asked for room. */
  publish(item: Item, message: Outgoing): void {
    const { qos } = message
    const packetId = qos > 0 ? this.#nextPacketId() : 0
    if (qos > 0) this.#inFlight.set(packetId, { item, message })
    this.#write(encodePublish({ ...message, packetId, isDuplicate: false }))
    this.#events.onSent(item)
    if (qos === 0) this.#events.onAcknowledged(item)
  }

  /** Breaks the connection as a bad network does; it comes back by itself. */
  cut(): void {
    this.#socket?.destroy()
  }

  /** Waits for acknowledgements until the deadline, then ends. */
  async close(deadlineMs: number): Promise<void> {
    if (this.isConnected && this.#inFlight.size > 0)
      await new Promise<void>((resolve) => {
        this.#drained = resolve
        this.#options.clock.setTimer(resolve, deadlineMs)
      })
    this.#isClosed = true
    if (this.#timer) this.#options.clock.clearTimer(this.#timer)
    const socket = this.#socket
    if (!socket) return
    const closed = new Promise<void>((resolve) => {
      if (socket.closed) resolve()
      else socket.once('close', () => resolve())
    })
    if (this.isConnected) {
      this.#flush()
      socket.write(disconnect)
      socket.destroySoon()
      this.#options.clock.setTimer(() => socket.destroy(), 500)
    } else socket.destroy()
    await closed
  }

  #connected(socket: net.Socket, code: number): void {
    const { clientId, clock, logger } = this.#options
    if (this.#timer) clock.clearTimer(this.#timer)
    if (code !== 0) {
      logger.warn({ clientId, code }, 'the broker refuses the connection')
      socket.destroy()
      return
    }
    this.isConnected = true
    this.#backoffMs = reconnectMinMs
    this.#ping()
    for (const [packetId, { message }] of this.#inFlight)
      this.#write(encodePublish({ ...message, packetId, isDuplicate: true }))
    this.#events.onReady?.()
  }

  #ping(): void {
    this.#timer = this.#options.clock.setTimer(
      () => {
        this.#write(pingreq)
        this.#ping()
      },
      (keepAliveSeconds / 2) * 1_000,
    )
  }

  #lost(socket: net.Socket): void {
    if (socket !== this.#socket) return
    const { clock, random, clientId, logger } = this.#options
    if (this.#timer) clock.clearTimer(this.#timer)
    this.isConnected = false
    this.#socket = undefined
    this.#output = []
    this.#drained?.()
    if (this.#isClosed) return
    logger.debug({ clientId, backoffMs: this.#backoffMs }, 'connection lost')
    this.#timer = clock.setTimer(() => this.open(), this.#backoffMs * (0.5 + random.next()))
    this.#backoffMs = Math.min(reconnectMaxMs, this.#backoffMs * 2)
  }

  #acknowledged(packetId: number): void {
    const found = this.#inFlight.get(packetId)
    if (!found) return
    this.#inFlight.delete(packetId)
    this.#events.onAcknowledged(found.item)
    if (this.#inFlight.size === 0) this.#drained?.()
  }

  #nextPacketId(): number {
    do {
      this.#lastPacketId = this.#lastPacketId >= 65_535 ? 1 : this.#lastPacketId + 1
    } while (this.#inFlight.has(this.#lastPacketId))
    return this.#lastPacketId
  }

  /** What is written in one tick leaves as one. */
  #write(bytes: Buffer): void {
    this.#output.push(bytes)
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    process.nextTick(() => this.#flush())
  }

  #flush(): void {
    this.#isFlushDue = false
    const output = this.#output
    if (output.length === 0 || !this.#socket?.writable) return
    this.#output = []
    this.#socket.write(output.length === 1 ? output[0]! : Buffer.concat(output))
  }
}
