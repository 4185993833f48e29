import type { PendingBatch } from './pending-batch.ts'

// Invariants: batches lie in the order of their offsets, and those that are owed come first. Nothing is pending in a log
// that failed: what the commit journal holds is kept apart until the files were read again, the rest is lost and
// was never acknowledged.

/** What a log took in and has not written, and what became of it where a write failed. */
export class PendingBatches {
  #batches: PendingBatch[] = []
  #byteCount = 0
  /** Batches of the journal, of a log that failed. */
  #kept: readonly PendingBatch[] = []
  #failure: unknown

  get byteCount(): number {
    return this.#byteCount
  }
  /** What the log failed with; undefined while all is well. */
  get failure(): unknown {
    return this.#failure
  }
  /** Batches that only the commit journal holds wait for their write. */
  get isOwing(): boolean {
    return this.#kept.length > 0 || this.#batches[0]?.isOwed === true
  }

  add(batch: PendingBatch): void {
    this.#batches.push(batch)
    this.#byteCount += batch.bytes.byteLength
  }

  /** Takes all of it, in order. @throws what the log failed with */
  take(): PendingBatch[] {
    if (this.#failure !== undefined) throw this.#failure
    const batches = this.#batches
    this.#batches = []
    this.#byteCount = 0
    return batches
  }

  /** Gives back what was taken and could not be written. The log fails, but where the journal holds all of it. */
  putBack(unwritten: readonly PendingBatch[], error: unknown): void {
    const owed = unwritten.filter(({ isOwed }) => isOwed).map(withOwnBytes)
    if (owed.length === unwritten.length) {
      // Nothing is lost: they go first the next time, before what came meanwhile.
      this.#batches = [...owed, ...this.#batches]
      for (const { bytes } of owed) this.#byteCount += bytes.byteLength
      return
    }
    this.#failure = error
    this.#kept = owed
    this.#batches = []
    this.#byteCount = 0
  }

  /** The files could not be read again. */
  failAgain(error: unknown): void {
    this.#failure = error
  }

  /** The files were read again: gives what the journal holds, to be queued before all that comes. */
  recover(): readonly PendingBatch[] {
    const kept = this.#kept
    this.#kept = []
    this.#failure = undefined
    return kept
  }
}

/** Who made the batch may use its memory for something else when its round has ended. */
function withOwnBytes(batch: PendingBatch): PendingBatch {
  return { ...batch, bytes: Buffer.from(batch.bytes) }
}
