import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { writeWhole } from '@khlong/core/access'
import { z } from 'zod'
import { SensorsError } from '../errors.ts'
import type { ClimateMemory } from '../state/climate.ts'
import type { DeskMemory } from '../state/command-desk.ts'

// commands.json; its page is docs/formats/sensors.md.

const format = 'khlong-sensors'
const version = 1

const schema = z.strictObject({
  format: z.literal(format),
  version: z.literal(version),
  done: z.record(z.string(), z.number()),
  heats: z.record(
    z.string(),
    z.strictObject({ celsius: z.number(), share: z.number().min(0).max(1), atMs: z.number() }),
  ),
  places: z.record(
    z.string(),
    z.strictObject({
      share: z.number().min(0).max(1),
      atMs: z.number(),
      runsUntilMs: z.number(),
    }),
  ),
})

/** What devices remember over a restart: which commands they did, and what these do to places. */
export type FleetMemory = DeskMemory & ClimateMemory

/** The memory of a fleet's devices, one small file. */
export class FleetMemoryFile {
  readonly #file: string

  /** @param data a folder; it is made when something is written */
  constructor(data: string) {
    this.#file = path.join(data, 'commands.json')
  }

  /** @throws SensorsError `SENSORS_MEMORY_DAMAGED`, `SENSORS_MEMORY_NEWER` */
  async read(): Promise<FleetMemory | undefined> {
    const text = await readFile(this.#file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (text === undefined) return undefined
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch (cause) {
      throw this.#damaged('it is not JSON', cause)
    }
    const found = (json as { version?: unknown } | null)?.version
    if (typeof found === 'number' && found > version)
      throw new SensorsError(
        'SENSORS_MEMORY_NEWER',
        `${this.#file} is of format version ${found}, this Khlong reads up to ${version}; use a newer one`,
        { fields: { file: this.#file, version: found } },
      )
    const read = schema.safeParse(json)
    if (!read.success) throw this.#damaged(read.error.issues[0]?.message ?? '', read.error)
    return read.data
  }

  /** Resolved when it would survive a power cut. */
  async write(memory: FleetMemory): Promise<void> {
    await mkdir(path.dirname(this.#file), { recursive: true })
    await writeWhole(this.#file, `${JSON.stringify({ format, version, ...memory })}\n`)
  }

  #damaged(why: string, cause: unknown): SensorsError {
    return new SensorsError(
      'SENSORS_MEMORY_DAMAGED',
      `${this.#file} is damaged (${why}); remove it, and devices do commands again that they did`,
      { fields: { file: this.#file }, cause },
    )
  }
}
