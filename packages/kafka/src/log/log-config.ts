import type { CompressionType } from '@khlong/kafka-protocol/records'

/** The topic settings that a partition's log obeys; they may change while it is open. */
export interface LogConfig {
  readonly segmentBytes: number
  readonly segmentMs: number
  readonly indexIntervalBytes: number
  readonly indexBytesMax: number
  /** -1: for ever. */
  readonly retentionMs: number
  /** -1: without limit. */
  readonly retentionBytes: number
  readonly isCompacted: boolean
  readonly isDeleted: boolean
  readonly deleteRetentionMs: number
  readonly minCompactionLagMs: number
  readonly maxCompactionLagMs: number
  readonly minCleanableDirtyRatio: number
  readonly maxMessageBytes: number
  /** More than the one there is: who asks for acks of all is refused. */
  readonly minInSyncReplicas: number
  /** Without `ack.flush`: how many records may be unflushed, and for how long. */
  readonly flushMessages: number
  readonly flushMs: number
  /** What batches are stored with; undefined where they stay as they come. */
  readonly compression: CompressionType | undefined
  /** Undefined where it is the compression's own default. */
  readonly compressionLevel: number | undefined
  readonly isLogAppendTime: boolean
  readonly timestampBeforeMaxMs: number
  readonly timestampAfterMaxMs: number
}
