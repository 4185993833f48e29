import { type Clock, describeError, type Random, type TimerHandle } from '@khlong/core'
import type { IConnackPacket } from 'mqtt-packet'
import { ConnectError } from '../../errors.ts'
import { Backoff } from '../../runtime/backoff.ts'
import { isVersionRefusal, MqttClient, type MqttClientOptions } from './client.ts'
import type { Publish } from './packet-reader.ts'

export interface MqttLinkOptions {
  readonly client: Omit<MqttClientOptions, 'protocolVersion' | 'receiveMaximum'>
  readonly version: string
  readonly receiveMaximum: number
  readonly backoffMs: number
  readonly backoffMaxMs: number
  readonly clock: Clock
  readonly random: Random
}

export interface MqttLinkEvents {
  /** Prepares a fresh connection (subscribes); an error closes it and counts as a failed attempt. */
  onConnected(client: MqttClient, connack: IConnackPacket): Promise<void>
  /** The connection is there and prepared. */
  onReady(): void
  onPublish(client: MqttClient, packet: Publish): void
  onRelease(messageId: number): void
  onLost(): void
  /** The broker refuses us for good: another attempt would not help. */
  onRefused(error: Error): void
}

/** Keeps one connection to a broker: connects again with growing waits until it is closed. */
export class MqttLink {
  readonly #options: MqttLinkOptions
  readonly #events: MqttLinkEvents
  readonly #backoff: Backoff
  #client: MqttClient | undefined
  #retry: TimerHandle | undefined
  #connecting: Promise<void> | undefined
  #isClosed = false
  #protocolVersion: 4 | 5
  #note: string | undefined = 'connecting to the MQTT broker'

  constructor(options: MqttLinkOptions, events: MqttLinkEvents) {
    this.#options = options
    this.#events = events
    this.#protocolVersion = options.version === '3.1.1' ? 4 : 5
    this.#backoff = new Backoff({
      minMs: options.backoffMs,
      maxMs: options.backoffMaxMs,
      random: options.random,
    })
  }

  /** The connection, once it is prepared. */
  get client(): MqttClient | undefined {
    return this.#note === undefined ? this.#client : undefined
  }

  /** Why there is no connection; undefined while there is one. */
  get note(): string | undefined {
    return this.#note
  }

  open(): void {
    this.#connecting = this.#connect().finally(() => {
      this.#connecting = undefined
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#retry) this.#options.clock.clearTimer(this.#retry)
    await this.#client?.end()
    await this.#connecting
  }

  async #connect(): Promise<void> {
    const client = new MqttClient(
      {
        ...this.#options.client,
        protocolVersion: this.#protocolVersion,
        receiveMaximum: this.#options.receiveMaximum,
      },
      {
        onPublish: (packet) => this.#events.onPublish(client, packet),
        onRelease: (messageId) => this.#events.onRelease(messageId),
        onClose: (error) => this.#onClose(client, error),
      },
    )
    this.#client = client
    try {
      const connack = await client.connect()
      await this.#events.onConnected(client, connack)
      if (this.#isClosed) return
      if (!client.isOpen)
        throw new ConnectError('CONNECT_RETRIABLE', 'the MQTT broker went while we subscribed')
      this.#note = undefined
      this.#backoff.reset()
      this.#events.onReady()
    } catch (error) {
      await client.end()
      this.#onFailure(error)
    }
  }

  #onFailure(error: unknown): void {
    if (this.#isClosed) return
    this.#note = describeError(error)
    if (
      this.#options.version === 'auto' &&
      isVersionRefusal(error) &&
      this.#protocolVersion === 5
    ) {
      this.#protocolVersion = 4
      this.open()
      return
    }
    if (error instanceof ConnectError && !error.retriable) {
      this.#isClosed = true
      this.#events.onRefused(error)
      return
    }
    this.#scheduleRetry()
  }

  #onClose(client: MqttClient, error: Error): void {
    if (this.#client !== client || this.#isClosed) return
    this.#events.onLost()
    // While it is still being prepared, the failed attempt itself asks for the next one.
    if (this.#connecting) return
    this.#note = `lost the MQTT broker: ${error.message}`
    this.#scheduleRetry()
  }

  #scheduleRetry(): void {
    if (this.#retry) this.#options.clock.clearTimer(this.#retry)
    this.#retry = this.#options.clock.setTimer(() => this.open(), this.#backoff.nextMs())
  }
}
