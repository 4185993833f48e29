import type { BufferPool } from './buffer-pool.ts'

/**
 * Bytes in a pool's memory, and how many hold them: who asked for them, at first, and everybody who was given some of
 * them since. With the last of them the memory is another's.
 */
export class LentBytes {
  readonly bytes: Buffer
  readonly #pool: BufferPool
  readonly #memory: Buffer
  #holders = 1

  constructor(pool: BufferPool, byteCount: number) {
    this.#pool = pool
    this.#memory = pool.take(byteCount)
    this.bytes = this.#memory.subarray(0, byteCount)
  }

  hold(): this {
    if (this.#holders === 0) throw new Error('this memory was given back')
    this.#holders++
    return this
  }

  /** Holds the memory while something is under way. */
  async holdUntil(done: Promise<unknown>): Promise<void> {
    this.hold()
    try {
      await done
    } finally {
      this.release()
    }
  }

  release(): void {
    if (this.#holders === 0) throw new Error('this memory was given back twice')
    if (--this.#holders > 0) return
    this.#pool.give(this.#memory)
  }
}
