import type { Transport } from './transport.ts'

/** A client that takes nothing for so long while bytes wait for it is cut. */
const stallMs = 60_000
/** Time for CONNECT to come, and for a connection to end. */
export const graceMs = 10_000

/** Tells by the monotonic clock when a client is gone though its connection is not. */
export class Liveness {
  readonly #transport: Transport
  readonly #openedMs: number
  #receivedMs: number
  #movedMs: number
  #movedBytes = -1

  constructor(transport: Transport, monotonicMs: number) {
    this.#transport = transport
    this.#openedMs = monotonicMs
    this.#receivedMs = monotonicMs
    this.#movedMs = monotonicMs
  }

  /** Something came, or could not come because the client is not read. */
  received(monotonicMs: number): void {
    this.#receivedMs = monotonicMs
  }

  /** Whether nothing came for one and a half times `keepAliveSeconds` [MQTT-3.1.2-22]. */
  isSilent(keepAliveSeconds: number, monotonicMs: number): boolean {
    return keepAliveSeconds > 0 && monotonicMs - this.#receivedMs > keepAliveSeconds * 1_500
  }

  /** Whether the time for CONNECT is over; bytes that trickle in do not buy more. */
  isLate(monotonicMs: number): boolean {
    return monotonicMs - this.#openedMs > graceMs
  }

  /** Whether bytes have waited for the client too long. */
  isStalled(monotonicMs: number): boolean {
    const { bufferedBytes, sentBytes } = this.#transport
    if (bufferedBytes > 0 && sentBytes === this.#movedBytes)
      return monotonicMs - this.#movedMs > stallMs
    this.#movedBytes = sentBytes
    this.#movedMs = monotonicMs
    return false
  }
}
