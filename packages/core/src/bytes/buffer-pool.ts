/** A buffer serves what is at least this share of it; what is small must not hold a large one. */
const smallestShare = 1 / 8

/** How long what was kept waits for somebody to want it. */
const restMs = 1_000

/** Set in tests: what was given back is overwritten, so that who still reads it does not go unseen. */
const isPoisoned = process.env.KHLONG_POISON_BUFFERS === '1'
const poison = 0xdb

export interface BufferPoolOptions {
  /** Bytes that are kept at most while they are not in use. */
  readonly keptBytesMax: number
  /** Buffers have whole steps, so that one fits many. */
  readonly stepBytes: number
  /** The steps of what is larger: bytes that differ a little must not each need a buffer of their own. */
  readonly largeStepBytes: number
  /** What is smaller is left to the garbage collector. */
  readonly pooledBytesMin: number
}

/**
 * Memory for bytes that live for some milliseconds, used again and again; nearly all of it is given up when nobody
 * wants it for a second. Left to the garbage collector it
 * would wait for a collection of the old generation: it outlives those of the young, and counts little.
 *
 * It knows only what is free. A buffer that nobody gives back is the garbage collector's, as any other.
 */
export class BufferPool {
  readonly #options: BufferPoolOptions
  #free: Buffer[] = []
  #freeBytes = 0
  /** Of buffers of more than one step. */
  #takeCount = 0
  #resting: NodeJS.Timeout | undefined

  constructor(options: BufferPoolOptions) {
    this.#options = options
  }

  /** Bytes that are kept and not in use. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** A buffer of at least `byteCount` bytes: the smallest that is free, or a new one. */
  take(byteCount: number): Buffer {
    const { stepBytes, largeStepBytes, pooledBytesMin } = this.#options
    if (byteCount < pooledBytesMin) return Buffer.allocUnsafeSlow(byteCount)
    if (byteCount > stepBytes) this.#takeCount++
    let best = -1
    for (let index = 0; index < this.#free.length; index++) {
      const { byteLength } = this.#free[index]!
      if (byteLength < byteCount || byteCount < byteLength * smallestShare - stepBytes) continue
      if (best < 0 || byteLength < this.#free[best]!.byteLength) best = index
    }
    if (best < 0) {
      const step = byteCount > largeStepBytes ? largeStepBytes : stepBytes
      return Buffer.allocUnsafeSlow(Math.max(1, Math.ceil(byteCount / step)) * step)
    }
    const [found] = this.#free.splice(best, 1)
    this.#freeBytes -= found!.byteLength
    return found!
  }

  /** Takes a buffer back, which nobody may look at any more. */
  give(buffer: Buffer): void {
    if (isPoisoned) buffer.fill(poison)
    const { keptBytesMax, stepBytes } = this.#options
    if (buffer.byteLength % stepBytes !== 0 || buffer.byteLength > keptBytesMax) return
    this.#free.push(buffer)
    this.#freeBytes += buffer.byteLength
    // Those go that have not been wanted for longest.
    while (this.#freeBytes > keptBytesMax) {
      const oldest = this.#free.shift()!
      this.#freeBytes -= oldest.byteLength
      free(oldest)
    }
    this.#rest()
  }

  /** What is kept is given up once nothing of more than one step was taken for a while. */
  #rest(): void {
    if (this.#resting || this.#freeBytes <= this.#options.stepBytes) return
    const takeCount = this.#takeCount
    this.#resting = setTimeout(() => {
      this.#resting = undefined
      if (this.#takeCount === takeCount) this.#trim()
      // Who took some meanwhile may have been the last, and has given it back already.
      else this.#rest()
    }, restMs).unref()
  }

  /** What a response without records needs stays. */
  #trim(): void {
    const kept = this.#free.find(({ byteLength }) => byteLength <= this.#options.stepBytes)
    for (const buffer of this.#free) if (buffer !== kept) free(buffer)
    this.#free = kept ? [kept] : []
    this.#freeBytes = kept?.byteLength ?? 0
  }
}

/** Frees memory at once; the garbage collector would do it with the next collection of the old generation. */
function free({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}
