import net from 'node:net'
import tls from 'node:tls'
import type { Clock, TimerHandle } from '@khlong/core'
import mqtt, { type IConnackPacket, type Packet, type Parser } from 'mqtt-packet'
import { ConnectError } from '../../errors.ts'
import { PacketReader, type Publish } from './packet-reader.ts'

export interface MqttClientOptions {
  readonly host: string
  readonly port: number
  /** Set for TLS. */
  readonly tls?: tls.ConnectionOptions
  /** 4 is MQTT 3.1.1. */
  readonly protocolVersion: 4 | 5
  readonly clientId: string
  readonly isClean: boolean
  readonly keepAliveSeconds: number
  readonly connectTimeoutMs: number
  readonly username?: string
  readonly password?: string
  /** How many messages the broker may send before one is acknowledged (MQTT 5). */
  readonly receiveMaximum: number
  readonly clock: Clock
}

export interface MqttClientEvents {
  onPublish(packet: Publish): void
  /** The broker releases a message of QoS 2: its id may be used for another one. */
  onRelease(messageId: number): void
  /** Called once after the connection was accepted and then lost. */
  onClose(error: Error): void
}

export interface Subscription {
  readonly topic: string
  readonly qos: 0 | 1 | 2
}

interface Waiting {
  resolve(packet: Packet): void
  reject(error: Error): void
}

/**
 * One MQTT connection. It hands over every message at once and acknowledges none by itself: that is
 * its user's to do, in the order of arrival, when what became of the message is durable.
 */
export class MqttClient {
  readonly #options: MqttClientOptions
  readonly #events: MqttClientEvents
  readonly #waiting = new Map<string, Waiting>()
  readonly #parser: Parser
  readonly #reader: PacketReader
  #socket: net.Socket | undefined
  #keepAlive: TimerHandle | undefined
  #isPingUnanswered = false
  #isConnected = false
  #closedBy: Error | undefined
  #lastMessageId = 0
  #sendMaximum = 65_535

  constructor(options: MqttClientOptions, events: MqttClientEvents) {
    this.#options = options
    this.#events = events
    this.#parser = mqtt.parser({ protocolVersion: options.protocolVersion })
    this.#parser.on('packet', (packet) => this.#onPacket(packet))
    this.#parser.on('error', (error) => this.#close(error))
    this.#reader = new PacketReader(options.protocolVersion, {
      onPublish: (packet) => this.#events.onPublish(packet),
      onPacket: (bytes) => this.#parser.parse(bytes),
    })
  }

  /** How many messages the broker takes before one is acknowledged. */
  get sendMaximum(): number {
    return this.#sendMaximum
  }

  /** Whether the broker accepted the connection and it is still there. */
  get isOpen(): boolean {
    return this.#isConnected && this.#closedBy === undefined
  }

  /**
   * Connects and resolves with the broker's CONNACK.
   *
   * @throws ConnectError retriable where another attempt may succeed; `CONNECT_FAILED` where the
   *   broker refuses the login; `fields.reason` is the broker's code.
   */
  async connect(): Promise<IConnackPacket> {
    const { host, port, connectTimeoutMs, clock } = this.#options
    const socket = this.#options.tls
      ? tls.connect({ host, port, ...this.#options.tls })
      : net.connect({ host, port, noDelay: true })
    this.#socket = socket
    const connack = this.#wait('connack')
    const timeout = clock.setTimer(() => {
      this.#close(new Error(`no answer within ${connectTimeoutMs} ms`))
    }, connectTimeoutMs)
    socket.on('error', (error) => this.#close(error))
    socket.on('close', () => this.#close(new Error('the broker closed the connection')))
    socket.on('data', (bytes) => this.#read(bytes as Buffer))
    socket.once(this.#options.tls ? 'secureConnect' : 'connect', () => this.#sendConnect())
    try {
      const packet = (await connack) as IConnackPacket
      this.#accept(packet)
      return packet
    } catch (error) {
      this.#socket?.destroy()
      if (error instanceof ConnectError) throw error
      throw new ConnectError(
        'CONNECT_RETRIABLE',
        `cannot connect to the MQTT broker at ${host}:${port}: ${(error as Error).message}`,
        { cause: error },
      )
    } finally {
      clock.clearTimer(timeout)
    }
  }

  /** Subscribes and resolves when the broker granted all; the answer is one code per topic. */
  async subscribe(subscriptions: readonly Subscription[]): Promise<readonly number[]> {
    const messageId = this.#nextMessageId()
    const answer = this.#wait(`suback ${messageId}`)
    this.#send({
      cmd: 'subscribe',
      messageId,
      // Retained copies are asked not to come (MQTT 5); where they come they carry their flag.
      subscriptions: subscriptions.map((item) => ({ ...item, nl: false, rap: false, rh: 2 })),
    })
    const { granted } = (await answer) as { granted?: number[] }
    return granted ?? []
  }

  async unsubscribe(topics: readonly string[]): Promise<void> {
    const messageId = this.#nextMessageId()
    const answer = this.#wait(`unsuback ${messageId}`)
    this.#send({ cmd: 'unsubscribe', messageId, unsubscriptions: [...topics] })
    await answer
  }

  /**
   * Publishes; resolved when the broker has it as the QoS promises. What expires (in seconds) is
   * for MQTT 5 brokers, which do not hand it over later; others are not told.
   */
  async publish({
    expirySeconds,
    ...message
  }: {
    topic: string
    payload: Buffer
    qos: 0 | 1 | 2
    retain: boolean
    expirySeconds?: number | undefined
  }): Promise<void> {
    const hasExpiry = expirySeconds !== undefined && this.#options.protocolVersion === 5
    const packet = {
      cmd: 'publish' as const,
      dup: false,
      ...message,
      ...(hasExpiry ? { properties: { messageExpiryInterval: expirySeconds } } : {}),
    }
    if (message.qos === 0) {
      this.#send(packet)
      return
    }
    const messageId = this.#nextMessageId()
    const answer = this.#wait(`${message.qos === 1 ? 'puback' : 'pubrec'} ${messageId}`)
    this.#send({ ...packet, messageId })
    checkReason(await answer)
    if (message.qos === 1) return
    const complete = this.#wait(`pubcomp ${messageId}`)
    this.#send({ cmd: 'pubrel', messageId })
    await complete
  }

  /** Acknowledges messages of QoS 1 with one write. */
  acknowledge(messageIds: readonly number[]): void {
    const bytes = Buffer.allocUnsafe(messageIds.length * 4)
    for (let index = 0; index < messageIds.length; index++)
      bytes.writeUInt32BE(0x40_02_00_00 + messageIds[index]!, index * 4)
    this.#socket?.write(bytes)
  }

  /** Says that a message of QoS 2 is ours; the broker then releases it. */
  received(messageId: number): void {
    this.#send({ cmd: 'pubrec', messageId })
  }

  /** Whether bytes are taken from the broker; while they are not, it has to wait. */
  setReading(isReading: boolean): void {
    if (isReading) this.#socket?.resume()
    else this.#socket?.pause()
  }

  /** Says goodbye and closes. A persistent session stays with the broker. */
  async end(): Promise<void> {
    const socket = this.#socket
    if (!socket || socket.destroyed) return
    this.#closedBy ??= new Error('closed')
    this.#stopKeepAlive()
    this.#rejectWaiting(this.#closedBy)
    if (this.#isConnected) this.#send({ cmd: 'disconnect' })
    const { clock } = this.#options
    const cut = clock.setTimer(() => socket.destroy(), 1_000)
    socket.resume()
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve())
      socket.end()
    })
    clock.clearTimer(cut)
  }

  #sendConnect(): void {
    const { clientId, isClean, keepAliveSeconds, username, password } = this.#options
    const isFive = this.#options.protocolVersion === 5
    this.#send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: this.#options.protocolVersion,
      clientId,
      clean: isClean,
      keepalive: keepAliveSeconds,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: Buffer.from(password) }),
      ...(isFive
        ? {
            properties: {
              sessionExpiryInterval: isClean ? 0 : 0xffff_ffff,
              receiveMaximum: this.#options.receiveMaximum,
            },
          }
        : {}),
    })
  }

  #accept(packet: IConnackPacket): void {
    const reason = packet.reasonCode ?? packet.returnCode ?? 0
    if (reason !== 0) {
      const text = packet.properties?.reasonString ?? refusals[reason] ?? `code ${reason}`
      const isLogin = loginRefusals.has(reason)
      throw new ConnectError(
        isLogin ? 'CONNECT_FAILED' : 'CONNECT_RETRIABLE',
        `the MQTT broker at ${this.#options.host}:${this.#options.port} refuses the connection: ${text}`,
        { fields: { reason } },
      )
    }
    this.#isConnected = true
    this.#sendMaximum = packet.properties?.receiveMaximum ?? 65_535
    const keepAlive = packet.properties?.serverKeepAlive ?? this.#options.keepAliveSeconds
    if (keepAlive > 0) this.#schedulePing(keepAlive * 1_000)
  }

  #schedulePing(intervalMs: number): void {
    this.#keepAlive = this.#options.clock.setTimer(() => {
      // While reading is paused no answer can be seen, so none is missed.
      if (this.#isPingUnanswered && !this.#socket?.isPaused()) {
        this.#close(new Error('the broker does not answer pings'))
        return
      }
      this.#isPingUnanswered = true
      this.#send({ cmd: 'pingreq' })
      this.#schedulePing(intervalMs)
    }, intervalMs * 0.75)
  }

  #read(bytes: Buffer): void {
    if (this.#closedBy) return
    try {
      this.#reader.read(bytes)
    } catch (error) {
      this.#close(error as Error)
    }
  }

  #onPacket(packet: Packet): void {
    switch (packet.cmd) {
      case 'pubrel':
        this.#events.onRelease(packet.messageId ?? 0)
        this.#send({ cmd: 'pubcomp', messageId: packet.messageId ?? 0 })
        return
      case 'pingresp':
        this.#isPingUnanswered = false
        return
      case 'connack':
        this.#answer('connack', packet)
        return
      case 'disconnect':
        this.#close(
          new Error(
            `the broker disconnects: ${refusals[packet.reasonCode ?? 0] ?? packet.reasonCode}`,
          ),
        )
        return
      default:
        this.#answer(`${packet.cmd} ${packet.messageId}`, packet)
    }
  }

  #wait(key: string): Promise<Packet> {
    return new Promise((resolve, reject) => {
      if (this.#closedBy) reject(this.#closedBy)
      else this.#waiting.set(key, { resolve, reject })
    })
  }

  #answer(key: string, packet: Packet): void {
    const waiting = this.#waiting.get(key)
    this.#waiting.delete(key)
    waiting?.resolve(packet)
  }

  #send(packet: Packet): void {
    if (!this.#socket || this.#socket.destroyed) return
    this.#socket.write(mqtt.generate(packet, { protocolVersion: this.#options.protocolVersion }))
  }

  #nextMessageId(): number {
    this.#lastMessageId = (this.#lastMessageId % 65_535) + 1
    return this.#lastMessageId
  }

  #close(error: Error): void {
    if (this.#closedBy) return
    this.#closedBy = error
    this.#stopKeepAlive()
    this.#socket?.destroy()
    this.#rejectWaiting(error)
    if (this.#isConnected) this.#events.onClose(error)
  }

  #rejectWaiting(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
  }

  #stopKeepAlive(): void {
    if (this.#keepAlive) this.#options.clock.clearTimer(this.#keepAlive)
    this.#keepAlive = undefined
  }
}

function checkReason(packet: Packet): void {
  const reason = (packet as { reasonCode?: number }).reasonCode ?? 0
  if (reason >= 0x80)
    throw new ConnectError(
      'CONNECT_DATA',
      `the MQTT broker refuses the message: ${refusals[reason] ?? `code ${reason}`}`,
    )
}

/** Codes of CONNACK (3.1.1: 1 to 5), acknowledgements and DISCONNECT. */
const refusals: Readonly<Record<number, string>> = {
  1: 'unacceptable protocol version',
  2: 'identifier rejected',
  3: 'server unavailable',
  4: 'bad user name or password',
  5: 'not authorized',
  128: 'unspecified error',
  129: 'malformed packet',
  130: 'protocol error',
  131: 'implementation specific error',
  132: 'unsupported protocol version',
  133: 'client identifier not valid',
  134: 'bad user name or password',
  135: 'not authorized',
  136: 'server unavailable',
  137: 'server busy',
  138: 'banned',
  139: 'server shutting down',
  141: 'keep alive timeout',
  142: 'session taken over',
  144: 'topic name invalid',
  147: 'receive maximum exceeded',
  149: 'packet too large',
  151: 'quota exceeded',
  153: 'payload format invalid',
}

const loginRefusals = new Set([2, 4, 5, 133, 134, 135, 138])

/** Whether a broker refused because it speaks another version of MQTT. */
export function isVersionRefusal(error: unknown): boolean {
  const reason = (error as ConnectError).fields?.reason
  return reason === 1 || reason === 132
}
