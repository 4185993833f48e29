import { type EntryCursor, type OrderedEntries, orderOf } from './ordered-entries.ts'
import type { BackingRange, StoreBacking, StoredEntry } from './state-store.ts'

/** What is read from disk at once: little at first, for many who begin leave soon. */
const pageEntriesMin = 16
const pageEntriesMax = 256
const pageBytesMax = 262_144

export interface WalkOptions<E> {
  /** What the store has in memory: all of it, or where there is a disk what that does not give yet, and more. */
  readonly order: OrderedEntries<E>
  readonly backing: StoreBacking | undefined
  readonly range: BackingRange
  readonly isReverse: boolean
}

/** An entry that is in memory, or one that is only on disk. */
export type WalkStep<E> =
  | { readonly order: string; readonly entry: E; readonly stored?: undefined }
  | { readonly order: string; readonly entry?: undefined; readonly stored: StoredEntry }

/**
 * Goes through what a store has in memory and on disk, in the order of the keys' bytes, and gathers
 * neither: of the disk one page is read at a time, and no transaction stays open behind it.
 *
 * Whoever goes through a store may change it meanwhile. A key that is there all the time comes once, with
 * the value that it has then; one that is deleted ahead does not come; nor does one that is new, as long
 * as no commit has brought it to the disk. So a loop that puts what it reads under other keys has an end.
 */
export class StoreWalk<E extends { readonly value: unknown }> {
  readonly #memory: EntryCursor<E>
  readonly #disk: DiskPages | undefined
  readonly #end: (key: string) => boolean
  readonly #isReverse: boolean
  readonly #startedAt: number
  /** Where it goes on. */
  #from: string | undefined
  #isPast: boolean

  constructor({ order, backing, range, isReverse }: WalkOptions<E>) {
    this.#isReverse = isReverse
    this.#startedAt = order.changeCount
    const [start, past] = isReverse ? [range.to, range.before] : [range.from, range.after]
    this.#from = (past ?? start) && orderOf((past ?? start)!)
    this.#isPast = past !== undefined
    this.#end = endOf(range, isReverse)
    this.#memory = order.cursor(isReverse)
    this.#memory.seek(this.#from, this.#isPast)
    this.#disk = backing && new DiskPages(backing, range, isReverse)
  }

  /** The next entry that has a value; undefined at the end. */
  next(): WalkStep<E> | undefined {
    for (;;) {
      const stored = this.#disk?.peek(this.#from, this.#isPast)
      let key = this.#memory.key(this.#from, this.#isPast)
      if (key !== undefined && this.#end(key)) key = undefined
      if (stored && (key === undefined || this.#isBefore(stored.order, key))) {
        this.#disk?.advance()
        this.#goTo(stored.order)
        return { order: stored.order, stored: stored.entry }
      }
      if (key === undefined) return undefined
      const isOnDisk = stored?.order === key
      const { entry, birth } = this.#memory
      this.#memory.advance()
      if (isOnDisk) this.#disk?.advance()
      this.#goTo(key)
      const isNew = birth > this.#startedAt && !isOnDisk
      if (entry && entry.value != null && !isNew) return { order: key, entry }
    }
  }

  /** Goes on at a key that lies ahead, or behind it the nearest. */
  seek(key: Buffer): void {
    this.#from = orderOf(key)
    this.#isPast = false
    this.#memory.seek(this.#from, false)
    this.#disk?.seek(this.#from)
  }

  #goTo(key: string): void {
    this.#from = key
    this.#isPast = true
  }

  #isBefore(a: string, b: string): boolean {
    return this.#isReverse ? a > b : a < b
  }
}

/** Reads a store on disk page by page, and the page again when a commit may have changed it. */
class DiskPages {
  readonly #backing: StoreBacking
  readonly #range: BackingRange
  readonly #isReverse: boolean
  #page: readonly { readonly order: string; readonly entry: StoredEntry }[] = []
  #at = 0
  #isLast = false
  #seenCommits = -1
  #pageEntries = pageEntriesMin

  constructor(backing: StoreBacking, range: BackingRange, isReverse: boolean) {
    this.#backing = backing
    this.#range = range
    this.#isReverse = isReverse
  }

  peek(
    from: string | undefined,
    isPast: boolean,
  ): { readonly order: string; readonly entry: StoredEntry } | undefined {
    const isStale = this.#seenCommits !== this.#backing.commitCount
    if (isStale || (this.#at >= this.#page.length && !this.#isLast)) this.#read(from, isPast)
    return this.#page[this.#at]
  }

  advance(): void {
    this.#at++
  }

  seek(from: string): void {
    while (this.#at < this.#page.length) {
      const { order } = this.#page[this.#at]!
      if (this.#isReverse ? order <= from : order >= from) return
      this.#at++
    }
    this.#pageEntries = pageEntriesMin
  }

  #read(from: string | undefined, isPast: boolean): void {
    this.#seenCommits = this.#backing.commitCount
    const at = from === undefined ? undefined : Buffer.from(from, 'latin1')
    const { from: first, after, to, before } = this.#range
    const rest = this.#isReverse
      ? { from: first, after, ...(isPast ? { before: at } : { to: at }) }
      : { to, before, ...(isPast ? { after: at } : { from: at }) }
    const limits = { entries: this.#pageEntries, bytes: pageBytesMax, isReverse: this.#isReverse }
    this.#page = this.#backing
      .entries(rest, limits)
      .map((entry) => ({ order: orderOf(entry.key), entry }))
    this.#at = 0
    this.#isLast = this.#page.length === 0
    this.#pageEntries = Math.min(this.#pageEntries * 4, pageEntriesMax)
  }
}

/** All that a store has on disk. */
export function* storedEntries(backing: StoreBacking): Generator<StoredEntry> {
  const limits = { entries: pageEntriesMax, bytes: pageBytesMax }
  let page = backing.entries({}, limits)
  for (; page.length > 0; page = backing.entries({ after: page.at(-1)!.key }, limits)) yield* page
}

/** Says whether a key lies behind the end of a range. */
function endOf(range: BackingRange, isReverse: boolean): (key: string) => boolean {
  const [last, end] = isReverse ? [range.from, range.after] : [range.to, range.before]
  const [lastOrder, endOrder] = [last && orderOf(last), end && orderOf(end)]
  return (key) =>
    (lastOrder !== undefined && (isReverse ? key < lastOrder : key > lastOrder)) ||
    (endOrder !== undefined && (isReverse ? key <= endOrder : key >= endOrder))
}
