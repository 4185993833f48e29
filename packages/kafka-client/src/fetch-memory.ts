import type { FrameMemory } from './connection.ts'

/** Memory is taken in steps, so that one buffer fits many responses. */
const stepBytes = 64 * 1024
/** Large ones in larger steps: full responses differ by a batch, and must not each need a buffer of their own. */
const largeStepBytes = 512 * 1024
/** A buffer serves what is at least this share of it; a small response must not hold a large one. */
const smallestShare = 1 / 8

/** Set in tests: what was given back is overwritten, so that who still reads it does not go unseen. */
const isPoisoned = process.env.KHLONG_POISON_BUFFERS === '1'
const poison = 0xdb

/**
 * The memory that fetched responses lie in, used again and again. Left to the garbage collector it
 * would wait for a collection of the old generation: it outlives those of the young, and counts little.
 *
 * It knows only what is free. A buffer whose lease nobody ends is the garbage collector's, as any other.
 */
export class FetchMemory {
  readonly #keptBytesMax: number
  #free: Buffer[] = []
  #freeBytes = 0

  /** At most `keptBytesMax` bytes are kept while they are not in use. */
  constructor(keptBytesMax: number) {
    this.#keptBytesMax = keptBytesMax
  }

  /** Bytes that are kept and not in use. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** The smallest buffer that is free and large enough, or a new one. */
  take(byteCount: number): Buffer {
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
    if (this.#freeBytes + buffer.byteLength > this.#keptBytesMax) return
    this.#free.push(buffer)
    this.#freeBytes += buffer.byteLength
  }

  /** Gives up what is not in use, but what a response without records needs. */
  trim(): void {
    this.#free = this.#free.filter(({ byteLength }) => byteLength <= stepBytes).slice(0, 1)
    this.#freeBytes = this.#free.reduce((sum, { byteLength }) => sum + byteLength, 0)
  }
}

/**
 * The memory of one response and how many hold it: who asked for it, at first, and every chunk of it
 * that waits to be read. With the last of them it is free for another response.
 */
export class FetchLease implements FrameMemory {
  readonly #memory: FetchMemory
  #buffer: Buffer | undefined
  #holders = 1

  constructor(memory: FetchMemory) {
    this.#memory = memory
  }

  take(byteCount: number): Buffer {
    if (this.#holders === 0 || this.#buffer) throw new Error('a lease is for one response')
    this.#buffer = this.#memory.take(byteCount)
    return this.#buffer.subarray(0, byteCount)
  }

  hold(): this {
    if (this.#holders === 0) throw new Error('the memory of this response was given back')
    this.#holders++
    return this
  }

  release(): void {
    if (this.#holders === 0) throw new Error('the memory of this response was given back twice')
    if (--this.#holders > 0 || !this.#buffer) return
    this.#memory.give(this.#buffer)
    this.#buffer = undefined
  }
}
