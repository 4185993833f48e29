import type { Climate } from './climate.ts'
import type { FleetPlan, SensorPlan } from './fleet.ts'

/** What outlives a restart: which commands were done, so that none is done twice. */
export interface DeskMemory {
  /** `DEVICE/ID` of each, with when it expires. */
  readonly done: Readonly<Record<string, number>>
}

/** What becomes of a command. */
export interface Outcome {
  /** What the device answers; undefined where it says nothing. */
  readonly answer?: string
  /** Whether anything is different now, which must be remembered before the answer leaves. */
  readonly isChanged: boolean
  /** Why the command is not followed. */
  readonly refused?: string
}

type Device = { kind: 'sensor'; plan: SensorPlan } | { kind: 'fan'; placeId: string }
type Json = Readonly<Record<string, unknown>>

const doneMax = 10_000
/** What is remembered of a command that never expires. */
const rememberedMs = 86_400_000
const runSecondsMax = 86_400
const celsiusMax = 200

/**
 * What the devices of a fleet do with commands. A sensor knows `heat` (`celsius`) and `cool`, a fan
 * knows `fan` (`seconds`; 0 stops it). A command that comes again is answered and not done again;
 * one that has expired is passed over.
 */
export class CommandDesk {
  readonly #devices = new Map<string, Device>()
  readonly #climate: Climate
  readonly #done = new Map<string, number>()

  constructor(plan: FleetPlan, climate: Climate) {
    this.#climate = climate
    if (plan.commands)
      for (const sensor of plan.sensors)
        this.#devices.set(sensor.id, { kind: 'sensor', plan: sensor })
    for (const { id, placeId } of plan.fans) this.#devices.set(id, { kind: 'fan', placeId })
  }

  get deviceIds(): readonly string[] {
    return [...this.#devices.keys()]
  }

  receive(deviceId: string, payload: string, nowMs: number): Outcome {
    const device = this.#devices.get(deviceId)
    const command = readCommand(payload)
    if (!device || !command) return { isChanged: false, refused: 'it is no command' }
    const { id, action, params, expiresMs } = command
    if (expiresMs <= nowMs) return { isChanged: false, refused: 'it has expired' }
    const key = `${deviceId}/${id}`
    if (this.#done.has(key)) return { isChanged: false, answer: JSON.stringify({ id, ok: true }) }
    const error = this.#act(device, action, params, nowMs)
    if (error !== undefined)
      return { isChanged: false, answer: JSON.stringify({ id, ok: false, error }), refused: error }
    this.#remember(key, Math.min(expiresMs, nowMs + rememberedMs), nowMs)
    return { isChanged: true, answer: JSON.stringify({ id, ok: true }) }
  }

  memory(): DeskMemory {
    return { done: Object.fromEntries(this.#done) }
  }

  restore({ done }: DeskMemory): void {
    for (const [key, expiresMs] of Object.entries(done)) this.#done.set(key, expiresMs)
  }

  /** Does it, or says why not. */
  #act(device: Device, action: string, params: Json, nowMs: number): string | undefined {
    if (device.kind === 'fan') {
      if (action !== 'fan') return `a fan knows fan, not ${action}`
      const seconds = numberIn(params.seconds, 0, runSecondsMax)
      if (seconds === undefined) return `seconds: expected 0 to ${runSecondsMax}`
      this.#climate.runFan(device.placeId, nowMs + seconds * 1_000, nowMs)
      return undefined
    }
    const { id, measures } = device.plan
    if (!measures.some(({ name }) => name === 'temperature')) return 'it measures no temperature'
    if (action === 'cool') {
      this.#climate.cool(id)
      return undefined
    }
    if (action !== 'heat') return `a sensor knows heat and cool, not ${action}`
    const celsius = numberIn(params.celsius, -celsiusMax, celsiusMax)
    if (celsius === undefined) return `celsius: expected a number up to ${celsiusMax}`
    this.#climate.heat(id, celsius, nowMs)
    return undefined
  }

  #remember(key: string, expiresMs: number, nowMs: number): void {
    for (const [old, atMs] of this.#done) if (atMs <= nowMs) this.#done.delete(old)
    if (this.#done.size >= doneMax)
      for (const oldest of this.#done.keys()) {
        this.#done.delete(oldest)
        break
      }
    this.#done.set(key, expiresMs)
  }
}

interface ReadCommand {
  readonly id: string
  readonly action: string
  readonly params: Json
  readonly expiresMs: number
}

function readCommand(payload: string): ReadCommand | undefined {
  let json: unknown
  try {
    json = JSON.parse(payload)
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null) return undefined
  const { id, action, params, expires } = json as Json
  if (typeof id !== 'string' || id === '' || typeof action !== 'string') return undefined
  return {
    id,
    action: action.slice(0, 64),
    params: typeof params === 'object' && params !== null ? (params as Json) : {},
    expiresMs: typeof expires === 'number' ? expires : Number.POSITIVE_INFINITY,
  }
}

function numberIn(value: unknown, min: number, max: number): number | undefined {
  return typeof value === 'number' && value >= min && value <= max ? value : undefined
}
