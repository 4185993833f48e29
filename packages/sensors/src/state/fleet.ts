import type { MeasureShape } from './curve.ts'

/** What goes wrong with a sensor. Times are seconds on average; 0 means never. */
export interface Faults {
  /** It is cut off so often, … */
  readonly offline_every: number
  /** … for so long, … */
  readonly offline_for: number
  /** … and keeps so many frames meanwhile, which come in one burst. */
  readonly offline_buffer: number
  /** The connection that carries it breaks so often. */
  readonly reconnect_every: number
  /** Chance that a frame is sent twice. */
  readonly duplicates: number
  /** Its clock is off by up to so many seconds, either way. */
  readonly clock_skew: number
}

/** All that one sensor needs to know. */
export interface SensorPlan {
  readonly id: string
  readonly name: string
  readonly placeId: string
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly periodMs: number
  readonly sequence: boolean
  readonly measures: readonly {
    readonly name: string
    readonly shape: MeasureShape
    readonly offset: number
  }[]
  readonly faults: Faults
}

/** A fan, which cools its place when it is told to. */
export interface FanPlan {
  readonly id: string
  readonly placeId: string
}

/** What a fleet file says, in full. */
export interface FleetPlan {
  readonly seed: number | undefined
  /** Connections that the sensors share. */
  readonly connections: number
  readonly sensors: readonly SensorPlan[]
  readonly fans: readonly FanPlan[]
  /** Whether its devices take commands. */
  readonly commands: boolean
}
