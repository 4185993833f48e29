/** Frames that wait for the broker, oldest first; beyond the limit the oldest go. */
export class Backlog<Item> {
  readonly #limit: number
  readonly #onDrop: (item: Item) => void
  #items: (Item | undefined)[] = []
  #head = 0

  constructor(limit: number, onDrop: (item: Item) => void) {
    this.#limit = limit
    this.#onDrop = onDrop
  }

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: Item): void {
    this.#items.push(item)
    if (this.length > this.#limit) this.#onDrop(this.shift()!)
  }

  shift(): Item | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    } else if (this.#head > 1_024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }
}
