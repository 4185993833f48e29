import { BatchBuilder } from '@khlong/kafka-protocol/records'

/** What ends a producer's transaction in a partition. */
export interface Marker {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly isCommit: boolean
}

/** The control batch of a marker. */
export function markerBatch(marker: Marker, nowMs: number): Buffer {
  const { producerId, producerEpoch, coordinatorEpoch, isCommit } = marker
  const builder = new BatchBuilder({
    isTransactional: true,
    isControl: true,
    producerId,
    producerEpoch,
  })
  builder.appendControl(isCommit ? 'commit' : 'abort', coordinatorEpoch, nowMs)
  return builder.build()
}
