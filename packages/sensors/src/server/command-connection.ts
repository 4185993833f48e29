import net from 'node:net'
import tls from 'node:tls'
import type { Clock, Logger, Random, TimerHandle } from '@khlong/core'
import {
  type DevicePacket,
  DevicePacketReader,
  encodePuback,
  encodeSubscribe,
} from '../protocol/device-codec.ts'
import { disconnect, encodeConnect, encodePublish, pingreq } from '../protocol/mqtt-client-codec.ts'

/** Where to connect, and for which devices. */
export interface CommandConnectionOptions {
  readonly url: URL
  /** The same at every start: the broker knows the session by it. */
  readonly clientId: string
  readonly deviceIds: readonly string[]
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Does what a command says; resolved, when that is durable, with what the device answers. */
  onCommand(deviceId: string, payload: string): Promise<string | undefined>
}

const keepAliveSeconds = 30
const reconnectMinMs = 100
const reconnectMaxMs = 5_000
const connectTimeoutMs = 10_000
const topicsPerSubscribe = 100
const topicPattern = /^devices\/([^/]+)\/commands$/

/**
 * Takes the commands for some devices, in a session that the broker keeps while nobody is there.
 *
 * A command is acknowledged when the broker has its answer: whoever is killed in between gets it
 * again, and answers again.
 */
export class CommandConnection {
  readonly #options: CommandConnectionOptions
  /** Commands that wait for the broker to take their answers: packet id of the answer, of the command. */
  readonly #answers = new Map<number, number>()
  #socket: net.Socket | undefined
  #timer: TimerHandle | undefined
  #backoffMs = reconnectMinMs
  #lastPacketId = 0
  #isClosed = false
  #isPingUnanswered = false
  isConnected = false

  constructor(options: CommandConnectionOptions) {
    this.#options = options
  }

  /** Connects, and goes on connecting until it is closed. */
  open(): void {
    const { url, clientId, clock, logger } = this.#options
    const isTls = url.protocol === 'mqtts:'
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const port = Number(url.port || (isTls ? 8883 : 1883))
    const socket = isTls ? tls.connect({ host, port }) : net.connect({ host, port, noDelay: true })
    this.#socket = socket
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#lost(socket))
    const reader = new DevicePacketReader()
    socket.on('data', (chunk) => {
      const packets = reader.read(chunk as Buffer)
      // What comes meanwhile waits with the broker: one batch at a time.
      socket.pause()
      this.#handle(socket, packets).then(
        () => socket.resume(),
        (error: unknown) => {
          logger.warn({ err: error, clientId }, 'commands cannot be taken')
          socket.destroy()
        },
      )
    })
    const field = (text: string): string | undefined => decodeURIComponent(text) || undefined
    socket.write(
      encodeConnect({
        clientId,
        keepAliveSeconds,
        isPersistent: true,
        username: field(url.username),
        password: field(url.password),
      }),
    )
    this.#timer = clock.setTimer(() => socket.destroy(), connectTimeoutMs)
  }

  /** Ends the connection; the session stays with the broker. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#timer) this.#options.clock.clearTimer(this.#timer)
    const socket = this.#socket
    if (!socket || socket.closed) return
    const closed = new Promise<void>((resolve) => {
      socket.once('close', () => resolve())
    })
    if (this.isConnected) {
      socket.write(disconnect)
      socket.destroySoon()
      this.#options.clock.setTimer(() => socket.destroy(), 500)
    } else socket.destroy()
    await closed
  }

  async #handle(socket: net.Socket, packets: readonly DevicePacket[] | undefined): Promise<void> {
    if (!packets) throw new Error('the broker says what no device expects')
    for (const packet of packets) {
      if (socket.destroyed) return
      switch (packet.kind) {
        case 'connack':
          this.#connected(socket, packet.code)
          break
        case 'suback':
          if (packet.codes.some((code) => code > 2))
            this.#options.logger.warn({}, 'the broker refuses the topics of some commands')
          break
        case 'pingresp':
          this.#isPingUnanswered = false
          break
        case 'puback':
          this.#answered(socket, packet.packetId)
          break
        case 'publish':
          await this.#take(socket, packet)
      }
    }
  }

  async #take(
    socket: net.Socket,
    { topic, payload, qos, packetId }: Extract<DevicePacket, { kind: 'publish' }>,
  ): Promise<void> {
    const deviceId = topicPattern.exec(topic)?.[1]
    const answer =
      deviceId === undefined ? undefined : await this.#options.onCommand(deviceId, payload)
    if (answer === undefined) {
      if (qos === 1) socket.write(encodePuback(packetId))
      return
    }
    const answerId = this.#nextPacketId()
    this.#answers.set(answerId, packetId)
    const ack = { topic: `${topic}/ack`, payload: answer, packetId: answerId }
    socket.write(encodePublish({ ...ack, qos: 1, retain: false, isDuplicate: false }))
  }

  #answered(socket: net.Socket, answerId: number): void {
    const packetId = this.#answers.get(answerId)
    this.#answers.delete(answerId)
    // Of QoS 0 there is nothing to acknowledge.
    if (packetId !== undefined && packetId !== 0) socket.write(encodePuback(packetId))
  }

  #connected(socket: net.Socket, code: number): void {
    const { clientId, clock, logger, deviceIds } = this.#options
    if (this.#timer) clock.clearTimer(this.#timer)
    if (code !== 0) {
      logger.warn({ clientId, code }, 'the broker refuses the connection')
      socket.destroy()
      return
    }
    this.isConnected = true
    this.#backoffMs = reconnectMinMs
    this.#isPingUnanswered = false
    // Again also where the session is there: the fleet may have got more devices.
    for (let at = 0; at < deviceIds.length; at += topicsPerSubscribe) {
      const some = deviceIds.slice(at, at + topicsPerSubscribe)
      const topics = some.map((id) => `devices/${id}/commands`)
      socket.write(encodeSubscribe(this.#nextPacketId(), topics))
    }
    this.#ping(socket)
  }

  #ping(socket: net.Socket): void {
    this.#timer = this.#options.clock.setTimer(
      () => {
        if (this.#isPingUnanswered) {
          socket.destroy()
          return
        }
        this.#isPingUnanswered = true
        socket.write(pingreq)
        this.#ping(socket)
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
    // Their commands come again.
    this.#answers.clear()
    if (this.#isClosed) return
    logger.debug({ clientId, backoffMs: this.#backoffMs }, 'connection lost')
    this.#timer = clock.setTimer(() => this.open(), this.#backoffMs * (0.5 + random.next()))
    this.#backoffMs = Math.min(reconnectMaxMs, this.#backoffMs * 2)
  }

  #nextPacketId(): number {
    this.#lastPacketId = this.#lastPacketId >= 65_535 ? 1 : this.#lastPacketId + 1
    return this.#lastPacketId
  }
}
