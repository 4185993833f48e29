import { CodedError, type CodedErrorOptions } from '@khlong/core'

export type KhlongErrorCode =
  | 'KHLONG_BACKUP_BUSY'
  | 'KHLONG_BACKUP_DAMAGED'
  | 'KHLONG_BACKUP_EXISTS'
  | 'KHLONG_BACKUP_IMPOSSIBLE'
  | 'KHLONG_BACKUP_NEWER'
  | 'KHLONG_BACKUP_PATH'
  | 'KHLONG_CERTIFICATE'
  | 'KHLONG_COMMAND_INVALID'
  | 'KHLONG_COMMANDS_UNAVAILABLE'
  | 'KHLONG_DEVICE_EXISTS'
  | 'KHLONG_DEVICE_INVALID'
  | 'KHLONG_DEVICE_UNKNOWN'
  | 'KHLONG_DEVICES_DAMAGED'
  | 'KHLONG_DEVICES_NEWER'
  | 'KHLONG_FORWARD_POSITION'
  | 'KHLONG_IMPORT'
  | 'KHLONG_MIRROR_COLLECTION'
  | 'KHLONG_MIRROR_DIFFERS'
  | 'KHLONG_MIRROR_DOCUMENT'
  | 'KHLONG_MIRROR_DONE'
  | 'KHLONG_MIRROR_IMPOSSIBLE'
  | 'KHLONG_MIRROR_TOPIC'
  | 'KHLONG_PIPELINE_MISSING'
  | 'KHLONG_SETTING_INVALID'
  | 'KHLONG_PORT_TAKEN'
  | 'KHLONG_PART_FAILED'
  | 'KHLONG_USAGE'
  | 'KHLONG_WORK_SHARED'

/** What the platform itself refuses; a part's own errors pass through unchanged. */
export class KhlongError extends CodedError {
  declare readonly code: KhlongErrorCode
  constructor(code: KhlongErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options)
  }
}
