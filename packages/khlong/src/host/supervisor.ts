import type { Clock, Logger, PartStatus, TimerHandle, Vitals } from '@khlong/core'
import { CodedError, describeError, systemClock } from '@khlong/core'
import type { PartName } from '../config/part-names.ts'
import type { PartDefinition, ThreadName } from '../parts/definition.ts'
import type { PartThread, ThreadEvents } from './part-thread.ts'

/** A part that the supervisor keeps running. */
export interface SupervisedPart {
  readonly definition: PartDefinition
  readonly settings: Record<string, unknown>
}

/** What is shown of a supervised part. */
export interface PartState {
  readonly name: PartName
  readonly status: PartStatus
  readonly thread: ThreadName
  readonly addresses: Readonly<Record<string, string>>
  /** Times that it was started again after a failure. */
  readonly restarts: number
  readonly error: string | undefined
  readonly vitals: Vitals | undefined
  /** Memory of its thread, shared with the parts beside it. */
  readonly threadMemoryBytes: number
}

export interface SupervisorOptions {
  parts: readonly SupervisedPart[]
  /** Makes a thread; the supervisor calls it again when one is lost. */
  makeThread(name: ThreadName, events: ThreadEvents): PartThread
  logger: Logger
  clock?: Clock
  /** Called after each start of a part, the first and the later ones; what needs the part waits for it. */
  onReady?(name: PartName): Promise<void>
}

interface Entry {
  readonly part: SupervisedPart
  status: PartStatus
  addresses: Record<string, string>
  vitals: Vitals | undefined
  restarts: number
  failuresInRow: number
  error: string | undefined
  timer: TimerHandle | undefined
  readyAtMs: number
}

const restartMsMin = 500
const restartMsMax = 30_000
/** A part that ran this long before it failed is taken for healthy: its back-off starts anew. */
const healthyAfterMs = 60_000
/** How long beyond its deadline a part may take to stop. */
const stopGraceMs = 10_000

/**
 * Starts parts in dependency order, starts again what fails, with back-off, and stops all in
 * reverse. A part that fails takes down no other; a thread that is lost takes down its own parts.
 */
export class Supervisor {
  readonly #entries: readonly Entry[]
  readonly #threads = new Map<ThreadName, PartThread>()
  readonly #memoryBytes = new Map<ThreadName, number>()
  readonly #options: SupervisorOptions
  readonly #clock: Clock
  #stopping = false
  readonly #cut: PartName[] = []

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#entries = options.parts.map((part) => ({
      part,
      status: 'idle',
      addresses: {},
      vitals: undefined,
      restarts: 0,
      failuresInRow: 0,
      error: undefined,
      timer: undefined,
      readyAtMs: 0,
    }))
  }

  /**
   * Makes every part, so that a wrong setting is said before anything opens; then starts each as
   * soon as those it needs are ready.
   *
   * @throws what the first part threw that could not start; all others are stopped again
   */
  async start(): Promise<void> {
    await this.#each(this.#entries.map((entry) => this.#makePart(entry)))
    const started = new Map<PartName, Promise<void>>()
    const startOne = (entry: Entry): Promise<void> => {
      const { name, after } = entry.part.definition
      let promise = started.get(name)
      if (!promise) {
        promise = (async () => {
          for (const needed of after) {
            const other = this.#find(needed)
            if (other) await startOne(other)
          }
          await this.#startPart(entry)
        })()
        started.set(name, promise)
      }
      return promise
    }
    await this.#each(this.#entries.map(startOne))
  }

  /** Waits for all, and stops everything where one failed. */
  async #each(actions: readonly Promise<void>[]): Promise<void> {
    const results = await Promise.allSettled(actions)
    const failed = results.find((result) => result.status === 'rejected')
    if (failed) {
      if (!this.#stopping) await this.stop()
      throw failed.reason
    }
  }

  /**
   * Stops the parts in reverse order of their start, and ends the threads. Gives the parts that did not
   * stop in time; those of the main thread may still wait for something.
   */
  async stop(deadlineMs = 5_000, graceMs: number = stopGraceMs): Promise<readonly PartName[]> {
    this.#stopping = true
    for (const entry of this.#entries) if (entry.timer) this.#clock.clearTimer(entry.timer)
    const stopped = new Map<PartName, Promise<void>>()
    const stopOne = (entry: Entry): Promise<void> => {
      const { name } = entry.part.definition
      let promise = stopped.get(name)
      if (!promise) {
        const users = this.#entries.filter((other) => other.part.definition.after.includes(name))
        promise = Promise.all(users.map(stopOne)).then(() =>
          this.#stopPart(entry, deadlineMs, graceMs),
        )
        stopped.set(name, promise)
      }
      return promise
    }
    await Promise.allSettled(this.#entries.map(stopOne))
    const ended = Promise.allSettled([...this.#threads.values()].map((thread) => thread.end()))
    // A part of this thread that still waits for its own start would hold up the end.
    await this.#isInTime(ended, graceMs)
    this.#threads.clear()
    return this.#cut
  }

  /** Calls a method of a running part; what it takes and gives survives a structured clone. */
  call(name: PartName, method: string, ...given: readonly unknown[]): Promise<unknown> {
    return this.#threadOf(this.#need(name)).call(name, method, ...given)
  }

  /** A part's own metrics; an error where it is not running. */
  metrics(name: PartName): Promise<string> {
    return this.#threadOf(this.#need(name)).metrics(name)
  }

  /** Asks all threads at once what their parts do now. */
  async refresh(): Promise<readonly PartState[]> {
    await Promise.all(
      [...this.#threads].map(async ([name, thread]) => {
        const report = await thread.report().catch(() => undefined)
        if (!report) return
        this.#memoryBytes.set(name, report.memoryBytes)
        for (const part of report.parts) {
          const entry = this.#find(part.name)
          if (entry?.status !== 'ready') continue
          entry.vitals = part.vitals ?? entry.vitals
          entry.addresses = { ...part.addresses }
        }
      }),
    )
    return this.states()
  }

  /** What is known without asking. */
  states(): readonly PartState[] {
    return this.#entries.map((entry) => ({
      name: entry.part.definition.name,
      status: entry.status,
      thread: entry.part.definition.thread,
      addresses: entry.addresses,
      restarts: entry.restarts,
      error: entry.error,
      vitals: entry.vitals,
      threadMemoryBytes: this.#memoryBytes.get(entry.part.definition.thread) ?? 0,
    }))
  }

  /** All parts of a thread have failed: used for errors of the main thread that nobody caught. */
  threadFailed(name: ThreadName, error: unknown): void {
    const lost = this.#threads.get(name)
    this.#threads.delete(name)
    lost?.end().catch(() => {})
    for (const entry of this.#entries)
      if (entry.part.definition.thread === name && entry.status === 'ready')
        this.#partFailed(entry, error)
  }

  #makePart(entry: Entry): Promise<void> {
    const { definition, settings } = entry.part
    return this.#threadOf(entry).make(definition.name, settings)
  }

  async #startPart(entry: Entry): Promise<void> {
    const { definition } = entry.part
    // It waited for another one, and by now everything is being stopped.
    if (this.#stopping) throw new Error(`${definition.name} was stopped before it had started`)
    entry.status = 'starting'
    try {
      entry.addresses = await this.#threadOf(entry).start(definition.name)
      entry.status = 'ready'
      entry.error = undefined
      entry.readyAtMs = this.#clock.monotonicMs()
      this.#options.logger.info({ part: definition.name, ...entry.addresses }, 'part is ready')
      await this.#options.onReady?.(definition.name)
    } catch (error) {
      entry.status = 'failed'
      entry.error = describeError(error)
      throw error
    }
  }

  async #stopPart(entry: Entry, deadlineMs: number, graceMs: number): Promise<void> {
    if (entry.status === 'idle' || entry.status === 'stopped') return
    const { name, thread } = entry.part.definition
    entry.status = 'stopping'
    try {
      const stopping = this.#threads.get(thread)?.stop(name, deadlineMs)
      if (!(await this.#isInTime(stopping, deadlineMs + graceMs))) {
        this.#cut.push(name)
        this.#options.logger.warn(
          { part: name },
          'part waits for something that does not answer and is cut off; what it acknowledged is kept',
        )
      }
    } catch (error) {
      this.#options.logger.warn({ part: name, err: error }, 'part did not stop cleanly')
    }
    entry.status = 'stopped'
  }

  #isInTime(work: Promise<unknown> | undefined, withinMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(() => resolve(false), withinMs)
      Promise.resolve(work)
        .then(() => resolve(true), reject)
        .finally(() => this.#clock.clearTimer(timer))
    })
  }

  #partFailed(entry: Entry, error: unknown): void {
    if (this.#stopping || entry.timer) return
    const ranMs = this.#clock.monotonicMs() - entry.readyAtMs
    if (entry.status === 'ready' && ranMs > healthyAfterMs) entry.failuresInRow = 0
    entry.status = 'failed'
    entry.error = describeError(error)
    const delayMs = Math.min(restartMsMax, restartMsMin * 2 ** entry.failuresInRow++)
    this.#options.logger.error(
      { part: entry.part.definition.name, err: error, restartInMs: delayMs },
      'part failed and will be started again',
    )
    entry.timer = this.#clock.setTimer(() => {
      entry.timer = undefined
      this.#restart(entry).catch((restartError) => this.#partFailed(entry, restartError))
    }, delayMs)
  }

  async #restart(entry: Entry): Promise<void> {
    if (this.#stopping) return
    const { name } = entry.part.definition
    await this.#threadOf(entry).stop(name, 0)
    entry.restarts++
    await this.#makePart(entry)
    await this.#startPart(entry)
  }

  #threadOf(entry: Entry): PartThread {
    const { thread: name } = entry.part.definition
    let thread = this.#threads.get(name)
    if (!thread) {
      thread = this.#options.makeThread(name, {
        onPartFailure: (part, error) => this.#partFailed(this.#need(part), error),
        onThreadFailure: (error) => this.threadFailed(name, error),
      })
      this.#threads.set(name, thread)
    }
    return thread
  }

  #find(name: PartName): Entry | undefined {
    return this.#entries.find((entry) => entry.part.definition.name === name)
  }
  #need(name: PartName): Entry {
    const entry = this.#find(name)
    if (!entry) throw new CodedError('KHLONG_PART_FAILED', `part ${name} does not run here`)
    return entry
  }
}
