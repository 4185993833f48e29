export { type Clock, systemClock, type TimerHandle } from './clock.ts'
export { type Cut, type CutFile, CutFolder, type FormatVersions } from './cut.ts'
export { type DataFolder, makeFolder, openDataFolder, readFolderOwner } from './data-folder.ts'
export { CodedError, type CodedErrorOptions, describeError } from './errors.ts'
export {
  formatListen,
  isLoopback,
  type ListenAddress,
  listenTcp,
  parseListen,
  TcpServer,
} from './listen.ts'
export { type LogFields, type Logger, silentLogger } from './logger.ts'
export {
  Counter,
  Gauge,
  Histogram,
  type Labels,
  type MetricOptions,
  MetricsRegistry,
} from './metrics.ts'
export { moduleFiles } from './module-files.ts'
export {
  type Part,
  PartBase,
  type PartContext,
  type PartStatus,
  type StartOptions,
  type StopOptions,
} from './part.ts'
export { cloneable, fromPlainError, type PlainError, toPlainError } from './plain-error.ts'
export { parseProperties } from './properties.ts'
export type { Random } from './random.ts'
export { systemRandom } from './random.ts'
export { digestOf, isEqualSecret, newPassword, newToken } from './secrets.ts'
export { checkSettings, nearestKey, SettingsError, type SettingsSource } from './settings.ts'
export { type LogMessage, threadLogger } from './thread-logger.ts'
export type { VitalItem, Vitals } from './vitals.ts'
