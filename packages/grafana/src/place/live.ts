import type { Logger } from '@khlong/core'
import { describeError } from '@khlong/core'
import type { FastifyReply } from 'fastify'
import { SensorRegister } from '../state/sensor-register.ts'
import { EventStream } from './event-stream.ts'
import type { MqttLink } from './mqtt-link.ts'
import { PlatformLink } from './platform-link.ts'

const viewersMax = 64
const sensorsPerTick = 400
// Beyond this many frames in a second only every n-th is read; rates are then too low, and say so.
const framesPerTickMax = 4_000

/**
 * What all open browsers are told: a platform snapshot and the sensors' newest values each second.
 * The sensors' frames are only read while a browser is open.
 */
export class Live {
  readonly #streams = new Set<EventStream>()
  readonly #mqtt: MqttLink | undefined
  readonly #topic: string
  readonly #logger: Logger
  readonly #platform: PlatformLink | undefined
  #register = new SensorRegister()
  #timer: NodeJS.Timeout | undefined
  #tail: Promise<(() => Promise<void>) | undefined> | undefined
  #tailError = ''
  #framesInTick = 0
  #thinned = false

  constructor(options: {
    platform: string | undefined
    mqtt: MqttLink | undefined
    topic: string
    logger: Logger
  }) {
    this.#mqtt = options.mqtt
    this.#topic = options.topic
    this.#logger = options.logger
    if (options.platform !== undefined)
      this.#platform = new PlatformLink({
        url: options.platform,
        logger: options.logger,
        onSnapshot: (snapshot, events) => {
          this.#sendAll('platform', snapshot)
          if (events.length > 0) this.#sendAll('events', events)
        },
      })
  }

  get viewerCount(): number {
    return this.#streams.size
  }

  get platform(): PlatformLink | undefined {
    return this.#platform
  }

  open(): void {
    this.#platform?.open()
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) stream.end()
    this.#streams.clear()
    await Promise.all([this.#platform?.close(), this.#pause()])
  }

  /** Tells all browsers that dashboards were saved or changed on disk. */
  dashboardsChanged(): void {
    this.#sendAll('dashboards', {})
  }

  /** Tells all browsers that somebody may do more or less than before: they ask who they are. */
  usersChanged(): void {
    this.#sendAll('session', {})
  }

  join(reply: FastifyReply): void {
    if (this.#streams.size >= viewersMax) {
      void reply.code(503).send({ message: `more than ${viewersMax} browsers are open` })
      return
    }
    const stream = new EventStream(reply, () => {
      this.#streams.delete(stream)
      if (this.#streams.size === 0) void this.#pause()
    })
    this.#streams.add(stream)
    if (this.#platform) {
      stream.send('events', this.#platform.events)
      if (this.#platform.snapshot) stream.send('platform', this.#platform.snapshot)
    }
    stream.send('sensors', this.#sensorsMessage(this.#register.all(Date.now())))
    this.#resume()
  }

  #resume(): void {
    if (this.#timer) return
    this.#timer = setInterval(() => this.#tick(), 1_000)
    this.#timer.unref()
    this.#openTail()
  }

  async #pause(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    const tail = this.#tail
    this.#tail = undefined
    const end = await tail?.catch(() => undefined)
    await end?.().catch(() => {})
  }

  #openTail(): void {
    const mqtt = this.#mqtt
    if (!mqtt || this.#tail) return
    // What was heard before the pause says nothing about rates and gaps now.
    this.#register = new SensorRegister()
    this.#tail = mqtt
      .subscribe(this.#topic, ({ payload, retain }) => {
        this.#framesInTick++
        if (this.#framesInTick > framesPerTickMax) {
          this.#thinned = true
          return
        }
        this.#register.apply(Buffer.from(payload).toString(), retain, Date.now())
      })
      .then(
        (end) => {
          this.#tailError = ''
          return end
        },
        (error) => {
          this.#tailError = describeError(error)
          this.#tail = undefined
          this.#logger.debug({ err: error }, 'frames cannot be followed')
          return undefined
        },
      )
  }

  #tick(): void {
    if (!this.#tail) this.#openTail()
    this.#framesInTick = 0
    const changed = this.#register.takeChanged(Date.now(), sensorsPerTick)
    this.#sendAll('sensors', this.#sensorsMessage(changed))
  }

  #sensorsMessage(sensors: unknown): object {
    return {
      nowMs: Date.now(),
      sensors,
      error: this.#tailError,
      thinned: this.#thinned,
      unreadable: this.#register.unreadable,
    }
  }

  #sendAll(event: string, data: unknown): void {
    if (this.#streams.size === 0) return
    const json = JSON.stringify(data)
    for (const stream of this.#streams) stream.sendText(event, json)
  }
}
