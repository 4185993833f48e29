import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import type { Cut } from './cut.ts'
import type { Logger } from './logger.ts'
import { silentLogger } from './logger.ts'
import type { Vitals } from './vitals.ts'

export type PartStatus = 'idle' | 'starting' | 'ready' | 'stopping' | 'stopped' | 'failed'

export interface StartOptions {
  signal?: AbortSignal
}

export interface StopOptions {
  /** After this many milliseconds what still drains is cut. Default 5,000. */
  deadlineMs?: number
}

/** One system of the pipeline, or anything else that starts, serves and stops. */
export interface Part extends AsyncDisposable {
  readonly name: string
  readonly status: PartStatus
  /** Resolved means reachable: addresses are known, port 0 included. May be called twice or at once. */
  start(options?: StartOptions): Promise<void>
  /** Stops accepting, drains, then cuts at the deadline. May be called twice or at once. */
  stop(options?: StopOptions): Promise<void>
  /** `host:port` by listener name (`mqtt`, `websocket`, `http`…) once ready. */
  readonly addresses: Readonly<Record<string, string>>
  /** What the live table shows now. Cheap: called every second. */
  vitals(): Vitals
  /** The part's own metrics in Prometheus's text format, version 0.0.4. */
  metrics(): string | Promise<string>
  /**
   * Keeps what the data folder holds at one moment of this call in the folder `into`, which is on the
   * same file system, while the part goes on: what a part that starts on these files has is everything
   * that had been acknowledged then. Resolves when the moment is settled. A part without it has
   * nothing that must be kept.
   */
  cut?(into: string): Promise<Cut>
  /** Resolves when all bytes of the last {@link cut} are in their files. */
  cutWritten?(): Promise<void>
  /**
   * Resolves when nothing more is written or acknowledged, which stays so until {@link release}, or
   * until `deadlineMs` have passed. For a part that stands between others: while it holds, they can be
   * cut one after the other and still be of one moment.
   */
  hold?(deadlineMs: number): Promise<void>
  /** Ends {@link hold}. @throws where the deadline had ended it before */
  release?(): Promise<void>
}

/** What a part is given beside its options. */
export interface PartContext {
  logger?: Logger
  clock?: Clock
  /** Called when the part cannot go on by itself; its supervisor stops and restarts it. */
  onFailure?: (error: unknown) => void
}

/**
 * The life of a part: calls of `start` and `stop` that come twice or at once agree, and a failed
 * start leaves nothing open. A part extends it with `onStart`, `onStop` and what it shows.
 */
export abstract class PartBase implements Part {
  abstract readonly name: string
  abstract readonly addresses: Readonly<Record<string, string>>
  protected readonly logger: Logger
  protected readonly clock: Clock
  #status: PartStatus = 'idle'
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  readonly #onFailure: ((error: unknown) => void) | undefined

  constructor(context: PartContext = {}) {
    this.logger = context.logger ?? silentLogger
    this.clock = context.clock ?? systemClock
    this.#onFailure = context.onFailure
  }

  get status(): PartStatus {
    return this.#status
  }

  abstract vitals(): Vitals
  abstract metrics(): string | Promise<string>

  /** Opens everything and resolves when it is reachable. */
  protected abstract onStart(signal: AbortSignal | undefined): Promise<void>
  /** Closes whatever is open; also called after a start that failed half-way. */
  protected abstract onStop(deadlineMs: number): Promise<void>

  async start(options: StartOptions = {}): Promise<void> {
    if (this.#status === 'ready') return
    if (this.#stopping) await this.#stopping
    this.#starting ??= this.#start(options.signal).finally(() => {
      this.#starting = undefined
    })
    return this.#starting
  }

  async stop(options: StopOptions = {}): Promise<void> {
    if (this.#status === 'idle' || this.#status === 'stopped') return
    // A start that is under way is left to end; its failure is its caller's.
    if (this.#starting) await this.#starting.catch(() => {})
    this.#stopping ??= this.#stop(options.deadlineMs ?? 5_000).finally(() => {
      this.#stopping = undefined
    })
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Says that the part cannot go on by itself. The supervisor stops and restarts it. */
  protected fail(error: unknown): void {
    if (this.#status !== 'ready') return
    this.#status = 'failed'
    this.logger.error({ part: this.name, err: error }, 'part failed')
    this.#onFailure?.(error)
  }

  async #start(signal: AbortSignal | undefined): Promise<void> {
    if (this.#status === 'ready') return
    signal?.throwIfAborted()
    this.#status = 'starting'
    try {
      await this.onStart(signal)
      signal?.throwIfAborted()
      this.#status = 'ready'
    } catch (error) {
      await this.onStop(0).catch((stopError) => {
        this.logger.warn({ part: this.name, err: stopError }, 'closing after a failed start failed')
      })
      this.#status = 'failed'
      throw error
    }
  }

  async #stop(deadlineMs: number): Promise<void> {
    if (this.#status === 'stopped') return
    this.#status = 'stopping'
    try {
      await this.onStop(deadlineMs)
    } finally {
      this.#status = 'stopped'
    }
  }
}
