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
