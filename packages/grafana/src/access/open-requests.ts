import type { IncomingMessage, ServerResponse } from 'node:http'

const sweepMs = 5_000
const graceMs = 1_000

/**
 * The answers that are still being written. A live stream may last for days: whether its reader is
 * still let in is asked again after each change of users and now and then.
 */
export class OpenRequests {
  readonly #isAdmitted: (request: IncomingMessage) => Promise<boolean>
  readonly #open = new Map<IncomingMessage, { response: ServerResponse; sinceMs: number }>()
  readonly #timer: NodeJS.Timeout

  constructor(isAdmitted: (request: IncomingMessage) => Promise<boolean>) {
    this.#isAdmitted = isAdmitted
    this.#timer = setInterval(() => void this.sweep(sweepMs), sweepMs).unref()
  }

  add(request: IncomingMessage, response: ServerResponse): void {
    this.#open.set(request, { response, sinceMs: performance.now() })
    response.once('close', () => this.#open.delete(request))
  }

  /** Ends the answers whose readers may no longer see them, of those at least `ageMs` old. */
  async sweep(ageMs: number): Promise<void> {
    const nowMs = performance.now()
    for (const [request, { response, sinceMs }] of this.#open) {
      // What was let in and has not begun to answer may end; it could be what changed the users.
      if (nowMs - sinceMs < ageMs || !response.headersSent || response.writableEnded) continue
      if (await this.#isAdmitted(request)) continue
      response.end()
      // Who does not read to the end is cut.
      setTimeout(() => response.destroy(), graceMs).unref()
    }
  }

  close(): void {
    clearInterval(this.#timer)
    this.#open.clear()
  }
}
