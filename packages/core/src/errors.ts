export interface CodedErrorOptions {
  /** What led to this error. */
  cause?: unknown
  /** Whether the same call may succeed later without any change. */
  retriable?: boolean
  /** Facts that a caller or a log needs to act: file, line, key, topic, partition… */
  fields?: Readonly<Record<string, unknown>>
}

/**
 * The base of each package's error class. Callers test `code`; the message is for people and says
 * what was expected, what came, where, and what to do.
 */
export class CodedError extends Error {
  readonly code: string
  readonly retriable: boolean
  readonly fields: Readonly<Record<string, unknown>>

  constructor(code: string, message: string, options: CodedErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.retriable = options.retriable ?? false
    this.fields = options.fields ?? {}
  }
}

/** The message of anything that was thrown, with the messages of its causes behind it. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `: ${describeError(error.cause)}`
  return `${error.message}${cause}`
}
