import { type Random, systemRandom } from '@khlong/core'
import type { Climate } from './climate.ts'
import { Curve } from './curve.ts'
import type { Faults, SensorPlan } from './fleet.ts'
import type { Due } from './timer-wheel.ts'

/** What became of one sensor's frames since it started. */
export interface SensorCounts {
  readonly id: string
  readonly name: string
  readonly placeId: string
  /** Fresh at each start; frames are told apart by id, boot and seq. */
  readonly boot: string
  /** Frames that were measured: the last `seq`. */
  readonly produced: number
  /** Frames that were sent at least once. */
  readonly sent: number
  /** Frames that the broker has acknowledged; each counts once. */
  readonly acknowledged: number
  /** Frames that were sent twice on purpose. */
  readonly duplicated: number
  /** Frames that were lost before they were sent: no room to keep them, or a fault. */
  readonly dropped: number
}

/** A frame on its way. */
export interface Frame {
  readonly sensor: Sensor
  readonly payload: string
  readonly seq: number
  /** Whether it is a copy that is sent on purpose. */
  readonly isCopy: boolean
}

/** One sensor: it measures when it is due, and misbehaves as its faults say. */
export class Sensor implements Due {
  readonly plan: SensorPlan
  readonly boot: string
  readonly #random: Random
  readonly #head: string
  readonly #tail: string
  readonly #curves: readonly {
    readonly prefix: string
    readonly isTemperature: boolean
    readonly curve: Curve
  }[]
  readonly #climate: Climate | undefined
  readonly #skewMs: number
  dueMs: number
  /** Frames that were measured while it could not send, to be sent in one burst. */
  readonly stored: Frame[] = []
  #offlineUntilMs = 0
  #nextOfflineMs: number
  produced = 0
  sent = 0
  acknowledged = 0
  duplicated = 0
  dropped = 0

  /**
   * `monotonicMs` tells when it is due, `nowMs` what its frames say; `climate` has what commands do
   * to its temperature.
   */
  constructor(
    plan: SensorPlan,
    random: Random,
    monotonicMs: number,
    nowMs: number,
    climate?: Climate,
  ) {
    const { id, name, placeId, faults } = plan
    this.plan = plan
    // Fresh also where a seed repeats everything else.
    this.boot = systemRandom.bytes(6).toString('hex')
    this.#random = random
    this.#climate = climate
    this.#head = `{"id":${JSON.stringify(id)},"name":${JSON.stringify(name)},"place_id":${JSON.stringify(placeId)},"date":"`
    this.#tail = plan.sequence ? `,"boot":${JSON.stringify(this.boot)}}` : '}'
    this.#curves = plan.measures.map(({ name: measure, shape, offset }, index) => ({
      prefix: `${index > 0 ? ',' : ''}${JSON.stringify(measure)}:`,
      isTemperature: measure === 'temperature',
      curve: new Curve(shape, offset, random, nowMs),
    }))
    this.#skewMs = Math.round((random.next() * 2 - 1) * faults.clock_skew * 1_000)
    this.#nextOfflineMs = monotonicMs + waitMs(faults.offline_every, random)
    // Sensors of one rate do not all speak in the same moment.
    this.dueMs = monotonicMs + random.next() * plan.periodMs
  }

  /** Measures, and gives the frames to send now to `send`. */
  measure(monotonicMs: number, nowMs: number, send: (frame: Frame) => void): void {
    const { faults, periodMs } = this.plan
    this.dueMs += periodMs
    // After a long sleep it goes on from now, and does not catch up.
    if (this.dueMs < monotonicMs - 10 * periodMs - 1_000) this.dueMs = monotonicMs + periodMs
    const frame = this.frameAt(nowMs)
    if (this.#goesOffline(monotonicMs, faults)) {
      if (this.stored.length < faults.offline_buffer) this.stored.push(frame)
      else this.dropped++
      return
    }
    for (const old of this.stored.splice(0)) send(old)
    send(frame)
    if (faults.duplicates > 0 && this.#random.next() < faults.duplicates) {
      this.duplicated++
      send({ ...frame, isCopy: true })
    }
  }

  counts(): SensorCounts {
    const { id, name, placeId } = this.plan
    const { boot, produced, sent, acknowledged, duplicated, dropped } = this
    return { id, name, placeId, boot, produced, sent, acknowledged, duplicated, dropped }
  }

  get isOffline(): boolean {
    return this.#offlineUntilMs > 0
  }

  /** The next frame, measured at `nowMs`. */
  frameAt(nowMs: number): Frame {
    const timestamp = Math.round(nowMs) + this.#skewMs
    const seq = ++this.produced
    let values = ''
    for (const { prefix, isTemperature, curve } of this.#curves) {
      const value = curve.at(nowMs)
      values += prefix + String(isTemperature ? this.#inClimate(value, curve, nowMs) : value)
    }
    // Java's classic sensors write the offset of UTC as +0000.
    const date = new Date(timestamp).toISOString().slice(0, -1)
    const sequence = this.plan.sequence ? `,"seq":${seq}` : ''
    const payload = `${this.#head}${date}+0000","timestamp":${timestamp},"payload":{${values}}${sequence}${this.#tail}`
    return { sensor: this, payload, seq, isCopy: false }
  }

  #inClimate(celsius: number, curve: Curve, nowMs: number): number {
    return this.#climate
      ? curve.round(this.#climate.temperature(this.plan, celsius, nowMs))
      : celsius
  }

  #goesOffline(monotonicMs: number, faults: Faults): boolean {
    if (this.#offlineUntilMs > monotonicMs) return true
    if (this.#offlineUntilMs > 0) {
      this.#offlineUntilMs = 0
      this.#nextOfflineMs = monotonicMs + waitMs(faults.offline_every, this.#random)
      return false
    }
    if (monotonicMs < this.#nextOfflineMs) return false
    this.#offlineUntilMs = monotonicMs + faults.offline_for * 1_000 * (0.5 + this.#random.next())
    return true
  }
}

/** A time until something that comes every `meanSeconds` on average; never where that is 0. */
export function waitMs(meanSeconds: number, random: Random): number {
  if (meanSeconds === 0) return Number.POSITIVE_INFINITY
  return -Math.log(1 - random.next()) * meanSeconds * 1_000
}
