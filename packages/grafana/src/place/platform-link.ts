import type { Logger } from '@khlong/core'
import type { PlatformEvent, PlatformSnapshot } from '../model/platform.ts'
import { PlatformEvents } from '../state/platform-events.ts'
import { readEvents } from './event-stream.ts'

const retryMsMax = 5_000

/** Follows the platform's status stream, and connects again when it ends. */
export class PlatformLink {
  readonly #url: string
  readonly #logger: Logger
  readonly #onSnapshot: (snapshot: PlatformSnapshot, events: PlatformEvent[]) => void
  readonly #events = new PlatformEvents()
  readonly #abort = new AbortController()
  #snapshot: PlatformSnapshot | undefined
  #done: Promise<void> | undefined

  constructor(options: {
    url: string
    logger: Logger
    onSnapshot: (snapshot: PlatformSnapshot, events: PlatformEvent[]) => void
  }) {
    this.#url = options.url.replace(/\/$/, '')
    this.#logger = options.logger
    this.#onSnapshot = options.onSnapshot
  }

  get snapshot(): PlatformSnapshot | undefined {
    return this.#snapshot
  }

  get events(): readonly PlatformEvent[] {
    return this.#events.all
  }

  open(): void {
    this.#done = this.#follow()
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await this.#done
  }

  async #follow(): Promise<void> {
    const { signal } = this.#abort
    let retryMs = 250
    while (!signal.aborted) {
      try {
        const response = await fetch(`${this.#url}/-/events`, { signal })
        if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`)
        for await (const data of readEvents(response.body)) {
          retryMs = 250
          this.#take(data)
        }
      } catch (error) {
        if (signal.aborted) return
        this.#logger.debug({ err: error }, 'the platform does not tell its state')
      }
      this.#snapshot = undefined
      await pause(retryMs, signal)
      retryMs = Math.min(retryMs * 2, retryMsMax)
    }
  }

  #take(data: string): void {
    const snapshot = JSON.parse(data) as PlatformSnapshot
    if (!Array.isArray(snapshot.parts)) return
    this.#snapshot = snapshot
    this.#onSnapshot(snapshot, this.#events.apply(snapshot, Date.now()))
  }
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, delayMs).unref()
    signal.addEventListener('abort', end)
  })
}
