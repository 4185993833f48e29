import { type LogFields, type Logger, silentLogger } from './logger.ts'
import { cloneable } from './plain-error.ts'

/** A line of a log on its way to the thread that writes it: `logger[level](fields, message)`. */
export interface LogMessage {
  readonly kind: 'log'
  readonly level: 'error' | 'warn' | 'info'
  readonly fields: LogFields
  readonly message: string
}

/** The logger of a worker thread: what it is told goes by `send` to the thread that started it. */
export function threadLogger(send: (message: LogMessage) => void): Logger {
  const at =
    (level: LogMessage['level']) =>
    (fields: LogFields, message: string): void =>
      send({ kind: 'log', level, fields: cloneable(fields), message })
  // Finer levels would cross threads only to be thrown away.
  return { ...silentLogger, error: at('error'), warn: at('warn'), info: at('info') }
}
