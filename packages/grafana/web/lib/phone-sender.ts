import type { MqttClient } from 'mqtt'
import type { PhoneLink } from '../../src/model/phone-link.ts'
import { createStore } from './store.ts'

export interface SenderState {
  readonly kind: 'off' | 'connecting' | 'connected' | 'refused'
  /** The broker's own words where it refused. */
  readonly words: string
  readonly sent: number
  readonly acknowledged: number
  /** Frames that were not made because too many wait already. */
  readonly skipped: number
}

const off: SenderState = { kind: 'off', words: '', sent: 0, acknowledged: 0, skipped: 0 }
const everyMs = 1_000
// About two minutes without a network; more than that would be a flood when it comes back.
const waitingMax = 120

/** Sends a frame each second over MQTT, as a device of its own; what waits is sent when the network is back. */
export class PhoneSender {
  readonly state = createStore<SenderState>(off)
  readonly #link: PhoneLink
  readonly #boot = crypto.getRandomValues(new Uint32Array(1))[0]!
  #client: MqttClient | undefined
  #timer: ReturnType<typeof setInterval> | undefined
  #seq = 0

  constructor(link: PhoneLink) {
    this.#link = link
  }

  async start(payload: () => object): Promise<void> {
    if (this.#timer) return
    this.#timer = setInterval(() => this.#send(payload()), everyMs)
    this.#change({ kind: 'connecting', words: '' })
    // Loaded when it is needed: no other place speaks MQTT by itself.
    const { default: mqtt } = await import('mqtt')
    if (!this.#timer) return
    const { id, port, user, password } = this.#link
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
    const client = mqtt.connect(`${scheme}://${location.hostname}:${port}`, {
      clientId: `phone-${id}-${this.#boot.toString(36)}`,
      reconnectPeriod: 2_000,
      keepalive: 30,
      protocolVersion: 4,
      // Its other timers are a worker made of text, which the page's policy forbids.
      timerVariant: 'native',
      ...(user === undefined ? {} : { username: user }),
      ...(password === undefined ? {} : { password }),
    })
    this.#client = client
    client.on('connect', () => this.#change({ kind: 'connected', words: '' }))
    client.on('error', (error) => this.#change({ kind: 'refused', words: error.message }))
    client.on('close', () => {
      if (this.state.get().kind === 'connected') this.#change({ kind: 'connecting' })
    })
    this.#send(payload())
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#client?.end(true)
    this.#client = undefined
    this.state.set(off)
  }

  #send(payload: object): void {
    const client = this.#client
    const { sent, acknowledged, skipped } = this.state.get()
    if (!client) return
    if (sent - acknowledged >= waitingMax) {
      this.#change({ skipped: skipped + 1 })
      return
    }
    const { id, name, place, topic } = this.#link
    const timestamp = Date.now()
    const frame = {
      id,
      name,
      place_id: place,
      date: new Date(timestamp).toISOString().replace('Z', '+0000'),
      timestamp,
      seq: this.#seq++,
      boot: this.#boot,
      payload,
    }
    this.#change({ sent: sent + 1 })
    client.publish(topic, JSON.stringify(frame), { qos: 1 }, (error) => {
      if (!error && this.#client === client)
        this.#change({ acknowledged: this.state.get().acknowledged + 1 })
    })
  }

  #change(change: Partial<SenderState>): void {
    this.state.set({ ...this.state.get(), ...change })
  }
}
