export { SensorsError } from './errors.ts'
export {
  type ResolvedSensorOptions,
  readFleet,
  resolveSensorOptions,
  type SensorOptions,
} from './options.ts'
export { type LoadOptions, type LoadResult, publishLoad } from './publish-load.ts'
export { type FleetCounts, SensorFleet } from './server/sensor-fleet.ts'
export type { Faults, FleetPlan, SensorPlan } from './state/fleet.ts'
export type { SensorCounts } from './state/sensor.ts'
