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

/**
 * Windows of a fixed size that move with the records: one ends at each record, and one begins right
 * after it. Both ends belong to a window.
 *
 * @example
 * SlidingWindows.ofTimeDifferenceAndGrace(minutes(5), seconds(30))
 */
export class SlidingWindows {
  /** The most that the times of two records of one window differ by. */
  readonly timeDifferenceMs: number
  readonly graceMs: number

  private constructor(timeDifferenceMs: number, graceMs: number) {
    this.timeDifferenceMs = wholeMs('time difference of sliding windows', timeDifferenceMs)
    this.graceMs = wholeMs('grace of sliding windows', graceMs)
  }

  /** Records that come after a window's end change nothing any more. */
  static ofTimeDifferenceWithNoGrace(timeDifferenceMs: number): SlidingWindows {
    return new SlidingWindows(timeDifferenceMs, 0)
  }

  /** A window takes records until stream time is more than `graceMs` past its end. */
  static ofTimeDifferenceAndGrace(timeDifferenceMs: number, graceMs: number): SlidingWindows {
    return new SlidingWindows(timeDifferenceMs, graceMs)
  }
}

/**
 * Sessions: records of a key that follow each other without a gap that is longer than the inactivity
 * gap. A record between two sessions makes one of them. Both ends belong to a session.
 *
 * @example
 * SessionWindows.ofInactivityGapAndGrace(minutes(30), minutes(5))
 */
export class SessionWindows {
  readonly inactivityGapMs: number
  readonly graceMs: number

  private constructor(inactivityGapMs: number, graceMs: number) {
    this.inactivityGapMs = wholeMs('inactivity gap of sessions', inactivityGapMs)
    this.graceMs = wholeMs('grace of sessions', graceMs)
  }

  /** A session is closed when stream time is more than the gap past its end. */
  static ofInactivityGapWithNoGrace(inactivityGapMs: number): SessionWindows {
    return new SessionWindows(inactivityGapMs, 0)
  }

  /** A session takes records until stream time is more than gap and grace past its end. */
  static ofInactivityGapAndGrace(inactivityGapMs: number, graceMs: number): SessionWindows {
    return new SessionWindows(inactivityGapMs, graceMs)
  }
}

/**
 * How far apart in time records of two streams may be to be joined.
 *
 * @example
 * JoinWindows.ofTimeDifferenceAndGrace(minutes(5), seconds(30)).after(minutes(10))
 */
export class JoinWindows {
  /** How much earlier the other record may be. */
  readonly beforeMs: number
  /** How much later the other record may be. */
  readonly afterMs: number
  readonly graceMs: number

  private constructor(beforeMs: number, afterMs: number, graceMs: number) {
    if (!(beforeMs + afterMs >= 0))
      throw topologyError(
        `a join window ends before it begins: ${beforeMs} ms before, ${afterMs} ms after`,
      )
    this.beforeMs = beforeMs
    this.afterMs = afterMs
    this.graceMs = wholeMs('grace of a join', graceMs)
  }

  /** A left or outer join gives what found no partner as soon as the window is over. */
  static ofTimeDifferenceWithNoGrace(timeDifferenceMs: number): JoinWindows {
    return JoinWindows.ofTimeDifferenceAndGrace(timeDifferenceMs, 0)
  }

  /** Records may come late by the grace; until then no result without a partner is given. */
  static ofTimeDifferenceAndGrace(timeDifferenceMs: number, graceMs: number): JoinWindows {
    const differenceMs = wholeMs('time difference of a join', timeDifferenceMs)
    return new JoinWindows(differenceMs, differenceMs, graceMs)
  }

  /** Changes how much earlier the other record may be; a negative number asks for a later one. */
  before(differenceMs: number): JoinWindows {
    return new JoinWindows(differenceMs, this.afterMs, this.graceMs)
  }

  /** Changes how much later the other record may be; a negative number asks for an earlier one. */
  after(differenceMs: number): JoinWindows {
    return new JoinWindows(this.beforeMs, differenceMs, this.graceMs)
  }

  get sizeMs(): number {
    return this.beforeMs + this.afterMs
  }
}

/** When a windowed aggregation gives results: with each record, or once, when its window closes. */
export type EmitStrategy = 'on-window-update' | 'on-window-close'

/** The two emit strategies of {@link TimeWindowedKStream.emitStrategy}. */
export const EmitStrategy = {
  /** Each record gives the new result of its windows. The default. */
  onWindowUpdate(): EmitStrategy {
    return 'on-window-update'
  },
  /** A window gives one result, when stream time has passed its end and grace. */
  onWindowClose(): EmitStrategy {
    return 'on-window-close'
  },
} as const

function wholeMs(what: string, ms: number): number {
  if (Number.isSafeInteger(ms) && ms >= 0) return ms
  throw topologyError(`the ${what} is a whole number of milliseconds from 0, found ${ms}`)
}

/** `count` seconds in milliseconds. */
export const seconds = (count: number): number => count * 1_000
/** `count` minutes in milliseconds. */
export const minutes = (count: number): number => count * 60_000
/** `count` hours in milliseconds. */
export const hours = (count: number): number => count * 3_600_000
