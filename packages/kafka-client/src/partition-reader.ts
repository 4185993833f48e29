import { type RecordCursor, recordCursor } from '@khlong/kafka-protocol/records'
import type { FetchLease } from './fetch-lease.ts'
import type { RawBatch } from './fetched-chunk.ts'
import type { TopicPartition } from './record.ts'

/** What a fetch brought of a partition, for a {@link PartitionReader}. */
export interface ReadableBatches extends TopicPartition {
  readonly batches: readonly RawBatch[]
  /** The first batch may begin before it. */
  readonly fromOffset: number
  readonly nextOffset: number
  readonly highWatermark: number
  /** Held for the reader. */
  readonly lease: FetchLease | undefined
}

/**
 * Polled records of one partition in the memory that they were fetched into, one at a time: nothing is made
 * or copied of a record. `head` borrows: what is kept of it is copied before `shift`. Behind the last record the
 * memory is given back.
 */
export class PartitionReader implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly highWatermark: number
  /** The offset behind all of it: the one to commit when the last record is done with. */
  readonly nextOffset: number
  #batches: readonly RawBatch[]
  #index = 0
  #cursor: RecordCursor | undefined
  #lease: FetchLease | undefined
  /** Records behind the head. */
  #left = 0

  /** @throws RecordsError where the first batch cannot be read */
  constructor({ topic, partition, batches, fromOffset, ...rest }: ReadableBatches) {
    this.topic = topic
    this.partition = partition
    this.highWatermark = rest.highWatermark
    this.nextOffset = rest.nextOffset
    this.#batches = batches
    this.#lease = rest.lease
    for (const { header } of batches) this.#left += header.recordCount
    do this.shift()
    while (this.#cursor && this.#cursor.offset < fromOffset)
  }

  /** Records that are left, the head among them. */
  get count(): number {
    return this.#cursor ? this.#left + 1 : 0
  }

  /** The next record; undefined behind the last. The object is the same for all of a batch. */
  get head(): RecordCursor | undefined {
    return this.#cursor
  }

  /** Goes on behind the head. @throws RecordsError where that cannot be read; what is left is given up */
  shift(): void {
    try {
      for (;;) {
        if (this.#cursor?.next()) {
          this.#left--
          return
        }
        const batch = this.#batches[this.#index++]
        if (!batch) break
        this.#cursor = recordCursor(batch.bytes, batch.header)
      }
    } catch (error) {
      this.release()
      throw error
    }
    this.release()
  }

  /** Gives the memory back before the end is reached. */
  release(): void {
    const lease = this.#lease
    this.#lease = undefined
    this.#batches = []
    this.#cursor = undefined
    this.#left = 0
    lease?.release()
  }
}
