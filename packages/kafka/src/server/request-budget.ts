import type { Clock, TimerHandle } from '@khlong/core'

// Invariants: heldBytes is the sum over all rooms, and what is held can be given back without anybody else: it belongs
// to requests that are under way, or to frames that were let in and are read to their end. Frames are let in, in the
// order of coming, while something is left of the budget; so the last one may go beyond it, as in Kafka. Who waits
// holds nothing.

/** What one read of a socket may bring at once: frames up to this size are not waited for. */
const unreservedBytesMax = 65_536
/** A frame that was let in is under way while so much of it comes between two looks at it. */
const progressBytesMin = 65_536
const notLookedAt = Number.NEGATIVE_INFINITY

export interface RequestBudgetOptions {
  readonly clock: Clock
  /** Infinity for no limit. */
  readonly bytesMax: number
  /** While others wait, a client that sends next to nothing of a frame that was let in for so long is cut. */
  readonly stalledMs: number
}

/**
 * What the requests of all connections together may hold in memory while they are not answered, from where the length
 * of a large one is known.
 */
export class RequestBudget {
  readonly #options: RequestBudgetOptions
  #heldBytes = 0
  readonly #waiting: RequestRoom[] = []
  /** With a frame that was let in and is not there as a whole, and how much of it was there at the last look. */
  readonly #reading = new Map<RequestRoom, number>()
  #timer: TimerHandle | undefined

  constructor(options: RequestBudgetOptions) {
    this.#options = options
  }

  get heldBytes(): number {
    return this.#heldBytes
  }
  get waitingCount(): number {
    return this.#waiting.length
  }
  get isSpent(): boolean {
    return this.#heldBytes >= this.#options.bytesMax || this.#waiting.length > 0
  }

  change(byteCount: number): void {
    this.#heldBytes += byteCount
    if (byteCount < 0) this.#admit()
  }

  /** Whether the room's frame is let in now; else it is in its turn. */
  ask(room: RequestRoom): boolean {
    if (!this.isSpent) {
      this.#reading.set(room, notLookedAt)
      return true
    }
    this.#waiting.push(room)
    this.#watch()
    return false
  }

  /** The room's frame is there as a whole, or nobody wants it any more. */
  forget(room: RequestRoom): void {
    if (this.#reading.delete(room)) return
    const index = this.#waiting.indexOf(room)
    if (index >= 0) this.#waiting.splice(index, 1)
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#heldBytes < this.#options.bytesMax) {
      const room = this.#waiting.shift()!
      this.#reading.set(room, notLookedAt)
      room.admit()
    }
  }

  /** While somebody waits, frames that were let in are looked at once in a while. */
  #watch(): void {
    if (this.#timer || this.#waiting.length === 0) return
    this.#timer = this.#options.clock.setTimer(() => {
      this.#timer = undefined
      for (const [room, bytes] of [...this.#reading]) {
        if (this.#waiting.length === 0) return
        if (room.receivedBytes - bytes < progressBytesMin) room.onStalled()
        else this.#reading.set(room, room.receivedBytes)
      }
      this.#watch()
    }, this.#options.stalledMs)
  }
}

/** Where a connection is with the frame that it reads. */
type Frame = 'none' | 'waiting' | 'admitted'

export interface RequestRoomOptions {
  /** The frame that {@link RequestRoom.expect} told of may be read on. */
  readonly onAdmitted: () => void
  /** Ends the connection of a client that does not send the frame that it began. */
  readonly onStalled: () => void
}

/** What the requests of one connection hold of the budget. */
export class RequestRoom {
  #budget: RequestBudget
  readonly #options: RequestRoomOptions
  /** Of requests that are under way. */
  #enteredBytes = 0
  #frame: Frame = 'none'
  #frameBytes = 0
  #receivedBytes = 0

  constructor(budget: RequestBudget, options: RequestRoomOptions) {
    this.#budget = budget
    this.#options = options
  }

  /** Of requests that are under way. */
  get enteredBytes(): number {
    return this.#enteredBytes
  }
  /** Of the frame that is being read. */
  get receivedBytes(): number {
    return this.#receivedBytes
  }
  /**
   * Whether nothing is to be read or served: a frame waits for its turn, or memory is short, where everybody has one
   * request under way, and the next when that is answered.
   */
  get mustWait(): boolean {
    if (this.#frame !== 'none') return this.#frame === 'waiting'
    return this.#enteredBytes > 0 && this.#budget.isSpent
  }

  /** A frame of `byteCount` began, of which `receivedBytes` are there. */
  expect(byteCount: number, receivedBytes: number): void {
    if (byteCount <= unreservedBytesMax) return
    this.#receivedBytes = receivedBytes
    if (this.#frame !== 'none') return
    this.#frameBytes = byteCount
    if (this.#budget.ask(this)) this.#hold()
    else this.#frame = 'waiting'
  }

  /** For the budget: the turn of the frame that waits has come. */
  admit(): void {
    this.#hold()
    this.#options.onAdmitted()
  }

  #hold(): void {
    this.#frame = 'admitted'
    this.#budget.change(this.#frameBytes)
  }

  onStalled(): void {
    this.#options.onStalled()
  }

  /** A frame is there as a whole, and is a request under way from now on. */
  enter(byteCount: number): void {
    this.#enteredBytes += byteCount
    if (this.#frame === 'none') {
      this.#budget.change(byteCount)
      return
    }
    this.#forgetFrame()
  }

  /** A request was answered, or what it was in is not needed any more. */
  leave(byteCount: number): void {
    this.#enteredBytes -= byteCount
    this.#budget.change(-byteCount)
  }

  /** Counts with others from now on: the client logged in. It must not be in the middle of a frame. */
  moveTo(budget: RequestBudget): void {
    if (budget === this.#budget) return
    budget.change(this.#enteredBytes)
    this.#budget.change(-this.#enteredBytes)
    this.#budget = budget
  }

  /** Nothing more is read. Requests under way are to {@link leave} all the same. */
  close(): void {
    const bytes = this.#frame === 'admitted' ? this.#frameBytes : 0
    if (this.#frame !== 'none') this.#forgetFrame()
    if (bytes > 0) this.#budget.change(-bytes)
  }

  #forgetFrame(): void {
    this.#budget.forget(this)
    this.#frame = 'none'
    this.#frameBytes = 0
    this.#receivedBytes = 0
  }
}
