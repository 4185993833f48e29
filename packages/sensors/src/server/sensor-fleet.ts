import {
  MetricsRegistry,
  PartBase,
  type PartContext,
  type Random,
  systemRandom,
  type TimerHandle,
  type VitalItem,
  type Vitals,
} from '@khlong/core'
import {
  type ResolvedSensorOptions,
  readFleet,
  resolveSensorOptions,
  type SensorOptions,
} from '../options.ts'
import { Backlog } from '../state/backlog.ts'
import type { FleetPlan } from '../state/fleet.ts'
import { RepeatableRandom } from '../state/repeatable-random.ts'
import { type Frame, Sensor, type SensorCounts, waitMs } from '../state/sensor.ts'
import { TimerWheel } from '../state/timer-wheel.ts'
import { FleetCommands } from './fleet-commands.ts'
import { PublisherConnection } from './publisher-connection.ts'

const tickMs = 10
/** The live table shows so many sensors by name. */
const itemsMax = 50

/** What became of all frames since the fleet started. */
export interface FleetCounts {
  readonly sensors: readonly SensorCounts[]
  readonly produced: number
  readonly sent: number
  readonly acknowledged: number
  readonly duplicated: number
  readonly dropped: number
  /** Frames that were measured and are neither acknowledged nor dropped. */
  readonly waiting: number
}

/** Some sensors and the connection that carries their frames. */
interface Lane {
  readonly connection: PublisherConnection<Frame>
  readonly backlog: Backlog<Frame>
  /** Mean seconds between breaks of the connection; 0 for none. */
  readonly cutEvery: number
  cutAtMs: number
}

/**
 * Sensors that behave like real devices, and count what they sent.
 *
 * A frame counts as acknowledged once, however often it was sent; after a reconnect what was not
 * acknowledged is sent again. A stop waits for acknowledgements until its deadline.
 *
 * @example
 * const fleet = new SensorFleet({ url: 'mqtt://127.0.0.1:1883' })
 * await fleet.start()
 */
export class SensorFleet extends PartBase {
  readonly name = 'sensors'
  readonly addresses: Readonly<Record<string, string>> = {}
  readonly #options: ResolvedSensorOptions
  readonly #metrics = new MetricsRegistry()
  #sensors: readonly Sensor[] = []
  #lanes: Lane[] = []
  #laneOf = new Map<Sensor, Lane>()
  #wheel = new TimerWheel<Sensor>(0)
  #random: Random = systemRandom
  #timer: TimerHandle | undefined
  #commands: FleetCommands | undefined

  /** @throws SettingsError where an option is unknown or wrong. */
  constructor(options: SensorOptions, context: PartContext = {}) {
    super(context)
    this.#options = resolveSensorOptions(options)
    this.#registerMetrics()
  }

  /** What became of each sensor's frames, for recounting them downstream. */
  counts(): FleetCounts {
    const sensors = this.#sensors.map((sensor) => sensor.counts())
    const sum = (of: (counts: SensorCounts) => number): number =>
      sensors.reduce((total, counts) => total + of(counts), 0)
    const produced = sum((counts) => counts.produced)
    const acknowledged = sum((counts) => counts.acknowledged)
    const dropped = sum((counts) => counts.dropped)
    return {
      sensors,
      produced,
      sent: sum((counts) => counts.sent),
      acknowledged,
      duplicated: sum((counts) => counts.duplicated),
      dropped,
      waiting: produced - acknowledged - dropped,
    }
  }

  vitals(): Vitals {
    let [produced, acknowledged, dropped, perSecond, offline] = [0, 0, 0, 0, 0]
    for (const sensor of this.#sensors) {
      produced += sensor.produced
      acknowledged += sensor.acknowledged
      dropped += sensor.dropped
      perSecond += 1_000 / sensor.plan.periodMs
      if (sensor.isOffline) offline++
    }
    const connected = this.#lanes.filter(({ connection }) => connection.isConnected).length
    return {
      recordsIn: produced,
      recordsOut: acknowledged,
      lag: produced - acknowledged - dropped,
      facts: {
        sensors: this.#sensors.length,
        perSecond: Math.round(perSecond * 10) / 10,
        ...(connected < this.#lanes.length
          ? { connected: `${connected}/${this.#lanes.length}` }
          : {}),
        ...(offline > 0 ? { offline } : {}),
        ...(dropped > 0 ? { dropped } : {}),
        ...this.#commands?.facts(),
      },
      items: this.#sensors.slice(0, itemsMax).map((sensor) => this.#item(sensor)),
    }
  }

  metrics(): string {
    return this.#metrics.render()
  }

  protected async onStart(): Promise<void> {
    const plan = await readFleet(this.#options)
    this.#random = plan.seed === undefined ? systemRandom : new RepeatableRandom(plan.seed)
    const nowMs = this.clock.nowMs()
    const monotonicMs = this.clock.monotonicMs()
    this.#commands = await this.#openCommands(plan)
    const climate = this.#commands?.climate
    this.#sensors = plan.sensors.map(
      (sensor) => new Sensor(sensor, this.#random, monotonicMs, nowMs, climate),
    )
    this.#wheel = new TimerWheel(monotonicMs)
    const wanted = this.#options.connections ?? plan.connections
    this.#openLanes(Math.min(wanted, this.#sensors.length), monotonicMs)
    for (const sensor of this.#sensors) this.#wheel.add(sensor)
    this.logger.info(
      { sensors: this.#sensors.length, url: withoutPassword(this.#url) },
      'fleet runs',
    )
    this.#tick()
  }

  protected async onStop(deadlineMs: number): Promise<void> {
    if (this.#timer) this.clock.clearTimer(this.#timer)
    this.#timer = undefined
    await Promise.all([
      this.#commands?.stop(),
      ...this.#lanes.map(({ connection }) => connection.close(deadlineMs)),
    ])
    this.#commands = undefined
    this.#lanes = []
    this.#laneOf = new Map()
  }

  get #url(): URL {
    return new URL(this.#options.url)
  }

  async #openCommands(plan: FleetPlan): Promise<FleetCommands | undefined> {
    if (!plan.commands && plan.fans.length === 0) return undefined
    const { clock, logger } = this
    const commands = new FleetCommands({
      plan,
      url: this.#url,
      data: this.#options.data,
      clock,
      logger,
    })
    await commands.start()
    return commands
  }

  #openLanes(laneCount: number, monotonicMs: number): void {
    const limit = Math.ceil(this.#options.max_queued_messages / laneCount)
    const suffix = systemRandom.bytes(4).toString('hex')
    for (let index = 0; index < laneCount; index++) {
      const sensors = this.#sensors.filter((_, position) => position % laneCount === index)
      const who = sensors.length === 1 ? sensors[0]!.plan.name : `sensors-${index + 1}`
      const connection = new PublisherConnection<Frame>(
        {
          url: this.#url,
          clientId: `${who}-${suffix}`,
          inFlightMax: this.#options.max_inflight_messages,
          clock: this.clock,
          random: systemRandom,
          logger: this.logger,
        },
        {
          onSent: (frame) => {
            if (!frame.isCopy) frame.sensor.sent++
          },
          onAcknowledged: (frame) => {
            if (!frame.isCopy) frame.sensor.acknowledged++
          },
          onReady: () => this.#pump(lane),
        },
      )
      const backlog = new Backlog<Frame>(limit, (frame) => {
        if (!frame.isCopy) frame.sensor.dropped++
      })
      const breaks = sensors
        .map(({ plan }) => plan.faults.reconnect_every)
        .filter((every) => every > 0)
      const cutEvery = breaks.length === 0 ? 0 : Math.min(...breaks)
      const cutAtMs = monotonicMs + waitMs(cutEvery, this.#random)
      const lane: Lane = { connection, backlog, cutEvery, cutAtMs }
      this.#lanes.push(lane)
      for (const sensor of sensors) this.#laneOf.set(sensor, lane)
      connection.open()
    }
  }

  #tick(): void {
    const monotonicMs = this.clock.monotonicMs()
    const nowMs = this.clock.nowMs()
    this.#wheel.advance(monotonicMs, (sensor) => {
      const lane = this.#laneOf.get(sensor)!
      while (sensor.dueMs <= monotonicMs)
        sensor.measure(monotonicMs, nowMs, (frame) => lane.backlog.push(frame))
      this.#wheel.add(sensor)
    })
    for (const lane of this.#lanes) {
      this.#pump(lane)
      if (lane.cutAtMs > monotonicMs) continue
      lane.cutAtMs = monotonicMs + waitMs(lane.cutEvery, this.#random)
      lane.connection.cut()
    }
    this.#timer = this.clock.setTimer(() => this.#tick(), tickMs)
  }

  #pump({ connection, backlog }: Lane): void {
    while (connection.hasRoom) {
      const frame = backlog.shift()
      if (!frame) return
      const { topic, qos, retain } = frame.sensor.plan
      connection.publish(frame, { topic, qos, retain, payload: frame.payload })
    }
  }

  #item(sensor: Sensor): VitalItem {
    const isConnected = this.#laneOf.get(sensor)?.connection.isConnected ?? false
    return {
      kind: 'sensor',
      name: sensor.plan.name,
      state: sensor.isOffline ? 'paused' : isConnected ? 'running' : 'starting',
      recordsIn: sensor.produced,
      recordsOut: sensor.acknowledged,
      lag: sensor.produced - sensor.acknowledged - sensor.dropped,
      to: [sensor.plan.topic],
      ...(sensor.isOffline ? { note: `offline, keeps ${sensor.stored.length} frames` } : {}),
    }
  }

  #registerMetrics(): void {
    const counter = (name: string, help: string): { value: number } =>
      this.#metrics.counter({ name: `khlong_sensors_frames_${name}_total`, help }).series()
    const produced = counter('produced', 'Frames that were measured')
    const sent = counter('sent', 'Frames that were sent at least once')
    const acknowledged = counter('acknowledged', 'Frames that the broker has acknowledged')
    const dropped = counter('dropped', 'Frames that were lost before they were sent')
    const gauge = (name: string, help: string): { value: number } =>
      this.#metrics.gauge({ name, help }).series()
    const sensors = gauge('khlong_sensors', 'Sensors of the fleet')
    const connected = gauge('khlong_sensors_connections', 'Connections to the broker')
    const commands = this.#metrics.counter({
      name: 'khlong_sensors_commands_total',
      help: 'Commands that devices got, by what came of them',
    })
    const fans = gauge('khlong_sensors_fans_running', 'Fans that run')
    this.#metrics.onRender(() => {
      const counts = this.counts()
      produced.value = counts.produced
      sent.value = counts.sent
      acknowledged.value = counts.acknowledged
      dropped.value = counts.dropped
      sensors.value = this.#sensors.length
      connected.value = this.#lanes.filter(({ connection }) => connection.isConnected).length
      fans.value = this.#commands?.fansRunning ?? 0
      for (const [outcome, count] of Object.entries(this.#commands?.counts ?? {}))
        commands.series({ outcome }).value = count
    })
  }
}

function withoutPassword(url: URL): string {
  return `${url.protocol}//${url.host}`
}
