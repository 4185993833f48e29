import { CodedError, type CodedErrorOptions } from '@khlong/core'

/** What a {@link ConnectError} can say, with the HTTP status and the Java class that mean the same. */
const table = {
  CONNECT_BAD_REQUEST: [400, 'org.apache.kafka.connect.runtime.rest.errors.BadRequestException'],
  CONNECT_CONFIG: [400, 'org.apache.kafka.common.config.ConfigException'],
  CONNECT_NOT_FOUND: [404, 'org.apache.kafka.connect.errors.NotFoundException'],
  CONNECT_EXISTS: [409, 'org.apache.kafka.connect.errors.AlreadyExistsException'],
  CONNECT_REBALANCING: [
    409,
    'org.apache.kafka.connect.runtime.distributed.RebalanceNeededException',
  ],
  CONNECT_FAILED: [500, 'org.apache.kafka.connect.errors.ConnectException'],
  CONNECT_DATA: [500, 'org.apache.kafka.connect.errors.DataException'],
  CONNECT_RETRIABLE: [500, 'org.apache.kafka.connect.errors.RetriableException'],
  CONNECT_RECORD_TOO_LARGE: [500, 'org.apache.kafka.common.errors.RecordTooLargeException'],
  CONNECT_NOT_SUPPORTED: [501, 'org.apache.kafka.connect.errors.ConnectException'],
} as const

export type ConnectErrorCode = keyof typeof table

/** Anything that goes wrong in a worker, a connector, a converter or a transform. */
export class ConnectError extends CodedError {
  declare readonly code: ConnectErrorCode

  constructor(code: ConnectErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, {
      ...options,
      retriable: options.retriable ?? code === 'CONNECT_RETRIABLE',
    })
  }

  /** The status that the REST API answers with. */
  get httpStatus(): number {
    return table[this.code][0]
  }

  /** The Java exception that means the same: dead letters and traces name it. */
  get javaClass(): string {
    return table[this.code][1]
  }
}

/** A record that a converter or a transform cannot take. */
export function dataError(message: string, cause?: unknown): ConnectError {
  return new ConnectError('CONNECT_DATA', message, { cause })
}

/** The Java class that stands for an error in dead letters and traces. */
export function javaClassOf(error: unknown): string {
  return error instanceof ConnectError
    ? error.javaClass
    : 'org.apache.kafka.connect.errors.ConnectException'
}

/** What `status` shows as the trace of a failed task: class, message, causes and our stack. */
export function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return `${javaClassOf(error)}: ${String(error)}`
  const frames = error.stack?.slice(error.stack.indexOf('\n    at')) ?? ''
  const cause = error.cause === undefined ? '' : `\nCaused by: ${traceOf(error.cause)}`
  return `${javaClassOf(error)}: ${error.message}${frames.startsWith('\n') ? frames : ''}${cause}`
}
