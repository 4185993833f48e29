import { ErrorCode } from '@khlong/kafka-protocol'
import type { KeptTransaction } from './transaction-records.ts'
import type { TransactionStatusName } from './transaction-status.ts'

// The states of a transactional id, in Kafka's words:
//
//   Empty ──add──▶ Ongoing ──end, time-out──▶ PrepareCommit|Abort ──markers──▶ CompleteCommit|Abort
//     ▲               ▲                                                            │      │
//     └───── init ────┼─────────────────────────── init ───────────────────────────┘      │
//                     └─────────────────────────── add ───────────────────────────────────┘
//
// Prepare and Complete are written together, so that a reader meets Prepare only after a crash that tore
// them apart, or where a marker could not be written.

const epochMax = 0x7fff
export const noEpoch = -1
export const noProducer = -1n

export interface ProducerIdentity {
  readonly producerId: bigint
  readonly producerEpoch: number
}

export interface TransactionPartition {
  readonly topic: string
  readonly partition: number
}

/** One transactional id with its producer and its transaction. */
export class Transaction {
  readonly transactionalId: string
  producerId: bigint
  producerEpoch: number = noEpoch
  /** Who it was before its last bump, so that a repeated InitProducerId gets the same answer (KIP-360). */
  lastProducerId: bigint = noProducer
  lastProducerEpoch: number = noEpoch
  timeoutMs = 0
  status: TransactionStatusName = 'Empty'
  partitions: Map<string, Set<number>> = new Map()
  updateTimestampMs = -1
  startTimestampMs = -1
  /** Something is being written for it; nothing else can begin. */
  isBusy = false
  /** The producer is being replaced: nothing of its epoch is taken any more. */
  isFencing = false

  constructor(transactionalId: string, producerId: bigint) {
    this.transactionalId = transactionalId
    this.producerId = producerId
  }

  get isPrepared(): boolean {
    return this.status === 'PrepareCommit' || this.status === 'PrepareAbort'
  }

  has(topic: string, partition: number): boolean {
    return this.partitions.get(topic)?.has(partition) ?? false
  }

  /** What it would be kept as, with changes. */
  kept(changes: Partial<KeptTransaction> = {}): KeptTransaction {
    return {
      producerId: this.producerId,
      producerEpoch: this.producerEpoch,
      timeoutMs: this.timeoutMs,
      status: this.status,
      partitions: this.partitions,
      updateTimestampMs: this.updateTimestampMs,
      startTimestampMs: this.startTimestampMs,
      ...changes,
    }
  }

  /** Takes what was kept for its own. */
  restore(kept: KeptTransaction): void {
    this.producerId = kept.producerId
    this.producerEpoch = kept.producerEpoch
    this.timeoutMs = kept.timeoutMs
    this.status = kept.status
    this.partitions = new Map([...kept.partitions].map(([topic, ids]) => [topic, new Set(ids)]))
    this.updateTimestampMs = kept.updateTimestampMs
    this.startTimestampMs = kept.startTimestampMs
  }

  /** What a producer hears that is not, or no longer, this id's. */
  producerRefusal({ producerId, producerEpoch }: ProducerIdentity): number {
    if (producerId !== this.producerId) return ErrorCode.invalidProducerIdMapping
    return producerEpoch === this.producerEpoch ? ErrorCode.none : ErrorCode.producerFenced
  }

  /** What AddPartitionsToTxn and AddOffsetsToTxn hear. */
  addRefusal(producer: ProducerIdentity): number {
    const refusal = this.producerRefusal(producer)
    if (refusal !== ErrorCode.none) return refusal
    return this.isBusy || this.isPrepared ? ErrorCode.concurrentTransactions : ErrorCode.none
  }

  /** What EndTxn hears where there is nothing to do; undefined where the transaction is to be ended. */
  endAnswer(producer: ProducerIdentity, isCommit: boolean): number | undefined {
    const refusal = this.producerRefusal(producer)
    if (refusal !== ErrorCode.none) return refusal
    if (this.isBusy) return ErrorCode.concurrentTransactions
    switch (this.status) {
      case 'Ongoing':
        return undefined
      case 'CompleteCommit':
        return isCommit ? ErrorCode.none : ErrorCode.invalidTxnState
      case 'CompleteAbort':
        return isCommit ? ErrorCode.invalidTxnState : ErrorCode.none
      case 'PrepareCommit':
        return isCommit ? ErrorCode.concurrentTransactions : ErrorCode.invalidTxnState
      case 'PrepareAbort':
        return isCommit ? ErrorCode.invalidTxnState : ErrorCode.concurrentTransactions
      default:
        return ErrorCode.invalidTxnState
    }
  }

  /** Whether a producer that knows an id (KIP-360) may ask for the next epoch. */
  knows(expected: ProducerIdentity | undefined): boolean {
    return (
      expected === undefined ||
      // Nobody has an epoch yet: @platformatic/kafka says id 0 and epoch 0 at first.
      this.producerEpoch === noEpoch ||
      expected.producerId === this.producerId ||
      expected.producerId === this.lastProducerId
    )
  }

  /** No epoch is left for this id, and the one who asks has the last. */
  isExhausted(expected: ProducerIdentity | undefined): boolean {
    return (
      this.producerEpoch >= epochMax - 1 &&
      (expected === undefined || expected.producerEpoch === this.producerEpoch)
    )
  }

  /**
   * The epochs that InitProducerId gives: the next one, the same once more for a repeated request, or
   * none for one who was replaced.
   */
  nextEpoch(
    expected: ProducerIdentity | undefined,
  ): { readonly epoch: number; readonly lastEpoch: number } | undefined {
    const { producerEpoch, lastProducerEpoch } = this
    const next = producerEpoch + 1
    if (expected === undefined) return { epoch: next, lastEpoch: noEpoch }
    if (producerEpoch === noEpoch || expected.producerEpoch === producerEpoch)
      return { epoch: next, lastEpoch: producerEpoch }
    if (expected.producerEpoch === lastProducerEpoch)
      return { epoch: producerEpoch, lastEpoch: lastProducerEpoch }
    return undefined
  }
}
