import { CodedError, type CodedErrorOptions } from '../errors.ts'

export type AccessErrorCode =
  | 'ACCESS_BUSY'
  | 'ACCESS_EXISTS'
  | 'ACCESS_FILE_DAMAGED'
  | 'ACCESS_FILE_NEWER'
  | 'ACCESS_INVALID'
  | 'ACCESS_LAST_ADMINISTRATOR'
  | 'ACCESS_REQUIRED'
  | 'ACCESS_UNKNOWN'

/** What users, tokens and their file refuse. */
export class AccessError extends CodedError {
  declare readonly code: AccessErrorCode
  constructor(code: AccessErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options)
  }
}
