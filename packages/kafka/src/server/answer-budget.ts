import type { Clock, TimerHandle } from '@khlong/core'
import type { LentBytes } from '@khlong/core/bytes'
import { HeldMemory, type MemoryHolder } from '../log/held-memory.ts'

// Invariants: heldBytes is the sum over all rooms, and at most bytesMax, but for answers that ask for no room
// beforehand (all but those of Fetch; they are small) and for a single batch that is larger than all of it, which is
// held alone. Who waits holds nothing, and is served in the order of coming.

/** However little is left, a fetch asks for as much, so that answers do not become dust. */
const answerBytesMin = 65_536

export interface AnswerBudgetOptions {
  readonly clock: Clock
  readonly bytesMax: number
  /** While others wait for room, an answer that is not taken for so long ends its connection. */
  readonly stalledMs: number
}

/**
 * What the answers of all connections together may hold in memory while their clients have not taken them, reads for
 * them included. A fetch asks for room before it reads, and waits where there is none.
 */
export class AnswerBudget {
  readonly #options: AnswerBudgetOptions
  #heldBytes = 0
  readonly #waiting: Waiting[] = []
  /** Answers on their way to their clients, the oldest first, with the times when they were sent. */
  readonly #sent = new Map<AnswerRoom, number>()
  #timer: TimerHandle | undefined

  constructor(options: AnswerBudgetOptions) {
    this.#options = options
  }

  get heldBytes(): number {
    return this.#heldBytes
  }
  get waitingCount(): number {
    return this.#waiting.length
  }
  /** Nothing is left: who has an answer that he did not take is not served. */
  get isSpent(): boolean {
    return this.#heldBytes >= this.#options.bytesMax || this.#waiting.length > 0
  }
  get bytesLeft(): number {
    return Math.max(0, this.#options.bytesMax - this.#heldBytes)
  }

  /** Whether an answer that holds `ownBytes` may hold `byteCount` instead. */
  fits(byteCount: number, ownBytes: number): boolean {
    const otherBytes = this.#heldBytes - ownBytes
    return otherBytes === 0 || otherBytes + byteCount <= this.#options.bytesMax
  }

  /** An answer holds so much more, or less. */
  change(byteCount: number): void {
    this.#heldBytes += byteCount
    if (byteCount < 0) this.#grant()
  }

  /** Resolves when the room has `byteCount`, its time is over, or nobody wants the answer any more. */
  wait(room: AnswerRoom, byteCount: number, waitMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    return new Promise((resolve) => {
      const end = (): void => {
        clock.clearTimer(timer)
        signal.removeEventListener('abort', end)
        const index = this.#waiting.indexOf(waiting)
        if (index >= 0) this.#waiting.splice(index, 1)
        // It may have been the one that nothing fitted before.
        if (index === 0) this.#grant()
        resolve()
      }
      const waiting: Waiting = { room, byteCount, end }
      const timer = clock.setTimer(end, waitMs)
      signal.addEventListener('abort', end)
      this.#waiting.push(waiting)
      this.#grant()
      this.#watch()
    })
  }

  noteSent(room: AnswerRoom): void {
    this.#sent.set(room, this.#options.clock.monotonicMs())
    this.#watch()
  }
  forget(room: AnswerRoom): void {
    this.#sent.delete(room)
  }

  #grant(): void {
    for (;;) {
      const first = this.#waiting[0]
      if (!first || !this.fits(first.byteCount, first.room.heldBytes)) return
      this.#waiting.shift()
      first.room.settle(first.byteCount)
      first.end()
    }
  }

  /** While somebody waits, the answer that is under way for longest is looked at when its time is over. */
  #watch(): void {
    if (this.#timer || this.#waiting.length === 0) return
    const { clock, stalledMs } = this.#options
    for (const [room, sentMs] of this.#sent) {
      const waitMs = sentMs + stalledMs - clock.monotonicMs()
      if (waitMs > 0) {
        this.#timer = clock.setTimer(() => {
          this.#timer = undefined
          this.#watch()
        }, waitMs)
        return
      }
      this.#sent.delete(room)
      room.onStalled()
      if (this.#waiting.length === 0) return
    }
  }
}

interface Waiting {
  readonly room: AnswerRoom
  readonly byteCount: number
  /** Takes it from those who wait, and lets it go on. */
  readonly end: () => void
}

/** What one answer holds of the budget and of lent memory, from the first read for it until its client has taken it. */
export class AnswerRoom implements MemoryHolder {
  readonly #budget: AnswerBudget
  /** Ends the connection of a client that does not take its answer. */
  readonly onStalled: () => void
  readonly #memory = new HeldMemory()
  #heldBytes = 0
  #isClosed = false

  constructor(budget: AnswerBudget, onStalled: () => void) {
    this.#budget = budget
    this.onStalled = onStalled
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Of the answer's batches, in lent memory. */
  get lentBytes(): number {
    return this.#memory.byteCount
  }

  keep(memory: LentBytes, byteCount: number): void {
    this.#memory.keep(memory, byteCount)
  }

  /** Gives everything back, for an answer that begins anew. */
  empty(): void {
    this.#memory.release()
    this.settle(0)
  }

  /**
   * What may be read now beside what was lent: a quarter of what is left, so that a few slow consumers leave room for
   * the quick ones.
   */
  get readBytesMax(): number {
    const left = this.#budget.bytesLeft + this.#heldBytes - this.lentBytes
    return Math.max(answerBytesMin, Math.floor(left / 4))
  }

  /** Makes sure that the answer may have `byteCount` in all; false where there is no room now. */
  ensure(byteCount: number): boolean {
    if (byteCount <= this.#heldBytes) return true
    if (this.#isClosed) return false
    // Who comes now is not served before those who wait.
    if (this.#heldBytes === 0 && this.#budget.waitingCount > 0) return false
    if (!this.#budget.fits(byteCount, this.#heldBytes)) return false
    this.settle(byteCount)
    return true
  }

  /** Waits for what {@link ensure} refused; it may come back without. */
  async wait(byteCount: number, waitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#isClosed || signal.aborted) return
    await this.#budget.wait(this, byteCount, waitMs, signal)
  }

  /** The answer has this size, whatever there is room for. */
  settle(byteCount: number): void {
    if (this.#isClosed) return
    const change = byteCount - this.#heldBytes
    this.#heldBytes = byteCount
    this.#budget.change(change)
  }

  /** The answer was handed to the socket; its client is to take it. */
  noteSent(): void {
    if (this.#heldBytes > 0) this.#budget.noteSent(this)
  }

  /** Gives everything back: the answer was taken, or nobody wants it any more. Nothing may be read for it then. */
  close(): void {
    if (this.#isClosed) return
    this.#budget.forget(this)
    this.empty()
    this.#isClosed = true
  }
}
