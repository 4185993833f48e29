import type { PartStatus, Vitals } from '@khlong/core'
import type { PartName } from '../config/part-names.ts'

/** What a thread tells of one of its parts. */
export interface PartReport {
  readonly name: PartName
  readonly status: PartStatus
  readonly addresses: Readonly<Record<string, string>>
  readonly vitals: Vitals | undefined
}

export interface ThreadReport {
  readonly parts: readonly PartReport[]
  /** JavaScript heap and buffers of the thread. */
  readonly memoryBytes: number
}

/** A thread that runs parts: this one, or a worker. */
export interface PartThread {
  /** Loads a part's code, checks its settings and makes it; nothing is opened yet. */
  make(name: PartName, settings: Record<string, unknown>): Promise<void>
  /** Starts a part that was made; resolves with its addresses when it is reachable. */
  start(name: PartName): Promise<Record<string, string>>
  stop(name: PartName, deadlineMs: number): Promise<void>
  /** Calls a method of a part; what it takes and gives survives a structured clone. */
  call(name: PartName, method: string, ...given: readonly unknown[]): Promise<unknown>
  metrics(name: PartName): Promise<string>
  report(): Promise<ThreadReport>
  /** Ends the thread; parts that still run are lost. */
  end(): Promise<void>
}

/** What threads tell unasked. */
export interface ThreadEvents {
  /** A part said that it cannot go on. */
  onPartFailure(name: PartName, error: unknown): void
  /** Something in the thread threw where nobody caught it: all its parts are suspect. */
  onThreadFailure(error: unknown): void
}
