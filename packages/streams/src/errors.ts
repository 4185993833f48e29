import { CodedError, type CodedErrorOptions } from '@khlong/core'

/** Codes of {@link StreamsError}. */
export type StreamsErrorCode =
  /** The topology cannot be built: a name used twice, an unknown parent, a serde that is missing. */
  | 'STREAMS_TOPOLOGY_INVALID'
  /** A record's bytes could not be read by the serde of its topic. */
  | 'STREAMS_DESERIALIZATION_FAILED'
  /** A value could not be written by the serde of its topic. */
  | 'STREAMS_SERIALIZATION_FAILED'
  /** A function of the topology threw, and the handler said to fail. */
  | 'STREAMS_PROCESSING_FAILED'
  /** A record could not be sent, and the handler said to fail. */
  | 'STREAMS_PRODUCTION_FAILED'
  /** An exception handler threw, or gave no answer. */
  | 'STREAMS_HANDLER_FAILED'
  /** A record without a usable timestamp met an extractor that refuses it. */
  | 'STREAMS_TIMESTAMP_INVALID'
  /** A source topic does not exist. */
  | 'STREAMS_SOURCE_TOPIC_MISSING'
  /** An internal topic exists with another number of partitions than the topology needs. */
  | 'STREAMS_PARTITIONS_CHANGED'
  /** A module of the applications' folder is not one made by `defineStreams`. */
  | 'STREAMS_APPLICATION_INVALID'
  /** A suppress buffer with `shutDownWhenFull` is full. */
  | 'STREAMS_BUFFER_FULL'
  /** A transaction was lost: others have the tasks, or it took too long. What followed the last commit is repeated. */
  | 'STREAMS_TASK_MIGRATED'
  /** More threads were asked for than a topology that is built inline, or a setting, can be in. */
  | 'STREAMS_THREADS_NEED_MODULE'
  /** An instance asked all others to stop. */
  | 'STREAMS_SHUTDOWN_REQUESTED'
  /** The topology has no store of that name and kind. */
  | 'STREAMS_STORE_UNKNOWN'
  /** A store cannot be read while its task moves, or the application does not run. */
  | 'STREAMS_STORE_NOT_AVAILABLE'
  /** Too many iterators over stores are open. */
  | 'STREAMS_QUERY_LIMIT'
  /** The stores' folder could not be written: the disk is full, or fails. What is missing lies in the changelogs. */
  | 'STREAMS_STATE_NOT_WRITTEN'
  /** The group has members of another library, which stay. */
  | 'STREAMS_GROUP_OF_OTHERS'
  /** An application cannot be cleaned up while it runs. */
  | 'STREAMS_RUNNING'
  /** A changelog record is not what the store can read. */
  | 'STREAMS_CHANGELOG_INVALID'

/** What goes wrong in a streams application. Callers test `code`. */
export class StreamsError extends CodedError {
  declare readonly code: StreamsErrorCode

  constructor(code: StreamsErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options)
  }
}

/** Says what a topology lacks. */
export function topologyError(message: string): StreamsError {
  return new StreamsError('STREAMS_TOPOLOGY_INVALID', message)
}
