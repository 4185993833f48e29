import { CodedError, describeError } from './errors.ts'
import type { LogFields } from './logger.ts'

/** An error as it crosses threads: a structured clone would lose its code. */
export interface PlainError {
  readonly code: string
  readonly message: string
  readonly stack: string | undefined
  readonly fields: Readonly<Record<string, unknown>>
  readonly cause: string | undefined
  readonly retriable: boolean
}

/** Makes anything that was thrown ready to cross threads. */
export function toPlainError(error: unknown): PlainError {
  const given = error instanceof Error ? error : new Error(String(error))
  const { code } = given as NodeJS.ErrnoException
  return {
    code: typeof code === 'string' ? code : 'ERROR',
    message: given.message,
    stack: given.stack,
    fields: error instanceof CodedError ? cloneable(error.fields) : {},
    cause: given.cause instanceof Error ? describeError(given.cause) : undefined,
    retriable: error instanceof CodedError && error.retriable,
  }
}

/** The error on the other side: code, fields and messages are there, classes are not. */
export function fromPlainError(plain: PlainError): CodedError {
  const error = new CodedError(plain.code, plain.message, {
    fields: plain.fields,
    retriable: plain.retriable,
    ...(plain.cause === undefined ? {} : { cause: new Error(plain.cause) }),
  })
  if (plain.stack !== undefined) error.stack = plain.stack
  return error
}

/** Fields without what cannot cross threads. */
export function cloneable(fields: LogFields): Record<string, unknown> {
  const plain: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Error) plain[name] = { type: value.name, ...toPlainError(value) }
    else if (typeof value !== 'function' && typeof value !== 'symbol') plain[name] = value
  }
  return plain
}
