/*
 * What commands do to the places of a fleet. Invariants: values depend on times only, so that a
 * memory that is read again goes on where it was; a share lies between 0 and 1.
 */

/** A sensor that is heated: its temperature goes towards `celsius` again when no fan runs. */
interface Heat {
  readonly celsius: number
  /** How much of the way it has come. */
  share: number
  atMs: number
}

/** The air of a place, and until when its fans run. */
interface Air {
  /** How much of what a fan can cool it does now. */
  share: number
  atMs: number
  runsUntilMs: number
}

/** What outlives a restart. */
export interface ClimateMemory {
  readonly heats: Readonly<Record<string, Heat>>
  readonly places: Readonly<Record<string, Air>>
}

// Seconds to watch, not minutes to wait for.
const heatingMs = 5_000
const coolingMs = 3_000
const fanStartsMs = 10_000
const fanEndsMs = 60_000
/** A fan takes so much off what the weather gives. */
const fanCelsius = 6
/** Heat of which less is left is gone, and does not come back when the fan stops. */
const shareMin = 0.1

/** Temperatures of places where sensors are heated and fans run. */
export class Climate {
  readonly #heats = new Map<string, Heat>()
  readonly #places = new Map<string, Air>()

  /** Makes a sensor hot at once, until its place's fan has cooled it. */
  heat(sensorId: string, celsius: number, nowMs: number): void {
    this.#heats.set(sensorId, { celsius, share: 1, atMs: nowMs })
  }

  /** Ends a sensor's heat at once. */
  cool(sensorId: string): void {
    this.#heats.delete(sensorId)
  }

  /** Runs a place's fan until then. */
  runFan(placeId: string, untilMs: number, nowMs: number): void {
    const air = this.#airAt(placeId, nowMs) ?? { share: 0, atMs: nowMs, runsUntilMs: 0 }
    this.#places.set(placeId, { ...air, runsUntilMs: untilMs })
  }

  isFanRunning(placeId: string, nowMs: number): boolean {
    return (this.#places.get(placeId)?.runsUntilMs ?? 0) > nowMs
  }

  /** A sensor's temperature where the weather gives `celsius`. */
  temperature(sensor: { id: string; placeId: string }, celsius: number, nowMs: number): number {
    const air = this.#airAt(sensor.placeId, nowMs)
    const weather = celsius - fanCelsius * (air?.share ?? 0)
    const heat = this.#heatAt(sensor, nowMs)
    return heat ? weather + heat.share * (heat.celsius - weather) : weather
  }

  memory(): ClimateMemory {
    return { heats: Object.fromEntries(this.#heats), places: Object.fromEntries(this.#places) }
  }

  /** Goes on from what was remembered. */
  restore({ heats, places }: ClimateMemory): void {
    for (const [id, heat] of Object.entries(heats)) this.#heats.set(id, { ...heat })
    for (const [id, air] of Object.entries(places)) this.#places.set(id, { ...air })
  }

  #airAt(placeId: string, nowMs: number): Air | undefined {
    const air = this.#places.get(placeId)
    if (!air) return undefined
    const { onMs, offMs } = split(air.atMs, nowMs, air.runsUntilMs)
    air.share = 1 - (1 - air.share) * Math.exp(-onMs / fanStartsMs)
    air.share *= Math.exp(-offMs / fanEndsMs)
    air.atMs = Math.max(air.atMs, nowMs)
    return air
  }

  #heatAt({ id, placeId }: { id: string; placeId: string }, nowMs: number): Heat | undefined {
    const heat = this.#heats.get(id)
    if (!heat) return undefined
    const runsUntilMs = this.#places.get(placeId)?.runsUntilMs ?? 0
    const { onMs, offMs } = split(heat.atMs, nowMs, runsUntilMs)
    heat.share *= Math.exp(-onMs / coolingMs)
    if (onMs > 0 && heat.share < shareMin) {
      this.#heats.delete(id)
      return undefined
    }
    heat.share = 1 - (1 - heat.share) * Math.exp(-offMs / heatingMs)
    heat.atMs = Math.max(heat.atMs, nowMs)
    return heat
  }
}

/** How much of a time a fan ran, and how much it did not; none where clocks went back. */
function split(fromMs: number, toMs: number, untilMs: number): { onMs: number; offMs: number } {
  const allMs = Math.max(0, toMs - fromMs)
  const onMs = Math.min(allMs, Math.max(0, untilMs - fromMs))
  return { onMs, offMs: allMs - onMs }
}
