import type { LogConfig } from './log-config.ts'
import type { Segment } from './segment.ts'

/** The segments of a log that were written since their last flush, and what of the log that leaves unsafe. */
export class Unflushed {
  /** Everything below was in the segments at their last flush. */
  flushedOffset = 0
  readonly #segments = new Set<Segment>()
  /** When the oldest batch above {@link flushedOffset} was written. */
  #sinceMs = 0

  reset(flushedOffset: number, nowMs: number): void {
    this.flushedOffset = flushedOffset
    this.#sinceMs = nowMs
    this.#segments.clear()
  }

  /** A batch is going to be written behind `writtenOffset`. */
  add(segment: Segment, writtenOffset: number, nowMs: number): void {
    if (this.flushedOffset === writtenOffset) this.#sinceMs = nowMs
    this.#segments.add(segment)
  }

  delete(segment: Segment): void {
    this.#segments.delete(segment)
  }

  /** Whether `flush.messages` or `flush.ms` ask for a flush. */
  isDue(writtenOffset: number, { flushMessages, flushMs }: LogConfig, nowMs: number): boolean {
    const unflushed = writtenOffset - this.flushedOffset
    return unflushed > 0 && (unflushed >= flushMessages || nowMs - this.#sinceMs >= flushMs)
  }

  /** Flushes what was written below `upTo`, as far as `isThere` says that it still is. */
  async flush(
    upTo: number,
    isThere: (segment: Segment) => boolean,
    nowMs: () => number,
  ): Promise<void> {
    const segments = [...this.#segments]
    this.#segments.clear()
    try {
      for (const segment of segments) if (isThere(segment)) await segment.flush()
    } catch (error) {
      for (const segment of segments) this.#segments.add(segment)
      throw error
    }
    this.flushedOffset = Math.max(this.flushedOffset, upTo)
    this.#sinceMs = nowMs()
  }
}
