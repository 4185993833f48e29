interface CachedBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly bytes: Buffer
}

/**
 * What a batch takes in memory beside its own bytes. The markers of transactions have 78 bytes: without
 * it a broker that is hardly used would keep a hundred thousand of them.
 */
const batchCostBytes = 512

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
  readonly #order: { tail: Tail; byteCount: number }[] = []
  #orderStart = 0
  #byteCount = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get byteCount(): number {
    return this.#byteCount
  }

  /** Keeps `bytes` (owned by the cache from here on) as the newest batch of `tail`. */
  add(tail: Tail, baseOffset: number, lastOffset: number, bytes: Buffer): void {
    tail.batches.push({ baseOffset, lastOffset, bytes })
    const byteCount = bytes.byteLength + batchCostBytes
    this.#order.push({ tail, byteCount })
    this.#byteCount += byteCount
    while (this.#byteCount > this.#bytesMax && this.#orderStart < this.#order.length)
      this.#dropOldest()
  }

  /** Forgets what is held of `tail`. */
  clear(tail: Tail): void {
    // Its places in the order stay and are passed over when their turn comes.
    tail.dropped = 0
    tail.batches.length = 0
  }

  #dropOldest(): void {
    const { tail, byteCount } = this.#order[this.#orderStart]!
    this.#orderStart++
    this.#byteCount -= byteCount
    if (this.#orderStart > 1024 && this.#orderStart * 2 > this.#order.length) {
      this.#order.splice(0, this.#orderStart)
      this.#orderStart = 0
    }
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
export function readTail(
  tail: Tail,
  offset: number,
  limitOffset: number,
  byteCount: number,
): Buffer[] | undefined {
  const { batches } = tail
  let low = tail.dropped
  let high = batches.length
  if (low === high || batches[low]!.baseOffset > offset) return undefined
  while (low < high) {
    const middle = (low + high) >>> 1
    if (batches[middle]!.lastOffset < offset) low = middle + 1
    else high = middle
  }
  const found: Buffer[] = []
  let rest = byteCount
  for (let index = low; index < batches.length; index++) {
    const batch = batches[index]!
    if (batch.lastOffset >= limitOffset) break
    if (found.length > 0 && batch.bytes.byteLength > rest) break
    found.push(batch.bytes)
    rest -= batch.bytes.byteLength
  }
  return found
}
