import { Fifo } from '../state/fifo.ts'

/** An answer that leaves in its turn, after the journal has reached `position`. */
export interface Answer {
  readonly position: number
  /** First byte of an acknowledgement. */
  readonly header: number
  readonly packetId: number
  readonly reason: number
  /** Whether it ends the exchange for a message of the client. */
  readonly isFinal: boolean
  /** For answers that are more than an acknowledgement. */
  readonly send: (() => void) | undefined
}

/** The answers that one client waits for, in the order of what it asked [MQTT-4.6.0-2]. */
export class Answers {
  readonly #waiting = new Fifo<Answer>()
  readonly #send: (answer: Answer) => void

  constructor(send: (answer: Answer) => void) {
    this.#send = send
  }

  get length(): number {
    return this.#waiting.length
  }

  /** Sends the answer at once where nothing is before it; false where it has to wait. */
  give(answer: Answer, durable: number): boolean {
    if (answer.position <= durable && this.#waiting.length === 0) {
      this.#send(answer)
      return true
    }
    this.#waiting.push(answer)
    return false
  }

  /** Sends what waited for the journal to reach `durable`. */
  release(durable: number): void {
    for (;;) {
      const answer = this.#waiting.peek()
      if (!answer || answer.position > durable) return
      this.#waiting.shift()
      this.#send(answer)
    }
  }

  clear(): void {
    this.#waiting.clear()
  }
}
