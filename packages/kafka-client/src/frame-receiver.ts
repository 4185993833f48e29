/** The length that stands before a frame. */
const prefixBytes = 4

/**
 * Puts what a socket reads into frames. The socket's buffer is used again for its next read, so the
 * bytes of a frame are copied, once, into memory that is asked for when its length is known.
 */
export class FrameReceiver {
  readonly #bytesMax: number
  readonly #memoryOf: (byteCount: number) => Buffer
  readonly #take: (frame: Buffer) => void
  #length = 0
  #prefixLeft = prefixBytes
  #frame: Buffer | undefined
  /** Bytes of the frame under way that are there. */
  #filled = 0

  /** `bytesMax` limits the length of a frame; `memoryOf` gives memory of exactly the length asked for. */
  constructor(
    bytesMax: number,
    memoryOf: (byteCount: number) => Buffer,
    take: (frame: Buffer) => void,
  ) {
    this.#bytesMax = bytesMax
    this.#memoryOf = memoryOf
    this.#take = take
  }

  /**
   * Takes the first `byteCount` bytes of `source`, which may be used again afterwards, and gives the frames
   * that they complete, without their length.
   *
   * @throws RangeError for a length below 0 or above the limit
   */
  push(source: Buffer, byteCount: number): void {
    let at = 0
    while (at < byteCount) {
      if (this.#prefixLeft > 0) {
        this.#length = (this.#length << 8) | source[at++]!
        if (--this.#prefixLeft > 0) continue
        if (this.#length < 0 || this.#length > this.#bytesMax)
          throw new RangeError(
            `a frame of ${this.#length} bytes, from 0 to ${this.#bytesMax} are allowed`,
          )
        this.#frame = this.#memoryOf(this.#length)
        this.#filled = 0
      }
      const frame = this.#frame!
      const end = Math.min(byteCount, at + frame.byteLength - this.#filled)
      this.#filled += source.copy(frame, this.#filled, at, end)
      at = end
      if (this.#filled === frame.byteLength) this.#complete(frame)
    }
  }

  #complete(frame: Buffer): void {
    this.#frame = undefined
    this.#length = 0
    this.#prefixLeft = prefixBytes
    this.#take(frame)
  }
}
