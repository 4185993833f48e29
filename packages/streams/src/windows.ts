import { topologyError } from './errors.ts'

/** A span of time, from `startMs` (included) to `endMs` (excluded), in milliseconds since the epoch. */
export interface Window {
  readonly startMs: number
  readonly endMs: number
}

/** A key within a window: what windowed aggregations are keyed by. */
export class Windowed<K> {
  readonly key: K
  readonly window: Window
  /** @internal What tells it from others, made once: the key is looked up with every record. */
  identity: string | undefined

  constructor(key: K, window: Window) {
    this.key = key
    this.window = window
  }

  toString(): string {
    return `[${String(this.key)}@${this.window.startMs}/${this.window.endMs}]`
  }
}

/**
 * Windows of a fixed size, aligned to the epoch: tumbling, or hopping with {@link advanceBy}.
 *
 * @example
 * TimeWindows.ofSizeWithNoGrace(minutes(5))
 * TimeWindows.ofSizeAndGrace(minutes(5), seconds(30)).advanceBy(minutes(1))
 */
export class TimeWindows {
  readonly sizeMs: number
  readonly graceMs: number
  readonly advanceMs: number

  private constructor(sizeMs: number, graceMs: number, advanceMs: number) {
    if (!Number.isSafeInteger(sizeMs) || sizeMs <= 0)
      throw topologyError(
        `a window's size is a whole number of milliseconds above 0, found ${sizeMs}`,
      )
    if (!Number.isSafeInteger(graceMs) || graceMs < 0)
      throw topologyError(`a window's grace is a whole number of milliseconds, found ${graceMs}`)
    if (!Number.isSafeInteger(advanceMs) || advanceMs <= 0 || advanceMs > sizeMs)
      throw topologyError(
        `windows advance by 1 to ${sizeMs} ms (their size), found ${advanceMs} ms`,
      )
    this.sizeMs = sizeMs
    this.graceMs = graceMs
    this.advanceMs = advanceMs
  }

  /** Records that come after a window's end change nothing any more. */
  static ofSizeWithNoGrace(sizeMs: number): TimeWindows {
    return new TimeWindows(sizeMs, 0, sizeMs)
  }

  /** A window takes records until stream time is `graceMs` past its end. */
  static ofSizeAndGrace(sizeMs: number, graceMs: number): TimeWindows {
    return new TimeWindows(sizeMs, graceMs, sizeMs)
  }

  /** Windows that overlap: one starts every `advanceMs`. */
  advanceBy(advanceMs: number): TimeWindows {
    return new TimeWindows(this.sizeMs, this.graceMs, advanceMs)
  }

  /** Where the first window that holds `timestampMs` starts; the next ones follow by `advanceMs`. */
  firstStartMs(timestampMs: number): number {
    const earliest = Math.max(0, timestampMs - this.sizeMs + this.advanceMs)
    return earliest - (earliest % this.advanceMs)
  }
}

/** `count` seconds in milliseconds. */
export const seconds = (count: number): number => count * 1_000
/** `count` minutes in milliseconds. */
export const minutes = (count: number): number => count * 60_000
/** `count` hours in milliseconds. */
export const hours = (count: number): number => count * 3_600_000
