import { type BufferPool, LentBytes } from '@khlong/core/bytes'
import { lendBatches, type MemoryHolder } from './held-memory.ts'

export interface CachedBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly memory: LentBytes
  /** Where it lies in the memory. */
  readonly start: number
  readonly end: number
}

/**
 * What a batch takes in memory beside its own bytes. The markers of transactions have 78 bytes: without
 * it a broker that is hardly used would keep a hundred thousand of them.
 */
const batchCostBytes = 512
/** Batches lie in memory of this size, one behind the other; a larger one has its own. */
const slabBytes = 64 * 1024

/** The newest batches of one partition, in order and without gaps. */
export class Tail {
  readonly batches: CachedBatch[] = []
  /** How many at the front were let go; the array is compacted now and then. */
  dropped = 0
}

/**
 * Keeps the batches written last in memory, so that a consumer who is up to date costs no file read.
 * The oldest batch of all partitions goes first when the bytes are used up.
 */
export class TailCache {
  readonly #bytesMax: number
  readonly #pool: BufferPool
  /** What is filled at the moment, and how far. */
  #slab: LentBytes | undefined
  #filled = 0
  readonly #order: { tail: Tail; byteCount: number; memory: LentBytes }[] = []
  #orderStart = 0
  #byteCount = 0

  constructor(bytesMax: number, pool: BufferPool) {
    this.#bytesMax = bytesMax
    this.#pool = pool
  }

  get byteCount(): number {
    return this.#byteCount
  }

  /** Keeps a copy of `bytes` as the newest batch of `tail`. */
  add(tail: Tail, baseOffset: number, lastOffset: number, bytes: Buffer): void {
    const byteCount = bytes.byteLength + batchCostBytes
    const memory = this.#memoryFor(bytes.byteLength)
    const start = memory === this.#slab ? this.#filled : 0
    const end = start + bytes.copy(memory.bytes, start)
    if (memory === this.#slab) this.#filled = end
    tail.batches.push({ baseOffset, lastOffset, memory, start, end })
    this.#order.push({ tail, byteCount, memory })
    this.#byteCount += byteCount
    while (this.#byteCount > this.#bytesMax && this.#orderStart < this.#order.length)
      this.#dropOldest()
  }

  /** Memory with room for a batch, held for it. */
  #memoryFor(byteCount: number): LentBytes {
    if (byteCount > slabBytes) return new LentBytes(this.#pool, byteCount)
    if (!this.#slab || this.#filled + byteCount > slabBytes) {
      this.#slab?.release()
      this.#slab = new LentBytes(this.#pool, slabBytes)
      this.#filled = 0
    }
    return this.#slab.hold()
  }

  /** Forgets what is held of `tail`. */
  clear(tail: Tail): void {
    // Its places in the order stay, and hold their memory until their turn comes.
    tail.dropped = 0
    tail.batches.length = 0
  }

  #dropOldest(): void {
    const { tail, byteCount, memory } = this.#order[this.#orderStart]!
    this.#order[this.#orderStart] = undefined as never
    this.#orderStart++
    this.#byteCount -= byteCount
    if (this.#orderStart > 1024 && this.#orderStart * 2 > this.#order.length) {
      this.#order.splice(0, this.#orderStart)
      this.#orderStart = 0
    }
    memory.release()
    if (tail.dropped >= tail.batches.length) return
    tail.batches[tail.dropped] = undefined as never
    tail.dropped++
    if (tail.dropped > 64 && tail.dropped * 2 > tail.batches.length) {
      tail.batches.splice(0, tail.dropped)
      tail.dropped = 0
    }
  }
}

/**
 * The cached batches from the one that holds `offset` on, while they end below `limitOffset` and fit
 * `byteCount`; the first fits always. Undefined where the cache begins after `offset`.
 */
export function findInTail(
  tail: Tail,
  offset: number,
  limitOffset: number,
  byteCount: number,
): CachedBatch[] | undefined {
  const { batches } = tail
  let low = tail.dropped
  let high = batches.length
  if (low === high || batches[low]!.baseOffset > offset) return undefined
  while (low < high) {
    const middle = (low + high) >>> 1
    if (batches[middle]!.lastOffset < offset) low = middle + 1
    else high = middle
  }
  const found: CachedBatch[] = []
  let rest = byteCount
  for (let index = low; index < batches.length; index++) {
    const batch = batches[index]!
    if (batch.lastOffset >= limitOffset) break
    rest -= batch.end - batch.start
    if (found.length > 0 && rest < 0) break
    found.push(batch)
  }
  return found
}

/** The bytes of cached batches, borrowed by `holder`; those that lie one behind the other come as one. */
export function lendFromTail(
  batches: readonly CachedBatch[],
  pool: BufferPool,
  holder: MemoryHolder,
): Buffer[] {
  const lent: Buffer[] = []
  for (let index = 0; index < batches.length; ) {
    const { memory, start } = batches[index]!
    let { end } = batches[index++]!
    for (let next = batches[index]; next?.memory === memory && next.start === end; ) {
      end = next.end
      next = batches[++index]
    }
    lent.push(lendBatches(memory.bytes.subarray(start, end), memory, pool, holder))
  }
  return lent
}
