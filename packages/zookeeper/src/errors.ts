import { CodedError, type CodedErrorOptions } from '@khlong/core'

export type ZooKeeperErrorCode =
  | 'ZOOKEEPER_LOG_DAMAGED'
  | 'ZOOKEEPER_SNAPSHOT_DAMAGED'
  | 'ZOOKEEPER_FORMAT_UNKNOWN'
  | 'ZOOKEEPER_LISTEN_OPEN'

/** What goes wrong around the server itself; what a client did wrong is an {@link ErrorCode} in its reply. */
export class ZooKeeperError extends CodedError {
  constructor(code: ZooKeeperErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options)
  }
}
