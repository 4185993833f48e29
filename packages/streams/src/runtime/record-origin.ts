import type { BatchOutcome, KeptRecords, Receipt } from '@khlong/kafka-client'

/** The node that sends records on, and the partition that they came from; no topic in a punctuator. */
export interface OriginPlace {
  readonly taskId: string
  readonly nodeName: string
  readonly topic: string
  readonly partition: number
}

/** Where a record came from that was sent on. */
export interface RecordPlace extends OriginPlace {
  readonly offset: number
  /** The time of what was sent. */
  readonly timestampMs: number
}

/** Is told of a record that was refused. */
export type OnRefused = (topic: string, error: Error, place: RecordPlace) => void

/**
 * Is told how those records ended that a node sends on from one partition. Until then only their offsets
 * are kept, with the batches that they are in: as much as `buffer.memory` leaves room for.
 */
export class RecordOrigin implements Receipt {
  readonly isKeeping = true
  readonly #place: OriginPlace
  readonly #onRefused: OnRefused

  constructor(place: OriginPlace, onRefused: OnRefused) {
    this.#place = place
    this.#onRefused = onRefused
  }

  /** @param offset where the record came from */
  settle(
    offset: number,
    { topic, error }: BatchOutcome,
    _written: number,
    timestampMs: number,
  ): void {
    if (error) this.#onRefused(topic, error, { ...this.#place, offset, timestampMs })
  }

  /** Records that followed each other in a batch; each that was refused is told by itself. */
  settleMany(count: number, outcome: BatchOutcome, _lastOffset: number, kept?: KeptRecords): void {
    if (!outcome.error || !kept) return
    for (let at = 0; at < count; at++)
      this.settle(kept.indexes[at]!, outcome, -1, kept.timestamps[at]!)
  }
}
