import type { RecordContext, RecordHeader } from '../record.ts'

/** Where an error came up. */
export type ErrorStage = 'deserialization' | 'processing' | 'production'

/** What an exception handler is told. */
export interface ErrorContext {
  readonly stage: ErrorStage
  readonly error: Error
  readonly taskId: string
  readonly nodeName: string
  /** The record that was under work. */
  readonly record: Readonly<RecordContext>
}

/** Decides whether a record that failed is left out (`continue`) or ends the application (`fail`). */
export type ExceptionHandler = (context: ErrorContext) => 'continue' | 'fail'

/** The handlers of an application. Both choices also send the record to the dead letter topic, if there is one. */
export interface ErrorHandlers {
  readonly deserialization: ExceptionHandler
  readonly processing: ExceptionHandler
  readonly production: ExceptionHandler
  readonly deadLetterTopic: string | undefined
}

export const logAndFail: ExceptionHandler = () => 'fail'
export const logAndContinue: ExceptionHandler = () => 'continue'

/** The handlers of an application that sets none: Java's, which fail. */
export const failingHandlers: ErrorHandlers = {
  deserialization: logAndFail,
  processing: logAndFail,
  production: logAndFail,
  deadLetterTopic: undefined,
}

/** The headers that KIP-1034 gives a dead letter, behind those of the record. */
export function deadLetterHeaders(error: Error, record: Readonly<RecordContext>): RecordHeader[] {
  const header = (key: string, value: string | number): RecordHeader => [
    `__streams.errors.${key}`,
    Buffer.from(String(value)),
  ]
  const cause = error.cause instanceof Error ? error.cause : error
  return [
    ...record.headers,
    header('exception', `${cause.name}: ${cause.message}`),
    header('stacktrace', cause.stack ?? ''),
    header('message', cause.message),
    header('topic', record.topic),
    header('partition', record.partition),
    header('offset', record.offset),
  ]
}
