/** Bytes of all clients together that have not logged in. */
const bytesMax = 16 * 1_048_576
/** Connections without a login where one is needed. */
const countMax = 2_000

/** The largest CONNECT that is taken; Mosquitto's limit is the same. */
export const connectBytesMax = 100_000

/** What clients cost who have not said yet who they are: nothing that they could make grow. */
export class Strangers {
  #bytes = 0
  #count = 0

  /** Whether one more may come to a listener where a login is needed. */
  get isFull(): boolean {
    return this.#count >= countMax
  }

  came(): void {
    this.#count++
  }

  /** Whether one of them may send so many bytes more. */
  take(bytes: number): boolean {
    this.#bytes += bytes
    return this.#bytes <= bytesMax
  }

  /** One of them, who had sent so many bytes, has logged in or is gone. */
  left(bytes: number): void {
    this.#count--
    this.#bytes -= bytes
  }
}

/** One client until it has logged in or is gone. */
export class Stranger {
  readonly #strangers: Strangers
  #bytes = 0
  #hasBegun = false
  #isKnown = false

  constructor(strangers: Strangers) {
    this.#strangers = strangers
    strangers.came()
  }

  /** Whether it begins, or has begun, as a CONNECT does. */
  begins(chunk: Buffer): boolean {
    if (this.#hasBegun || chunk.length === 0) return true
    this.#hasBegun = true
    return chunk[0] === 0x10
  }

  /** Whether it may send so many bytes more. */
  take(byteCount: number): boolean {
    this.#bytes += byteCount
    return this.#strangers.take(byteCount) && this.#bytes <= 2 * connectBytesMax
  }

  /** It has logged in, or is gone. */
  left(): void {
    if (this.#isKnown) return
    this.#isKnown = true
    this.#strangers.left(this.#bytes)
  }
}
