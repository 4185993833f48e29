import type { ProducerBatch } from './producer-batch.ts'

/** Sequences begin anew behind 2^31 - 1; what is compared lies far closer together than half of that. */
const sequenceCount = 2 ** 31

/** The sequence that lies `count` records behind another. */
export const sequenceAfter = (sequence: number, count: number): number =>
  (sequence + count) % sequenceCount

const isBefore = (sequence: number, other: number): boolean =>
  sequence !== other && (other - sequence + sequenceCount) % sequenceCount < sequenceCount / 2

/**
 * What waits and what is under way for one partition.
 *
 * Invariants: `waiting` holds closed batches in the order in which they must be written; a batch is
 * in `waiting` or in `inFlight`, never in both; with an idempotent producer all that is in flight
 * comes before all that waits.
 */
export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  /** Takes records. */
  open: ProducerBatch | undefined
  waiting: ProducerBatch[] = []
  inFlight: ProducerBatch[] = []
  nextSequence = 0
  /** Whom the sequences belong to: other partitions may be written under another id. */
  producerId = -1n
  producerEpoch = -1
  /** A batch that had a sequence was given up: what is behind it would be refused. */
  hasGap = false
  /** The broker has written something under the present id. */
  isAcknowledged = false
  /** Nothing is sent before this time. */
  pausedUntilMs = 0
  /** What the last batch came to; the next one begins with as much room, as far as that is usual. */
  lastBatchBytes = 512
  /** The broker refused larger batches. */
  batchBytesMax: number = Number.POSITIVE_INFINITY

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get isEmpty(): boolean {
    return !this.open && this.waiting.length === 0 && this.inFlight.length === 0
  }

  /** Whether one more batch could leave at once, as far as this partition goes. */
  hasRoom(inFlightMax: number): boolean {
    return this.waiting.length === 0 && this.inFlight.length < inFlightMax
  }

  /** Closes the open batch, if there is one. */
  roll(): void {
    if (!this.open) return
    this.lastBatchBytes = Math.max(256, this.open.accountedBytes)
    this.waiting.push(this.open)
    this.open = undefined
  }

  /**
   * The next batch to send, or undefined. Until a batch that failed is through, it goes alone, so
   * that the order of records holds.
   */
  next(nowMs: number, inFlightMax: number): ProducerBatch | undefined {
    const batch = this.waiting[0]
    if (!batch || this.pausedUntilMs > nowMs) return undefined
    const max = batch.attempts > 0 ? 1 : inFlightMax
    return this.inFlight.length < max ? batch : undefined
  }

  send(batch: ProducerBatch): void {
    this.waiting.shift()
    this.inFlight.push(batch)
  }

  /** Takes a batch out of flight. */
  land(batch: ProducerBatch): void {
    const at = this.inFlight.indexOf(batch)
    if (at >= 0) this.inFlight.splice(at, 1)
  }

  /** Puts batches that came back in front, in the order of their sequences. */
  requeue(...batches: ProducerBatch[]): void {
    this.waiting.unshift(...batches)
    if (batches.every((batch) => batch.sequence >= 0)) {
      const sent = this.waiting.filter((batch) => batch.sequence >= 0)
      const fresh = this.waiting.filter((batch) => batch.sequence < 0)
      sent.sort((a, b) => (isBefore(a.sequence, b.sequence) ? -1 : 1))
      this.waiting = [...sent, ...fresh]
    }
  }

  /** Whether a batch that must be written before `batch` is still on its way. */
  hasEarlier(batch: ProducerBatch): boolean {
    const isEarlier = (other: ProducerBatch): boolean =>
      other.sequence >= 0 && isBefore(other.sequence, batch.sequence)
    return this.inFlight.some(isEarlier) || this.waiting.some(isEarlier)
  }

  /**
   * Whether sequences may begin anew under another id: not while a batch may have been written, whose repetitions
   * the broker knows by the old ones.
   */
  get mayBeginAnew(): boolean {
    return this.inFlight.length === 0 && !this.waiting[0]?.mayBeWritten
  }

  /** Forgets sequences: the next ones belong to who is given. Nothing may be in flight. */
  resetSequences(producerId: bigint, producerEpoch: number): void {
    this.producerId = producerId
    this.producerEpoch = producerEpoch
    this.hasGap = false
    this.isAcknowledged = false
    this.nextSequence = 0
    for (const batch of this.waiting) {
      batch.sequence = -1
      batch.attempts = 0
      batch.mayBeWritten = false
    }
  }
}
