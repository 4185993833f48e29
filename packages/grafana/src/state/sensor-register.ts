import type { SensorNow } from '../model/platform.ts'

const sensorsMax = 5_000
const rateWindowMs = 10_000
const buckets = 10

interface Sensor {
  id: string
  name: string
  placeId: string
  lastSeenMs: number
  frames: number
  lost: number
  duplicates: number
  sequence: number
  boot: string
  hasSequence: boolean
  values: Record<string, number>
  counts: Uint16Array
  second: number
  firstSecond: number
  changed: boolean
}

/**
 * The sensors that were heard, from their frames: last seen, rate, loss and duplicates by sequence
 * number, and newest values. Bounded: beyond 5,000 sensors new ones are counted and not kept.
 */
export class SensorRegister {
  readonly #sensors = new Map<string, Sensor>()
  /** Frames that could not be read as a sensor's. */
  unreadable = 0
  overflow = 0

  /** Takes one frame. `retained` copies tell values but neither rate nor freshness. */
  apply(payload: string, retained: boolean, nowMs: number): void {
    let frame: Record<string, unknown>
    try {
      frame = JSON.parse(payload) as Record<string, unknown>
    } catch {
      this.unreadable++
      return
    }
    const id = frame?.id
    if (typeof id !== 'string' && typeof id !== 'number') {
      this.unreadable++
      return
    }
    const sensor = this.#sensor(String(id))
    if (!sensor) return
    sensor.changed = true
    if (typeof frame.name === 'string') sensor.name = frame.name
    if (frame.place_id !== undefined) sensor.placeId = String(frame.place_id)
    const values = frame.payload
    if (typeof values === 'object' && values !== null)
      for (const [name, value] of Object.entries(values).slice(0, 16))
        if (typeof value === 'number') sensor.values[name] = value
    const time = Number(frame.timestamp)
    if (retained) {
      if (sensor.frames === 0) sensor.lastSeenMs = Number.isFinite(time) ? time : 0
      return
    }
    sensor.lastSeenMs = nowMs
    sensor.frames++
    this.#count(sensor, nowMs)
    if (typeof frame.seq === 'number') this.#followSequence(sensor, frame.seq, String(frame.boot))
  }

  /** The sensors that changed since the last call, at most `max`. */
  takeChanged(nowMs: number, max: number): SensorNow[] {
    const changed: SensorNow[] = []
    for (const sensor of this.#sensors.values()) {
      if (!sensor.changed) continue
      if (changed.length === max) break
      sensor.changed = false
      changed.push(view(sensor, nowMs))
    }
    return changed
  }

  all(nowMs: number): SensorNow[] {
    return [...this.#sensors.values()].map((sensor) => view(sensor, nowMs))
  }

  #sensor(id: string): Sensor | undefined {
    let sensor = this.#sensors.get(id)
    if (sensor) return sensor
    if (this.#sensors.size >= sensorsMax) {
      this.overflow++
      return undefined
    }
    sensor = {
      id,
      name: '',
      placeId: '',
      lastSeenMs: 0,
      frames: 0,
      lost: 0,
      duplicates: 0,
      sequence: -1,
      boot: '',
      hasSequence: false,
      values: {},
      counts: new Uint16Array(buckets),
      second: 0,
      firstSecond: 0,
      changed: true,
    }
    this.#sensors.set(id, sensor)
    return sensor
  }

  #count(sensor: Sensor, nowMs: number): void {
    advance(sensor, nowMs)
    if (sensor.firstSecond === 0) sensor.firstSecond = sensor.second
    sensor.counts[sensor.second % buckets]! += 1
  }

  #followSequence(sensor: Sensor, sequence: number, boot: string): void {
    if (sensor.hasSequence && boot === sensor.boot) {
      if (sequence <= sensor.sequence) sensor.duplicates++
      else sensor.lost += sequence - sensor.sequence - 1
    }
    sensor.hasSequence = true
    if (boot !== sensor.boot || sequence > sensor.sequence) sensor.sequence = sequence
    sensor.boot = boot
  }
}

function advance(sensor: Sensor, nowMs: number): void {
  const second = Math.floor(nowMs / (rateWindowMs / buckets))
  const passed = Math.min(second - sensor.second, buckets)
  for (let step = 1; step <= passed; step++) sensor.counts[(sensor.second + step) % buckets] = 0
  if (passed === buckets) sensor.counts.fill(0)
  if (passed > 0) sensor.second = second
}

function view(sensor: Sensor, nowMs: number): SensorNow {
  advance(sensor, nowMs)
  // The second that still runs is left out, so that a steady sensor shows a steady rate.
  let sum = 0
  for (let bucket = 0; bucket < buckets; bucket++)
    if (bucket !== sensor.second % buckets) sum += sensor.counts[bucket]!
  return {
    id: sensor.id,
    name: sensor.name || sensor.id,
    placeId: sensor.placeId,
    lastSeenMs: sensor.lastSeenMs,
    // A sensor that was heard for three seconds is not judged by ten.
    rate: sum / Math.max(1, Math.min(buckets - 1, sensor.second - sensor.firstSecond)),
    frames: sensor.frames,
    ...(sensor.hasSequence ? { lost: sensor.lost, duplicates: sensor.duplicates } : {}),
    values: { ...sensor.values },
  }
}
