import type { Random } from '@khlong/core'

/** How one measure of a kind of sensor behaves. Shares are of half the range. */
export interface MeasureShape {
  readonly min: number
  readonly max: number
  /** Digits behind the point. */
  readonly decimals: number
  /** Share of the curve over a day, highest at `peakHour` (UTC). */
  readonly daily: number
  readonly peakHour: number
  /** Share of the slow waves of minutes and seconds. */
  readonly wander: number
  /** Share of noise from one reading to the next. */
  readonly noise: number
  /** Units by which it goes wrong in a day. */
  readonly driftPerDay: number
  /** Chance per reading of a spike, and its size as a share of half the range. */
  readonly spikeProbability: number
  readonly spikeSize: number
  /** Chance per reading to stay at the same value, and for how long. */
  readonly stuckProbability: number
  readonly stuckSeconds: number
}

const dayMs = 86_400_000
const turn = 2 * Math.PI

/** The values of one measure of one sensor, as a smooth curve of time with what real sensors add. */
export class Curve {
  readonly #shape: MeasureShape
  readonly #random: Random
  readonly #offset: number
  readonly #startMs: number
  readonly #slow: { periodMs: number; phase: number }
  readonly #quick: { periodMs: number; phase: number }
  readonly #scale: number
  #stuckUntilMs = 0
  #last = 0

  /** `offset` is added to all values, for places that are warmer or darker than others. */
  constructor(shape: MeasureShape, offset: number, random: Random, startMs: number) {
    this.#shape = shape
    this.#offset = offset
    this.#random = random
    this.#startMs = startMs
    this.#slow = { periodMs: 180_000 + random.next() * 240_000, phase: random.next() * turn }
    this.#quick = { periodMs: 25_000 + random.next() * 35_000, phase: random.next() * turn }
    this.#scale = 10 ** shape.decimals
  }

  at(nowMs: number): number {
    const { min, max, daily, wander, noise, ...shape } = this.#shape
    if (nowMs < this.#stuckUntilMs) return this.#last
    const half = (max - min) / 2
    const day = Math.cos((nowMs / dayMs - shape.peakHour / 24) * turn)
    const wave = ({ periodMs, phase }: { periodMs: number; phase: number }): number =>
      Math.sin((nowMs / periodMs) * turn + phase)
    let share = daily * day + wander * (0.65 * wave(this.#slow) + 0.35 * wave(this.#quick))
    share += noise * (this.#random.next() * 2 - 1)
    if (shape.spikeProbability > 0 && this.#random.next() < shape.spikeProbability)
      share += this.#random.next() < 0.5 ? -shape.spikeSize : shape.spikeSize
    const drift = (shape.driftPerDay * (nowMs - this.#startMs)) / dayMs
    const value = min + half + half * share + drift + this.#offset
    this.#last = Math.min(max, Math.max(min, this.round(value)))
    if (shape.stuckProbability > 0 && this.#random.next() < shape.stuckProbability)
      this.#stuckUntilMs = nowMs + shape.stuckSeconds * 1_000
    return this.#last
  }

  /** A value with the digits that the measure has. */
  round(value: number): number {
    return Math.round(value * this.#scale) / this.#scale
  }
}
