import { readFile } from 'node:fs/promises'
import { checkSettings, SettingsError, type SettingsSource } from '@khlong/core'
import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { planFleet } from './fleet-file.ts'
import type { FleetPlan } from './state/fleet.ts'

const schema = z.strictObject({
  /** `mqtt://`, or `mqtts://`, with user and password where the broker wants them. */
  url: z.string().regex(/^(mqtts?|tcp):\/\/[^/]+\/?$/, 'expected mqtt://HOST:PORT'),
  fleet: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(),
  /** Over the fleet file's. */
  connections: z.number().int().min(1).max(10_000).optional(),
  /** Frames that may wait for an acknowledgement, per connection. */
  max_inflight_messages: z.number().int().min(1).max(60_000).default(200),
  /** Frames that are kept while the broker does not take them, over all sensors; then the oldest go. */
  max_queued_messages: z.number().int().min(1).default(50_000),
  data: z.string().optional(),
})

/** What a fleet may be given. */
export interface SensorOptions {
  /** Where the broker is: `mqtt://[user:password@]host:port`. */
  url: string
  /** A YAML file or what it would say; without it, the classic three sensors. */
  fleet?: string | Readonly<Record<string, unknown>>
  connections?: number
  max_inflight_messages?: number
  max_queued_messages?: number
  /** Where its devices remember which commands they did; without it they forget them at the end. */
  data?: string
}

/** Checked options with their defaults. */
export interface ResolvedSensorOptions
  extends Readonly<Required<Omit<SensorOptions, 'fleet' | 'connections' | 'data'>>> {
  readonly data?: string | undefined
  readonly fleet?: string | Readonly<Record<string, unknown>> | undefined
  readonly connections?: number | undefined
}

/**
 * Checks options and fills in their defaults.
 *
 * @throws SettingsError `SETTINGS_INVALID` with file, line and key.
 */
export function resolveSensorOptions(
  settings: unknown,
  source: SettingsSource = { name: 'options' },
): ResolvedSensorOptions {
  return checkSettings(schema, settings ?? {}, source)
}

/**
 * Reads the fleet that the options name.
 *
 * @throws SettingsError `SETTINGS_INVALID` with file, line and key.
 */
export async function readFleet(options: ResolvedSensorOptions): Promise<FleetPlan> {
  const { fleet } = options
  if (typeof fleet !== 'string') return planFleet(fleet ?? {})
  let text: string
  try {
    text = await readFile(fleet, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new SettingsError(`${fleet}: cannot read the fleet file (${code})`, { file: fleet })
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const [mistake] = document.errors
  if (mistake) {
    const { line } = lines.linePos(mistake.pos[0])
    throw new SettingsError(`${fleet}:${line}: ${mistake.message.split('\n')[0]}`, {
      file: fleet,
      line,
    })
  }
  return planFleet(document.toJS(), {
    name: fleet,
    line: (path) => {
      // An unknown or wrong key may have no node of its own; its parent has.
      for (let length = path.length; length > 0; length--) {
        const node = document.getIn(path.slice(0, length), true)
        const range = (node as { range?: [number, number, number] } | undefined)?.range
        if (range) return lines.linePos(range[0]).line
      }
      return undefined
    },
  })
}
