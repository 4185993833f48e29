import type { DiskSettings } from '../config/disk-settings.ts'
import { formatBytes } from '../terminal/format.ts'
import { type DiskSpace, measureDiskSpace } from './disk-space.ts'

/** How a pipeline's data stand to its budget. */
export interface DiskState {
  readonly usedBytes: number
  /** What `disk.budget` allows. */
  readonly budgetBytes: number
  /** What can be used at most: the budget, or less where the disk is filled by others. */
  readonly limitBytes: number
  readonly freeBytes: number
  /** What each part's folder takes. */
  readonly parts: DiskSpace['parts']
  /** Why sources wait; missing where they do not. */
  readonly held?: string
}

/** So much of the disk is left free for what is under way, where it is that large. */
const reserveShare = 0.05
const reserveBytesMax = 512 * 2 ** 20
/** Sources go on when so much is free again, so that they do not stop and go with each file. */
const slack = 0.02

/** Decides from the space that data take whether sources have to wait. */
export class DiskWatch {
  readonly #settings: DiskSettings
  readonly #data: string
  #state: DiskState | undefined

  constructor(settings: DiskSettings, data: string) {
    this.#settings = settings
    this.#data = data
  }

  /** As it was when it was last measured. */
  get state(): DiskState | undefined {
    return this.#state
  }

  async measure(): Promise<DiskState> {
    this.#state = diskState(this.#settings, await measureDiskSpace(this.#data), this.#state)
    return this.#state
  }
}

/** How `space` stands to the budget; `before` is what was found the last time. */
export function diskState(
  { budget }: DiskSettings,
  space: DiskSpace,
  before?: DiskState,
): DiskState {
  const { bytes: usedBytes, freeBytes, totalBytes, parts } = space
  const budgetBytes = 'share' in budget ? budget.share * totalBytes : budget.bytes
  const reserveBytes = Math.min(reserveBytesMax, totalBytes * reserveShare)
  const limitBytes = Math.min(budgetBytes, usedBytes + Math.max(0, freeBytes - reserveBytes))
  const wanted = before?.held === undefined ? 0 : slack
  const state = { usedBytes, budgetBytes, limitBytes, freeBytes, parts }
  if (usedBytes >= budgetBytes * (1 - wanted))
    return {
      ...state,
      held: `the data take ${formatBytes(usedBytes)}, and disk.budget is ${formatBytes(Math.round(budgetBytes))}`,
    }
  if (freeBytes <= reserveBytes + wanted * totalBytes)
    return { ...state, held: `the disk has only ${formatBytes(freeBytes)} left` }
  return state
}
