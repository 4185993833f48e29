import { CodedError } from '@khlong/core'

export type RecordsErrorCode =
  | 'RECORDS_TRUNCATED'
  | 'RECORDS_MAGIC_UNSUPPORTED'
  | 'RECORDS_CRC_MISMATCH'
  | 'RECORDS_CORRUPT'
  | 'RECORDS_TOO_LARGE'

/** Record batches that cannot be what they claim; `fields.position` is the byte where the batch begins. */
export class RecordsError extends CodedError {
  declare readonly code: RecordsErrorCode

  constructor(code: RecordsErrorCode, message: string, position: number, cause?: unknown) {
    super(code, `${message} (record batch at byte ${position})`, {
      fields: { position },
      ...(cause === undefined ? {} : { cause }),
    })
  }
}
