/** A queue that gives back in constant time what it was given first. */
export class Fifo<Value> {
  #values: (Value | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#values.length - this.#head
  }
  push(value: Value): void {
    this.#values.push(value)
  }
  peek(): Value | undefined {
    return this.#values[this.#head]
  }
  shift(): Value | undefined {
    const value = this.#values[this.#head]
    if (value === undefined) return undefined
    this.#values[this.#head++] = undefined
    if (this.#head === this.#values.length) this.clear()
    else if (this.#head > 1_024 && this.#head * 2 > this.#values.length) {
      this.#values = this.#values.slice(this.#head)
      this.#head = 0
    }
    return value
  }
  clear(): void {
    this.#values = []
    this.#head = 0
  }
  *[Symbol.iterator](): Generator<Value> {
    for (let index = this.#head; index < this.#values.length; index++)
      yield this.#values[index] as Value
  }
}
