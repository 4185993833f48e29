/** Java's defaults: two samples, of 30 seconds each. */
const sampleMs = 30_000

interface Sample {
  readonly startMs: number
  count: number
  sum: number
  max: number
  min: number
}

const newSample = (startMs: number): Sample => ({
  startMs,
  count: 0,
  sum: 0,
  max: Number.NEGATIVE_INFINITY,
  min: Number.POSITIVE_INFINITY,
})

/**
 * What was measured: in all, and lately. As with Kafka's own, lately is the sample that is under way and
 * the one before; what has not been measured lately is NaN, a rate 0.
 */
export class Sensor {
  /** Values, and their sum, since the beginning. */
  count = 0
  sum = 0
  #now: Sample = newSample(0)
  #before: Sample | undefined

  record(value: number, nowMs: number): void {
    this.#roll(nowMs)
    this.count++
    this.sum += value
    const sample = this.#now
    sample.count++
    sample.sum += value
    if (value > sample.max) sample.max = value
    if (value < sample.min) sample.min = value
  }

  /** Values that were added up before. */
  recordMany(values: Pick<Sample, 'count' | 'sum' | 'min' | 'max'>, nowMs: number): void {
    this.#roll(nowMs)
    this.count += values.count
    this.sum += values.sum
    const sample = this.#now
    sample.count += values.count
    sample.sum += values.sum
    if (values.max > sample.max) sample.max = values.max
    if (values.min < sample.min) sample.min = values.min
  }

  /** Values per second, lately. */
  rate(nowMs: number): number {
    return this.#perMs(({ count }) => count, nowMs) * 1_000
  }
  /** The values' sum per second, lately. */
  sumRate(nowMs: number): number {
    return this.ratio(nowMs) * 1_000
  }
  /** The values' sum per millisecond, lately: of times, the part of all time. */
  ratio(nowMs: number): number {
    return this.#perMs(({ sum }) => sum, nowMs)
  }
  avg(nowMs: number): number {
    this.#roll(nowMs)
    const [sum, count] = [this.#lately(({ sum }) => sum), this.#lately(({ count }) => count)]
    return sum / count
  }
  max(nowMs: number): number {
    this.#roll(nowMs)
    const max = Math.max(this.#now.max, this.#before?.max ?? this.#now.max)
    return Number.isFinite(max) ? max : Number.NaN
  }

  min(nowMs: number): number {
    this.#roll(nowMs)
    const min = Math.min(this.#now.min, this.#before?.min ?? this.#now.min)
    return Number.isFinite(min) ? min : Number.NaN
  }

  #perMs(of: (sample: Sample) => number, nowMs: number): number {
    this.#roll(nowMs)
    const sum = this.#lately(of)
    if (sum === 0) return 0
    const elapsedMs = nowMs - (this.#before ?? this.#now).startMs
    // At first as if a whole sample had passed, so that one value is no torrent.
    return sum / (elapsedMs < sampleMs ? elapsedMs + sampleMs : elapsedMs)
  }

  #lately(of: (sample: Sample) => number): number {
    return of(this.#now) + (this.#before ? of(this.#before) : 0)
  }

  #roll(nowMs: number): void {
    const ageMs = nowMs - this.#now.startMs
    if (ageMs < sampleMs) return
    this.#before = ageMs < 2 * sampleMs ? this.#now : undefined
    this.#now = newSample(nowMs)
  }
}
