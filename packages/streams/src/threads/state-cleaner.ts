import type { Clock, Logger, TimerHandle } from '@khlong/core'
import type { TaskLocks } from '../runtime/task-locks.ts'
import type { StateFolder } from '../state/state-folder.ts'

export interface StateCleanerOptions {
  readonly folder: StateFolder
  readonly locks: TaskLocks
  /** `state.cleanup.delay.ms` */
  readonly delayMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** Often enough for any delay, and seldom enough for one that is short. */
const lookMsMin = 1_000

/**
 * Deletes the stores of tasks that went to another instance and did not come back: after one to two
 * times `state.cleanup.delay.ms`, as in Java. Who takes a task meanwhile waits until its stores are gone.
 */
export class StateCleaner {
  readonly #options: StateCleanerOptions
  /** Tasks that nobody had at the last look, with the time when that began and how often they had been taken. */
  readonly #gone = new Map<string, { readonly sinceMs: number; readonly takenCount: number }>()
  #timer: TimerHandle | undefined
  #looking: Promise<void> = Promise.resolve()

  constructor(options: StateCleanerOptions) {
    this.#options = options
  }

  start(): void {
    const { clock, delayMs } = this.#options
    this.#timer = clock.setTimer(
      () => {
        this.#looking = this.look().finally(() => {
          if (this.#timer !== undefined) this.start()
        })
      },
      Math.max(delayMs, lookMsMin),
    )
  }

  /** Ends when what is being deleted is gone. */
  async stop(): Promise<void> {
    if (this.#timer !== undefined) this.#options.clock.clearTimer(this.#timer)
    this.#timer = undefined
    await this.#looking
  }

  async look(): Promise<void> {
    const { folder, locks, delayMs, clock, logger } = this.#options
    const nowMs = clock.monotonicMs()
    for (const taskId of folder.taskIds()) {
      const takenCount = locks.takenCount(taskId)
      const known = this.#gone.get(taskId)
      if (locks.isHeld(taskId)) this.#gone.delete(taskId)
      else if (known?.takenCount !== takenCount)
        this.#gone.set(taskId, { sinceMs: nowMs, takenCount })
      else if (nowMs - known.sinceMs >= delayMs)
        try {
          await this.#delete(taskId)
          logger.info({ task: taskId, delayMs }, 'deleted the stores of a task that went elsewhere')
        } catch (error) {
          logger.warn({ task: taskId, err: error }, 'the stores of a task could not be deleted')
        }
    }
  }

  async #delete(taskId: string): Promise<void> {
    const { folder, locks } = this.#options
    const locker = locks.locker()
    // Nobody has it, so it is had at once.
    void locker.lock(taskId)
    try {
      await folder.forget(taskId)
    } finally {
      locker.unlock(taskId)
      this.#gone.delete(taskId)
    }
  }
}
