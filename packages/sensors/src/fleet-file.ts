import { checkSettings, SettingsError, type SettingsSource } from '@khlong/core'
import { z } from 'zod'
import type { MeasureShape } from './state/curve.ts'
import type { FleetPlan, SensorPlan } from './state/fleet.ts'

const share = z.number().min(0).max(2)
const chance = z.number().min(0).max(1)
const seconds = z.number().min(0)
const text = z.union([z.string().min(1), z.number()]).transform(String)

const measure = z.strictObject({
  min: z.number(),
  max: z.number(),
  decimals: z.number().int().min(0).max(6).default(0),
  /** A curve over the day, in shares of half the range. */
  daily: share.default(0.45),
  peak_hour: z.number().min(0).max(24).default(14),
  wander: share.default(0.45),
  noise: share.default(0.02),
  drift_per_day: z.number().default(0),
  spikes: z.strictObject({ probability: chance, size: share.default(1) }).optional(),
  stuck: z.strictObject({ probability: chance, seconds: seconds.default(60) }).optional(),
})

const faults = z.strictObject({
  offline_every: seconds.default(0),
  offline_for: seconds.default(30),
  offline_buffer: z.number().int().min(0).max(100_000).default(1_000),
  reconnect_every: seconds.default(0),
  duplicates: chance.default(0),
  clock_skew: seconds.default(0),
})

/** An id that is a level of a topic. */
const topicLevel = text.refine((id) => /^[^/+#\0]{1,128}$/.test(id), {
  error: 'expected an id without / + #',
})

const qos = z.union([z.literal(0), z.literal(1), z.literal(2)])
const rate = z.number().positive().max(1_000)

const sensor = z.strictObject({
  /** `{n}` in id and name is the number of the sensor within its `count`, from 1. */
  id: text.optional(),
  name: z.string().optional(),
  place: text.default('32347983'),
  kind: z.string().default('classic'),
  count: z.number().int().min(1).max(100_000).default(1),
  topic: z.string().optional(),
  rate: rate.optional(),
  qos: qos.optional(),
  retain: z.boolean().optional(),
  faults: faults.optional(),
})

const fleet = z.strictObject({
  /** The same seed gives the same values at the same times. */
  seed: z.number().int().optional(),
  /** `{id}`, `{name}` and `{place}` stand for those of the sensor. */
  topic: z.string().min(1).default('iot-frames'),
  qos: qos.default(1),
  retain: z.boolean().default(true),
  /** Frames per second of each sensor. */
  rate: rate.default(1),
  /** Whether frames carry `seq` and `boot`. */
  sequence: z.boolean().default(true),
  connections: z.number().int().min(1).max(10_000).default(1),
  kinds: z.record(z.string(), z.record(z.string(), measure)).default({}),
  /** What is added to measures at a place. */
  places: z.record(z.string(), z.record(z.string(), z.number())).default({}),
  faults: faults.default(faults.parse({})),
  /** Whether sensors take commands from `devices/ID/commands`; fans do. */
  commands: z.boolean().default(false),
  fans: z
    .array(z.strictObject({ id: topicLevel, place: text }))
    .max(1_000)
    .default([]),
  sensors: z
    .array(sensor)
    .min(1)
    .default([
      { id: '12434345', name: 'iot_sensor_1', place: '32347983', kind: 'classic', count: 1 },
      { id: '21321434', name: 'iot_sensor_2', place: '32347983', kind: 'classic', count: 1 },
      { id: '43245253', name: 'iot_sensor_3', place: '42343243', kind: 'classic', count: 1 },
    ]),
})

/** Each is a subscription of one session. */
const commandedMax = 1_000

type Fleet = Readonly<z.infer<typeof fleet>>
type Kind = Fleet['kinds'][string]

/** What the classic pipeline's sensors measure, as integers. */
const classic: Kind = {
  temperature: measure.parse({ min: -5, max: 34, wander: 0.5 }),
  humidity: measure.parse({ min: 0, max: 99, peak_hour: 4, daily: 0.35 }),
  pressure: measure.parse({ min: 1000, max: 1029, daily: 0.25, peak_hour: 9, wander: 0.6 }),
  luminosity: measure.parse({ min: 0, max: 64_999, peak_hour: 12, noise: 0.03 }),
}

/**
 * Checks what a fleet file says and gives the plan of each sensor. Without sensors they are the
 * classic three.
 *
 * @throws SettingsError `SETTINGS_INVALID` with file, line and key.
 */
export function planFleet(written: unknown, source: SettingsSource = { name: 'fleet' }): FleetPlan {
  const settings = checkSettings(fleet, written ?? {}, source)
  const kinds: Fleet['kinds'] = { classic, ...settings.kinds }
  const sensors: SensorPlan[] = []
  for (const [index, group] of settings.sensors.entries()) {
    const kind = kinds[group.kind]
    if (!kind) {
      const line = source.line?.(['sensors', index, 'kind'])
      const where = line === undefined ? source.name : `${source.name}:${line}`
      const known = Object.keys(kinds).join(', ')
      throw new SettingsError(
        `${where}: sensors.${index}.kind: no kind ${group.kind}; there are ${known}`,
        {
          file: source.name,
          key: `sensors.${index}.kind`,
          ...(line === undefined ? {} : { line }),
        },
      )
    }
    for (let number = 1; number <= group.count; number++)
      sensors.push(planSensor(settings, group, kind, sensors.length + 1, number))
  }
  const plan: FleetPlan = {
    seed: settings.seed,
    connections: settings.connections,
    sensors,
    fans: settings.fans.map(({ id, place }) => ({ id, placeId: place })),
    commands: settings.commands,
  }
  checkCommands(plan, source)
  return plan
}

/** Devices with commands are few, have ids that a topic can carry, and no two have the same. */
function checkCommands({ commands, sensors, fans }: FleetPlan, source: SettingsSource): void {
  const refuse = (key: string, why: string): never => {
    const line = source.line?.([key])
    throw new SettingsError(
      `${line === undefined ? source.name : `${source.name}:${line}`}: ${key}: ${why}`,
      { file: source.name, key, ...(line === undefined ? {} : { line }) },
    )
  }
  const ids = [...(commands ? sensors : []), ...fans].map(({ id }) => id)
  const wrong = ids.find((id) => !topicLevel.safeParse(id).success)
  if (commands && sensors.length > commandedMax)
    refuse('commands', `at most ${commandedMax} sensors take commands, found ${sensors.length}`)
  if (wrong !== undefined) refuse('commands', `${wrong} cannot be a level of a topic`)
  if (commands && new Set(ids).size < ids.length) refuse('fans', 'two devices have the same id')
}

function planSensor(
  settings: Fleet,
  group: Fleet['sensors'][number],
  kind: Kind,
  position: number,
  number: number,
): SensorPlan {
  const fill = (pattern: string): string => pattern.replaceAll('{n}', String(number))
  // Of many sensors with one id, each gets a number.
  const numbered = (pattern: string): string =>
    group.count > 1 && !pattern.includes('{n}') ? `${pattern}-${number}` : fill(pattern)
  const id = group.id === undefined ? String(10_000_000 + position) : numbered(group.id)
  const name = group.name === undefined ? `iot_sensor_${position}` : numbered(group.name)
  const placeId = fill(group.place)
  const topic = (group.topic ?? settings.topic)
    .replaceAll('{id}', id)
    .replaceAll('{name}', name)
    .replaceAll('{place}', placeId)
  return {
    id,
    name,
    placeId,
    topic,
    qos: group.qos ?? settings.qos,
    retain: group.retain ?? settings.retain,
    periodMs: 1_000 / (group.rate ?? settings.rate),
    sequence: settings.sequence,
    measures: Object.entries(kind).map(([measureName, shape]) => ({
      name: measureName,
      shape: shapeOf(shape),
      offset: settings.places[placeId]?.[measureName] ?? 0,
    })),
    faults: group.faults ?? settings.faults,
  }
}

function shapeOf(written: Kind[string]): MeasureShape {
  const { min, max, decimals, daily, wander, noise, spikes, stuck } = written
  return {
    min,
    max,
    decimals,
    daily,
    peakHour: written.peak_hour,
    wander,
    noise,
    driftPerDay: written.drift_per_day,
    spikeProbability: spikes?.probability ?? 0,
    spikeSize: spikes?.size ?? 1,
    stuckProbability: stuck?.probability ?? 0,
    stuckSeconds: stuck?.seconds ?? 60,
  }
}
