import type { MqttClient } from 'mqtt'
import { upstreamFailed } from '../errors.ts'

export interface MqttMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: number
  readonly retain: boolean
}

/** MQTT.js, loaded and connected when it is first needed; one connection for publishing. */
export class MqttLink {
  readonly url: string
  #publisher: Promise<MqttClient> | undefined

  constructor(url: string) {
    this.url = /^[a-z]+:\/\//.test(url) ? url : `mqtt://${url}`
  }

  /** Publishes and resolves with the milliseconds until the acknowledgement. */
  async publish(message: MqttMessage): Promise<number> {
    this.#publisher ??= this.#connect('khlong-console-pub', false).catch((error) => {
      this.#publisher = undefined
      throw upstreamFailed('mqtt', `the MQTT broker at ${this.#place()} does not answer`, error)
    })
    const client = await this.#publisher
    const startedMs = performance.now()
    try {
      await Promise.race([
        client.publishAsync(message.topic, Buffer.from(message.payload), {
          qos: message.qos as 0 | 1 | 2,
          retain: message.retain,
        }),
        deadline(5_000),
      ])
    } catch (error) {
      throw upstreamFailed('mqtt', 'the MQTT broker did not acknowledge the message', error)
    }
    return performance.now() - startedMs
  }

  /** Subscribes until the returned function is called; connects again by itself. */
  async subscribe(
    filter: string,
    onMessage: (message: MqttMessage) => void,
  ): Promise<() => Promise<void>> {
    const client = await this.#connect('khlong-console-tail', true).catch((error) => {
      throw upstreamFailed('mqtt', `the MQTT broker at ${this.#place()} does not answer`, error)
    })
    client.on('message', (topic, payload, packet) => {
      onMessage({ topic, payload, qos: packet.qos, retain: packet.retain })
    })
    await client.subscribeAsync(filter, { qos: 0 })
    return async () => {
      await client.endAsync(true)
    }
  }

  async close(): Promise<void> {
    const client = await this.#publisher?.catch(() => undefined)
    await client?.endAsync(true)
  }

  /** The address without credentials. */
  #place(): string {
    return URL.canParse(this.url) ? new URL(this.url).host : this.url
  }

  async #connect(clientId: string, reconnect: boolean): Promise<MqttClient> {
    const { connectAsync } = await import('mqtt')
    const client = await connectAsync(
      this.url,
      {
        clientId: `${clientId}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`,
        connectTimeout: 3_000,
        reconnectPeriod: reconnect ? 1_000 : 500,
      },
      false,
    )
    // Without a listener a lost connection would end the process.
    client.on('error', () => {})
    return client
  }
}

function deadline(afterMs: number): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`no answer within ${afterMs} ms`)), afterMs).unref()
  })
}
