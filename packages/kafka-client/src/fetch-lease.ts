import { type BufferPool, LentBytes } from '@khlong/core/bytes'
import type { FrameMemory } from './connection.ts'

/**
 * The memory of one response, whose length is known when its first bytes come, and who holds it: who asked for it, at
 * first, and every chunk of it that waits to be read. With the last of them it is free for another response.
 */
export class FetchLease implements FrameMemory {
  readonly #memory: BufferPool
  #lent: LentBytes | undefined
  /** It was given back before any response came. */
  #isUnused = false

  constructor(memory: BufferPool) {
    this.#memory = memory
  }

  take(byteCount: number): Buffer {
    if (this.#isUnused || this.#lent) throw new Error('a lease is for one response')
    this.#lent = new LentBytes(this.#memory, byteCount)
    return this.#lent.bytes
  }

  hold(): this {
    if (!this.#lent) throw new Error('there is no response to hold')
    this.#lent.hold()
    return this
  }

  release(): void {
    if (this.#lent) this.#lent.release()
    else if (this.#isUnused) throw new Error('this memory was given back twice')
    else this.#isUnused = true
  }
}
