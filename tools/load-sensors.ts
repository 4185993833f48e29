import { setTimeout as delay } from 'node:timers/promises'
import mqtt, { type MqttClient } from 'mqtt'

const sensorCount = 20
const inFlightMax = 200
/** At a rate, this many may wait before sending waits too. */
const pacedInFlightMax = 20_000
const drainDeadlineMs = 60_000

export interface LoadOptions {
  url: string
  seed: number
  /** Frames a second; without it as fast as they are acknowledged. */
  framesPerSecond?: number
  /** Called with the time from the sending of a frame to its acknowledgement. */
  onAcknowledged?(latencyMs: number): void
}

/** Sensors that send at a rate or as fast as they are acknowledged, and send again what was not. */
export class LoadSensors {
  readonly acknowledged: Set<string> = new Set()
  /** When each acknowledgement came, in the order of {@link acknowledged}, by `Date.now()`. */
  readonly acknowledgedMs: number[] = []
  /** How often each frame was sent that was sent more than once. */
  readonly sends: Map<string, number> = new Map()
  sent = 0
  readonly #url: string
  readonly #boot: string
  readonly #framesPerSecond: number | undefined
  readonly #onAcknowledged: ((latencyMs: number) => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #budget = 0
  readonly #waiting = new Map<string, string>()
  #client: MqttClient | undefined
  #seq = 0
  #running = false

  constructor({ url, seed, framesPerSecond, onAcknowledged }: LoadOptions) {
    this.#url = url
    this.#boot = `boot-${seed}`
    this.#framesPerSecond = framesPerSecond
    this.#onAcknowledged = onAcknowledged
  }

  /** Frames that are sent and not acknowledged. */
  get waitingCount(): number {
    return this.#waiting.size
  }

  async connect(): Promise<void> {
    const client = await mqtt.connectAsync(this.#url, { reconnectPeriod: 0, clean: true })
    // What breaks with the connection is sent again over the next one.
    client.on('error', () => {})
    this.#client = client
    this.#running = true
    for (const [frame, payload] of this.#waiting) {
      this.sends.set(frame, (this.sends.get(frame) ?? 1) + 1)
      this.#publish(client, frame, payload)
    }
    if (this.#framesPerSecond === undefined) this.#fill(client)
    else this.#pace(client, this.#framesPerSecond)
  }

  async disconnect(): Promise<void> {
    this.#running = false
    clearInterval(this.#timer)
    const client = this.#client
    this.#client = undefined
    await client?.endAsync(true)
  }

  /** Sends nothing new and resolves when all is acknowledged. */
  async finish(): Promise<void> {
    this.#running = false
    clearInterval(this.#timer)
    const deadlineMs = performance.now() + drainDeadlineMs
    while (this.#waiting.size > 0) {
      if (performance.now() > deadlineMs)
        throw new Error(
          `${this.#waiting.size} frames were not acknowledged in ${drainDeadlineMs} ms`,
        )
      await delay(20)
    }
  }

  /** Sends what is due each 10 ms; what a full window holds up is sent as soon as there is room. */
  #pace(client: MqttClient, framesPerSecond: number): void {
    let beforeMs = performance.now()
    this.#timer = setInterval(() => {
      const nowMs = performance.now()
      this.#budget += ((nowMs - beforeMs) * framesPerSecond) / 1_000
      beforeMs = nowMs
      this.#fill(client)
    }, 10)
  }

  #mayGoOn(client: MqttClient): boolean {
    const isPaced = this.#framesPerSecond !== undefined
    if (!this.#running || this.#client !== client) return false
    return (
      this.#waiting.size < (isPaced ? pacedInFlightMax : inFlightMax) &&
      (!isPaced || this.#budget >= 1)
    )
  }

  #fill(client: MqttClient): void {
    while (this.#mayGoOn(client)) {
      this.#budget--
      const seq = this.#seq++
      const id = String(1_000_000 + (seq % sensorCount))
      const frame = `${id}/${this.#boot}/${seq}`
      const nowMs = Date.now()
      const payload = JSON.stringify({
        id,
        name: `load_${seq % sensorCount}`,
        place_id: String(seq % 3),
        date: new Date(nowMs).toISOString().replace('Z', '+0000'),
        timestamp: nowMs,
        payload: {
          temperature: seq % 35,
          humidity: seq % 100,
          pressure: 1_000,
          luminosity: seq % 65_000,
        },
        seq,
        boot: this.#boot,
      })
      this.#waiting.set(frame, payload)
      this.sent++
      this.#publish(client, frame, payload)
    }
  }

  #publish(client: MqttClient, frame: string, payload: string): void {
    const sentMs = performance.now()
    client.publish('iot-frames', payload, { qos: 1 }, (error) => {
      if (error || this.#client !== client) return
      this.#waiting.delete(frame)
      if (!this.acknowledged.has(frame)) this.acknowledgedMs.push(Date.now())
      this.#onAcknowledged?.(performance.now() - sentMs)
      this.acknowledged.add(frame)
      this.#fill(client)
    })
  }
}
