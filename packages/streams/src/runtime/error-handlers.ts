import { StreamsError } from '../errors.ts'
import type { RecordContext, RecordHeader, RecordHeaders } from '../record.ts'

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

/** Whether a record that failed is left out, or ends the stream thread. */
export type ErrorResponse = 'continue' | 'fail'

/** A record that a handler sends instead of the usual dead letter. */
export interface DeadLetter {
  readonly topic: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: RecordHeaders | undefined
  /** Default: the producer's clock. */
  readonly timestampMs?: number | undefined
}

/** What a handler answers: one word, or that and dead letters of its own (none: an empty list). */
export type HandlerAnswer =
  | ErrorResponse
  | { readonly response: ErrorResponse; readonly deadLetters: readonly DeadLetter[] }

/**
 * Decides whether a record that failed is left out (`continue`) or ends the stream thread (`fail`).
 * Another answer, or an error that it throws, ends it too: `STREAMS_HANDLER_FAILED`.
 */
export type ExceptionHandler = (context: ErrorContext) => HandlerAnswer

/**
 * The handlers of an application. Both words also send the record to the dead letter topic, if there
 * is one; with dead letters of its own, a handler decides that itself.
 */
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

/** What a handler decided; `deadLetters` is undefined where it leaves that to the application. */
export interface Verdict {
  readonly response: ErrorResponse
  readonly deadLetters: readonly DeadLetter[] | undefined
}

/** @throws StreamsError `STREAMS_HANDLER_FAILED` */
export function askHandler(handler: ExceptionHandler, context: ErrorContext): Verdict {
  const failed = (what: string, cause: unknown): StreamsError =>
    new StreamsError(
      'STREAMS_HANDLER_FAILED',
      `the ${context.stage} exception handler ${what}: ${context.error.message}`,
      { cause, fields: { stage: context.stage, nodeName: context.nodeName } },
    )
  let answer: HandlerAnswer | undefined
  try {
    answer = handler(context)
  } catch (error) {
    throw failed('threw', error)
  }
  // Without types a handler may answer anything, and often nothing.
  const { response, deadLetters } =
    typeof answer === 'object' && answer !== null
      ? answer
      : { response: answer, deadLetters: undefined }
  if (response !== 'continue' && response !== 'fail')
    throw failed(`answered ${String(response)}, not continue or fail`, context.error)
  return { response, deadLetters }
}

/** The headers that KIP-1034 gives a dead letter, behind those of the record. */
export function deadLetterHeaders(error: Error, record: Readonly<RecordContext>): RecordHeader[] {
  const header = (key: string, value: string | number): RecordHeader => [
    `__streams.errors.${key}`,
    Buffer.from(String(value)),
  ]
  // A punctuator works on no record.
  const topic: RecordHeader =
    record.topic === '' ? ['__streams.errors.topic', null] : header('topic', record.topic)
  const cause = error.cause instanceof Error ? error.cause : error
  return [
    ...record.headers,
    header('exception', cause.name),
    header('message', cause.message),
    header('stacktrace', cause.stack ?? ''),
    topic,
    header('partition', record.partition),
    header('offset', record.offset),
  ]
}
