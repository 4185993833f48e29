import type { RawBatch } from './fetched-chunk.ts'
import type { ConsumerRecord, TopicPartition } from './record.ts'

/** How far a partition was read. */
export interface PartitionProgress extends TopicPartition {
  /** The offset behind what was given: the one to commit. */
  readonly nextOffset: number
  readonly highWatermark: number
}

/** Records of one partition, in order. */
export interface PartitionRecords extends PartitionProgress {
  readonly records: readonly ConsumerRecord[]
}

/** Batches of one partition, in order, as they were stored. */
export interface PartitionBatches extends PartitionProgress {
  readonly batches: readonly RawBatch[]
  /**
   * Gives back the memory of the batches, for what is fetched next: from then on their bytes are another's,
   * and so are views of them. Who keeps them longer, or does not know, never calls it; calling it once more does
   * nothing.
   */
  release(): void
}
