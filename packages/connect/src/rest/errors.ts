import { CodedError } from '@khlong/core'
import { ConnectError } from '../errors.ts'

/** What Connect answers for anything that goes wrong. */
export interface ErrorBody {
  error_code: number
  message: string
}

/** The status and the body for an error. */
export function errorAnswer(error: unknown): ErrorBody {
  if (error instanceof ConnectError) return { error_code: error.httpStatus, message: error.message }
  if (error instanceof CodedError) return { error_code: 500, message: error.message }
  const { statusCode, message } = error as { statusCode?: number; message?: string }
  return { error_code: statusCode ?? 500, message: message ?? String(error) }
}
