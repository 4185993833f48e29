import { setTimeout as delay } from 'node:timers/promises'
import type { Clock, Logger } from '@khlong/core'
import type { StreamThreads } from '../threads/stream-threads.ts'

/** What follows when a stream thread has ended by an error, in Java's words. */
export type StreamThreadExceptionResponse =
  | 'replace-thread'
  | 'shutdown-client'
  | 'shutdown-application'

/** Decides what follows an error that ended a stream thread. */
export type StreamsUncaughtExceptionHandler = (error: unknown) => StreamThreadExceptionResponse

export interface ThreadFailuresOptions {
  readonly applicationId: string
  readonly clock: Clock
  readonly logger: Logger
  /** Ends waiting for the next replacement. */
  readonly signal: AbortSignal
  /** Brings the instance to a stop. */
  readonly fail: (error: unknown) => void
}

/** Threads that ran this long since the last one was replaced are taken for healthy. */
const healthyAfterMs = 60_000

/** Does what the uncaught exception handler says; without one, the instance stops. */
export class ThreadFailures {
  handler: StreamsUncaughtExceptionHandler | undefined
  /** Why this instance has asked all to stop; undefined where it has not. */
  shutdownCause: unknown
  /** Threads that ended by an error. */
  count = 0
  readonly #options: ThreadFailuresOptions
  #replacements = 0
  #replacedAtMs = 0

  constructor(options: ThreadFailuresOptions) {
    this.#options = options
  }

  /**
   * Answers the end of a thread.
   *
   * @param threads the others
   * @param isWorker where the thread was, and one in its place has to be
   */
  answer(error: unknown, threads: StreamThreads, isWorker: boolean): void {
    const { logger, applicationId, fail } = this.#options
    const response = this.#respond(error)
    logger.error(
      { application: applicationId, err: error, response },
      'stream thread ended by an error',
    )
    switch (response) {
      case 'replace-thread':
        void this.#replace(threads, isWorker)
        return
      case 'shutdown-client':
        fail(error)
        return
      case 'shutdown-application':
        this.shutdownCause ??= error
        void this.#askForShutdown(error, threads, isWorker)
    }
  }

  #respond(error: unknown): StreamThreadExceptionResponse {
    try {
      return this.handler?.(error) ?? 'shutdown-client'
    } catch (thrown) {
      this.#options.logger.error({ err: thrown }, 'uncaught exception handler threw')
      return 'shutdown-client'
    }
  }

  /** A thread that dies again and again must not keep the group busy. */
  async #replace(threads: StreamThreads, isWorker: boolean): Promise<void> {
    const { signal, clock } = this.#options
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#replacedAtMs > healthyAfterMs) this.#replacements = 0
    this.#replacedAtMs = nowMs
    const pauseMs = Math.min(10_000, 100 * 2 ** this.#replacements++)
    try {
      await delay(pauseMs, undefined, { signal })
      await threads.add(isWorker)
    } catch (error) {
      if (signal.aborted) return
      // Stores on a disk that is still full, say: whether that is tried again is the handler's to say, too.
      this.count++
      this.answer(error, threads, isWorker)
    }
  }

  /** The request goes along when a thread joins the group; where none is left, a new one carries it. */
  async #askForShutdown(error: unknown, threads: StreamThreads, isWorker: boolean): Promise<void> {
    const { logger, fail } = this.#options
    try {
      if (threads.alive.length > 0) {
        for (const thread of threads.alive) thread.askForShutdown()
        return
      }
      const messenger = threads.make(isWorker)
      messenger.setPaused(true)
      messenger.askForShutdown()
      await messenger.start()
    } catch (cause) {
      logger.warn({ err: cause }, 'other instances could not be asked to stop')
      fail(error)
    }
  }
}
