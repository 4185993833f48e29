/** What can be in an {@link EntryList}, and in one of them at a time. */
export interface Linked<T extends Linked<T>> {
  list: EntryList<T> | undefined
  previous: T | undefined
  next: T | undefined
}

/** A list whose members know their neighbours: to leave it, or to go to its end, costs the same anywhere. */
export class EntryList<T extends Linked<T>> {
  first: T | undefined
  last: T | undefined
  size = 0

  /** Puts one at the end, wherever it was before. */
  push(one: T): void {
    if (this.last === one) return
    one.list?.remove(one)
    one.list = this
    one.previous = this.last
    if (this.last) this.last.next = one
    else this.first = one
    this.last = one
    this.size++
  }

  remove(one: T): void {
    const { previous, next } = one
    if (previous) previous.next = next
    else this.first = next
    if (next) next.previous = previous
    else this.last = previous
    one.list = undefined
    one.previous = undefined
    one.next = undefined
    this.size--
  }

  clear(): void {
    for (let one = this.first; one; one = this.first) this.remove(one)
  }
}
