import { silentLogger, systemClock, systemRandom } from '@khlong/core'
import { SensorsError } from './errors.ts'
import { planFleet } from './fleet-file.ts'
import { PublisherConnection } from './server/publisher-connection.ts'
import { type Frame, Sensor } from './state/sensor.ts'

/** How hard to publish. */
export interface LoadOptions {
  url: string
  /** Frames per second over all connections; 0 for as many as are acknowledged. */
  framesPerSecond: number
  durationMs: number
  /** Frames that may wait for an acknowledgement, per connection. Default 200. */
  inFlight?: number
  /** Default 1. */
  connections?: number
  /** Different sensors whose frames are sent in turn. Default 100. */
  sensors?: number
  topic?: string
  qos?: 0 | 1 | 2
  retain?: boolean
  /** Called for each frame that is acknowledged, with the text that was sent. */
  onAcknowledged?: (payload: string) => void
}

/** What came of it. Latencies are milliseconds from handing a frame to the socket to its PUBACK. */
export interface LoadResult {
  readonly sent: number
  readonly acknowledged: number
  readonly seconds: number
  /** Acknowledged frames per second. */
  readonly perSecond: number
  readonly latency: {
    readonly p50: number
    readonly p95: number
    readonly p99: number
    readonly max: number
  }
}

interface Timed {
  readonly frame: Frame
  readonly atMs: number
}

const burstMax = 1_000
const connectMs = 10_000
/** After the duration, what is in flight is awaited for so long. */
const drainMs = 10_000

/**
 * Publishes classic frames at a steady rate, or as fast as they are acknowledged.
 *
 * With a rate, frames that the broker does not take in time are sent late and not left out: the
 * result's rate shows it.
 *
 * @throws SensorsError `SENSORS_NOT_CONNECTED`
 */
export async function publishLoad(options: LoadOptions): Promise<LoadResult> {
  const { framesPerSecond, durationMs, connections: laneCount = 1 } = options
  const { topic = 'iot-frames', qos = 1, retain = true, sensors: count = 100 } = options
  const plan = planFleet({
    topic,
    qos,
    retain,
    sensors: [{ name: 'load_{n}', id: 'load-{n}', count }],
  })
  const startMs = performance.now()
  const sensors = plan.sensors.map((one) => new Sensor(one, systemRandom, startMs, Date.now()))
  const latencies = new Latencies()
  let [sent, acknowledged, turn, isOver] = [0, 0, 0, false]
  let [beginMs, endMs] = [0, 0]
  const next = (): Frame => {
    const sensor = sensors[turn++ % sensors.length]!
    return sensor.frameAt(Date.now())
  }
  const due = (): number =>
    framesPerSecond === 0
      ? Number.POSITIVE_INFINITY
      : Math.min(performance.now() - beginMs, durationMs) * (framesPerSecond / 1_000)
  const pump = (connection: PublisherConnection<Timed>): void => {
    // QoS 0 always has room; others want a turn too.
    for (let left = burstMax; left > 0; left--) {
      if (isOver || beginMs === 0 || !connection.hasRoom || sent >= due()) return
      const frame = next()
      sent++
      const message = { topic, qos, retain, payload: frame.payload }
      connection.publish({ frame, atMs: performance.now() }, message)
    }
  }
  const connected = Promise.withResolvers<void>()
  const finished = Promise.withResolvers<void>()
  const lanes = Array.from({ length: laneCount }, (_, index) => {
    const lane: PublisherConnection<Timed> = new PublisherConnection<Timed>(
      {
        url: new URL(options.url),
        clientId: `load-${index + 1}-${systemRandom.bytes(4).toString('hex')}`,
        inFlightMax: options.inFlight ?? 200,
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
      },
      {
        onSent: () => {},
        onAcknowledged: ({ frame, atMs }) => {
          acknowledged++
          endMs = performance.now()
          latencies.add(endMs - atMs)
          options.onAcknowledged?.(frame.payload)
          if (isOver && acknowledged === sent) finished.resolve()
        },
        onReady: () => {
          if (lanes.every(({ isConnected }) => isConnected)) connected.resolve()
          pump(lane)
        },
      },
    )
    return lane
  })
  for (const lane of lanes) lane.open()
  const tooLate = setTimeout(() => {
    const message = `no connection to ${new URL(options.url).host} within ${connectMs} ms`
    connected.reject(new SensorsError('SENSORS_NOT_CONNECTED', message, { retriable: true }))
  }, connectMs)
  try {
    await connected.promise
  } catch (error) {
    await Promise.all(lanes.map((lane) => lane.close(0)))
    throw error
  } finally {
    clearTimeout(tooLate)
  }
  beginMs = performance.now()
  // Each lane in turn first, so that a low rate is spread over all.
  const timer = setInterval(() => {
    lanes.push(lanes.shift()!)
    for (const lane of lanes) pump(lane)
  }, 2)
  await new Promise((resolve) => setTimeout(resolve, durationMs))
  isOver = true
  clearInterval(timer)
  if (acknowledged < sent) {
    const late = setTimeout(() => finished.resolve(), drainMs)
    await finished.promise
    clearTimeout(late)
  }
  await Promise.all(lanes.map((lane) => lane.close(0)))
  const seconds = Math.max(durationMs, endMs - beginMs) / 1_000
  return {
    sent,
    acknowledged,
    seconds,
    perSecond: acknowledged / seconds,
    latency: {
      p50: latencies.percentile(0.5),
      p95: latencies.percentile(0.95),
      p99: latencies.percentile(0.99),
      max: latencies.max,
    },
  }
}

/** Counts of latencies in steps of 2%: exact enough, and of one size for any number of frames. */
class Latencies {
  readonly #counts = new Uint32Array(1_000)
  #total = 0
  max = 0

  add(ms: number): void {
    // Step 0 begins at a microsecond.
    const step = Math.floor(Math.log(Math.max(ms * 1_000, 1)) / Math.log(1.02))
    this.#counts[Math.min(step, 999)]! += 1
    this.#total++
    this.max = Math.max(this.max, ms)
  }

  percentile(share: number): number {
    let left = share * this.#total
    for (const [step, count] of this.#counts.entries()) {
      left -= count
      if (left <= 0 && count > 0) return Math.min(this.max, 1.02 ** (step + 1) / 1_000)
    }
    return this.max
  }
}
