import { type BufferPool, LentBytes } from '@khlong/core/bytes'

/** Who borrows batches, in memory of a pool. */
export interface MemoryHolder {
  /**
   * Takes over one hold of the memory, and releases it when the batches are not needed any more. `byteCount` is what
   * these batches keep of it.
   */
  keep(memory: LentBytes, byteCount: number): void
}

/**
 * Batches that lie in lent memory, for who is to borrow them. What is little of all that lies there is copied, for it
 * would keep the rest, too.
 */
export function lendBatches(
  batches: Buffer,
  from: LentBytes,
  pool: BufferPool,
  holder: MemoryHolder,
): Buffer {
  const { byteLength } = batches
  if (byteLength * 2 >= from.bytes.byteLength) {
    holder.keep(from.hold(), byteLength)
    return batches
  }
  const copy = new LentBytes(pool, byteLength)
  holder.keep(copy, byteLength)
  batches.copy(copy.bytes)
  return copy.bytes
}

/** The memory that one reader's batches lie in. */
export class HeldMemory implements MemoryHolder {
  #lent: LentBytes[] = []
  #byteCount = 0

  get byteCount(): number {
    return this.#byteCount
  }

  keep(memory: LentBytes, byteCount: number): void {
    this.#lent.push(memory)
    this.#byteCount += byteCount
  }

  /** Gives everything back: nobody looks at the batches any more. */
  release(): void {
    for (const memory of this.#lent) memory.release()
    this.#lent = []
    this.#byteCount = 0
  }
}
