import type { BufferPool } from '@khlong/core/bytes'
import type { FrameMemory } from './connection.ts'

/**
 * The memory of one response and how many hold it: who asked for it, at first, and every chunk of it
 * that waits to be read. With the last of them it is free for another response.
 */
export class FetchLease implements FrameMemory {
  readonly #memory: BufferPool
  #buffer: Buffer | undefined
  #holders = 1

  constructor(memory: BufferPool) {
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
