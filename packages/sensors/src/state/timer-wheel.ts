/** Something that is due again and again. */
export interface Due {
  /** When it is due next, in milliseconds. */
  dueMs: number
}

const slotMs = 10
const slotCount = 1_024

/** Keeps many things by the time when they are due, so that one timer serves all of them. */
export class TimerWheel<Item extends Due> {
  readonly #slots: Item[][] = Array.from({ length: slotCount }, () => [])
  #tick: number
  count = 0

  constructor(nowMs: number) {
    this.#tick = Math.floor(nowMs / slotMs)
  }

  /** Adds an item at its `dueMs`; what is due in the past comes with the next `advance`. */
  add(item: Item): void {
    const tick = Math.max(this.#tick, Math.floor(item.dueMs / slotMs))
    this.#slots[tick % slotCount]!.push(item)
    this.count++
  }

  /** Takes out what is due by `nowMs` and gives each to `visit`, which may add it again. */
  advance(nowMs: number, visit: (item: Item) => void): void {
    const last = Math.floor(nowMs / slotMs)
    // After a long sleep each slot is looked at once.
    const first = Math.max(this.#tick, last - slotCount + 1)
    this.#tick = last
    for (let tick = first; tick <= last; tick++) {
      const index = tick % slotCount
      const items = this.#slots[index]!
      if (items.length === 0) continue
      this.#slots[index] = []
      for (const item of items) {
        this.count--
        if (item.dueMs <= nowMs) visit(item)
        else this.add(item)
      }
    }
  }
}
