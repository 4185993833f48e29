export type LogFields = Readonly<Record<string, unknown>>

/**
 * Where parts write their logs; pino has this shape. Messages are constant strings, facts go to
 * fields, payloads and secrets never. `error` wants a human, `warn` is a peer or a limit, `info` is
 * the life of parts, `debug` per connection, `trace` per packet.
 */
export interface Logger {
  error(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  debug(fields: LogFields, message: string): void
  trace(fields: LogFields, message: string): void
}

const nothing = (): void => {}

/** A logger that says nothing: the default of every library entry. */
export const silentLogger: Logger = {
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
  trace: nothing,
}
