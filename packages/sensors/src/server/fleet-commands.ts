import { createHash } from 'node:crypto'
import { type Clock, type Logger, systemRandom } from '@khlong/core'
import { Climate } from '../state/climate.ts'
import { CommandDesk } from '../state/command-desk.ts'
import type { FleetPlan } from '../state/fleet.ts'
import { CommandConnection } from './command-connection.ts'
import { FleetMemoryFile } from './fleet-memory.ts'

export interface FleetCommandsOptions {
  readonly plan: FleetPlan
  readonly url: URL
  /** Where devices remember what they did; undefined for no longer than the fleet runs. */
  readonly data: string | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/** The devices of a fleet as they take commands: an answer leaves when what was done is on disk. */
export class FleetCommands {
  readonly climate: Climate = new Climate()
  readonly counts: { done: number; refused: number } = { done: 0, refused: 0 }
  readonly #options: FleetCommandsOptions
  readonly #desk: CommandDesk
  readonly #memory: FleetMemoryFile | undefined
  readonly #connection: CommandConnection
  /** Whether something was done that is not on disk yet, for writing failed. */
  #isUnsaved = false

  constructor(options: FleetCommandsOptions) {
    const { plan, url, data, clock, logger } = options
    this.#options = options
    this.#desk = new CommandDesk(plan, this.climate)
    this.#memory = data === undefined ? undefined : new FleetMemoryFile(data)
    const { deviceIds } = this.#desk
    // A fleet of the same devices finds its session again, one of others has its own.
    const digest = createHash('sha256').update(deviceIds.join('\n')).digest('hex').slice(0, 12)
    this.#connection = new CommandConnection({
      ...{ url, clientId: `devices-${digest}`, deviceIds },
      ...{ clock, random: systemRandom, logger },
      onCommand: (deviceId, payload) => this.#take(deviceId, payload),
    })
  }

  /** @throws SensorsError `SENSORS_MEMORY_DAMAGED`, `SENSORS_MEMORY_NEWER` */
  async start(): Promise<void> {
    const memory = await this.#memory?.read()
    if (memory) {
      this.climate.restore(memory)
      this.#desk.restore(memory)
    }
    this.#connection.open()
  }

  async stop(): Promise<void> {
    await this.#connection.close()
  }

  get fansRunning(): number {
    const nowMs = this.#options.clock.nowMs()
    const { fans } = this.#options.plan
    return fans.filter(({ placeId }) => this.climate.isFanRunning(placeId, nowMs)).length
  }

  /** For the live table. */
  facts(): Record<string, number | string> {
    const { fans } = this.#options.plan
    return {
      ...(fans.length > 0 ? { fans: `${this.fansRunning}/${fans.length}` } : {}),
      ...(this.counts.done > 0 ? { commands: this.counts.done } : {}),
    }
  }

  async #take(deviceId: string, payload: string): Promise<string | undefined> {
    const { clock, logger } = this.#options
    const { answer, isChanged, refused } = this.#desk.receive(deviceId, payload, clock.nowMs())
    if (refused !== undefined) {
      this.counts.refused++
      logger.info({ deviceId, reason: refused }, 'a device does not follow a command')
    }
    if (isChanged) this.counts.done++
    this.#isUnsaved ||= isChanged
    if (this.#isUnsaved) {
      await this.#memory?.write({ ...this.#desk.memory(), ...this.climate.memory() })
      this.#isUnsaved = false
    }
    return answer
  }
}
