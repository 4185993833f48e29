import type { PartitionLog } from './partition-log.ts'

/** Appends that are written and flushed together. */
export interface CommitRound {
  /** Resolves when the batches are in their files (and survive the process). */
  readonly written: Promise<void>
  /** Resolves when they are flushed (and survive the machine). */
  readonly flushed: Promise<void>
  /** Logs whose write failed; their batches of this round are lost, unless {@link isJournaled}. */
  readonly failures: ReadonlyMap<PartitionLog, unknown>
  /** The batches of ordered logs are durable, whatever becomes of their segments. */
  readonly isJournaled: boolean
}

const noLogs: ReadonlySet<PartitionLog> = new Set()
const noFailures: ReadonlyMap<PartitionLog, unknown> = new Map()

/** A round while it is filled and worked on. What few rounds need is made when it is needed. */
export class OpenRound implements CommitRound {
  readonly logs: Set<PartitionLog> = new Set()
  isJournaled = false
  #ordered: Set<PartitionLog> | undefined
  #unwaited: Set<PartitionLog> | undefined
  #failures: Map<PartitionLog, unknown> | undefined
  readonly #written = new Gate()
  readonly #flushed = new Gate()

  get written(): Promise<void> {
    return this.#written.promise
  }
  get flushed(): Promise<void> {
    return this.#flushed.promise
  }
  /** Logs whose batches must survive in the order of their appends, or not at all. */
  get ordered(): ReadonlySet<PartitionLog> {
    return this.#ordered ?? noLogs
  }
  /** Logs that are written and not flushed. */
  get unwaited(): ReadonlySet<PartitionLog> {
    return this.#unwaited ?? noLogs
  }
  get failures(): ReadonlyMap<PartitionLog, unknown> {
    return this.#failures ?? noFailures
  }

  addOrdered(log: PartitionLog): void {
    this.#ordered ??= new Set()
    this.#ordered.add(log)
  }
  addUnwaited(log: PartitionLog): void {
    this.#unwaited ??= new Set()
    this.#unwaited.add(log)
  }
  fail(log: PartitionLog, error: unknown): void {
    this.#failures ??= new Map()
    this.#failures.set(log, error)
  }

  noteWritten(): void {
    this.#written.open()
  }
  noteFlushed(): void {
    this.#written.open()
    this.#flushed.open()
  }
}

/** A promise that is made only if somebody waits. */
class Gate {
  #isOpen = false
  #waiting: PromiseWithResolvers<void> | undefined

  get promise(): Promise<void> {
    if (!this.#waiting) {
      this.#waiting = Promise.withResolvers()
      if (this.#isOpen) this.#waiting.resolve()
    }
    return this.#waiting.promise
  }

  open(): void {
    this.#isOpen = true
    this.#waiting?.resolve()
  }
}
