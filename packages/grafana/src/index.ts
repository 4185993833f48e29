export { GrafanaError, type GrafanaErrorCode } from './errors.ts'
export { grafanaFormats } from './formats.ts'
export type {
  ConsoleSetup,
  PlatformEvent,
  PlatformPart,
  PlatformSnapshot,
} from './model/platform.ts'
export {
  type GrafanaOptions,
  type ResolvedGrafanaOptions,
  resolveGrafanaOptions,
} from './options.ts'
export { GrafanaServer } from './server/grafana-server.ts'
