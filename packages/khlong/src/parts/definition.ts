import type { AddressBook } from '../config/address-book.ts'
import type { PartName } from '../config/part-names.ts'
import type { Pipeline } from '../config/pipeline.ts'

/**
 * Threads are few, for an idle one costs 11 MB and more: the doors and connectors, the log, the
 * user's own code, and what is stored. User code never shares a thread with acknowledged data.
 */
export const threadNames = ['main', 'log', 'user', 'store'] as const
export type ThreadName = (typeof threadNames)[number]

/** How the platform runs one embedded part. */
export interface PartDefinition {
  readonly name: PartName
  readonly thread: ThreadName
  /** Where the settings decide on the thread. */
  threadFor?(written: Readonly<Record<string, unknown>>): ThreadName
  /** Parts that must be ready before, where they are embedded. */
  readonly after: readonly PartName[]
  /**
   * What the part is given: the section as written, without the keys of the address book, and with
   * addresses and folders filled in. It must survive a structured clone.
   */
  settings(
    written: Readonly<Record<string, unknown>>,
    context: WiringContext,
  ): Record<string, unknown>
}

export interface WiringContext {
  readonly pipeline: Pipeline
  readonly book: AddressBook
  /** The part's own folder below the pipeline's data. */
  readonly data: string
  /** Listeners of the part by key, as the address book gave them. */
  readonly listeners: Readonly<Record<string, string>>
  /** A path of the pipeline folder, absolute; `fallback` where nothing is written. */
  path(written: unknown, fallback: string): string
}
