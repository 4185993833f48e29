import { CodedError, type LogFields } from '@khlong/core'
import type { PartName } from '../config/part-names.ts'

/** The methods of a thread that the main thread may call. */
export type ThreadMethod = 'make' | 'start' | 'stop' | 'call' | 'metrics' | 'report'

export interface ThreadRequest {
  readonly id: number
  readonly method: ThreadMethod
  readonly arguments: readonly unknown[]
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace'

export type ThreadMessage =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: PlainError }
  | { readonly kind: 'part-failure'; readonly part: PartName; readonly error: PlainError }
  | {
      readonly kind: 'log'
      readonly level: LogLevel
      readonly fields: LogFields
      readonly message: string
    }

/** An error as it crosses threads: a structured clone would lose its code. */
export interface PlainError {
  readonly code: string
  readonly message: string
  readonly stack: string | undefined
  readonly fields: Readonly<Record<string, unknown>>
  readonly cause: string | undefined
}

export function toPlainError(error: unknown): PlainError {
  const given = error instanceof Error ? error : new Error(String(error))
  const { code } = given as NodeJS.ErrnoException
  return {
    code: typeof code === 'string' ? code : 'ERROR',
    message: given.message,
    stack: given.stack,
    fields: error instanceof CodedError ? cloneable(error.fields) : {},
    cause: given.cause instanceof Error ? given.cause.message : undefined,
  }
}

export function fromPlainError(plain: PlainError): CodedError {
  const error = new CodedError(plain.code, plain.message, {
    fields: plain.fields,
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
