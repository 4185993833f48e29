/** Keys of a chunk; one that is full is cut in two. */
const chunkKeysMax = 512

interface Chunk<E> {
  keys: string[]
  entries: E[]
  /** What {@link OrderedEntries.changeCount} was when each came. */
  births: number[]
}

/** A key's bytes as text, of which the order is that of the bytes. */
export const orderOf = (key: Buffer): string => key.toString('latin1')

/**
 * Entries in the order of their keys, beside the map that a store looks them up in. A store makes it
 * when somebody goes through it for the first time, and tells it from then on of each entry that comes
 * or goes.
 *
 * Invariants: keys ascend within a chunk and from one to the next; no chunk is empty.
 */
export class OrderedEntries<E> {
  #chunks: Chunk<E>[] = []
  /** How often an entry has come or gone: whoever remembers a place looks for it anew when this changed. */
  changeCount = 0

  constructor(entries: Iterable<readonly [key: string, entry: E]>) {
    const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    const step = chunkKeysMax / 2
    for (let at = 0; at < sorted.length; at += step) {
      const part = sorted.slice(at, at + step)
      this.#chunks.push({
        keys: part.map(([key]) => key),
        entries: part.map(([, entry]) => entry),
        births: part.map(() => 0),
      })
    }
  }

  /** Takes an entry that has come. Its key is none of those that are here. */
  add(key: string, entry: E): void {
    const birth = ++this.changeCount
    const index = Math.min(this.#chunkOf(key), this.#chunks.length - 1)
    const chunk = this.#chunks[index]
    if (!chunk) {
      this.#chunks.push({ keys: [key], entries: [entry], births: [birth] })
      return
    }
    const at = lowerBound(chunk.keys, key)
    chunk.keys.splice(at, 0, key)
    chunk.entries.splice(at, 0, entry)
    chunk.births.splice(at, 0, birth)
    if (chunk.keys.length <= chunkKeysMax) return
    // Keys that ascend leave full chunks behind them.
    const isAtEnd = index === this.#chunks.length - 1 && at === chunk.keys.length - 1
    const half = isAtEnd ? chunkKeysMax : chunk.keys.length >>> 1
    this.#chunks.splice(index + 1, 0, {
      keys: chunk.keys.splice(half),
      entries: chunk.entries.splice(half),
      births: chunk.births.splice(half),
    })
  }

  remove(key: string): void {
    const index = this.#chunkOf(key)
    const chunk = this.#chunks[index]
    if (!chunk) return
    const at = lowerBound(chunk.keys, key)
    if (chunk.keys[at] !== key) return
    this.changeCount++
    chunk.keys.splice(at, 1)
    chunk.entries.splice(at, 1)
    chunk.births.splice(at, 1)
    if (chunk.keys.length === 0) this.#chunks.splice(index, 1)
  }

  /** Removes all that come before a key. */
  removeBefore(key: string): void {
    this.changeCount++
    const index = this.#chunkOf(key)
    this.#chunks.splice(0, index)
    const first = this.#chunks[0]
    if (!first) return
    const count = lowerBound(first.keys, key)
    first.keys.splice(0, count)
    first.entries.splice(0, count)
    first.births.splice(0, count)
  }

  clear(): void {
    this.changeCount++
    this.#chunks = []
  }

  /** A place that goes on from a key, towards the last one or the first. */
  cursor(isReverse: boolean): EntryCursor<E> {
    return new EntryCursor(this, isReverse)
  }

  /** The chunk with the first key that does not come before this one; one more than there are where none has it. */
  #chunkOf(key: string): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#chunks[middle]!.keys.at(-1)! < key) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The chunk, and the index in it, of what comes first from a key on, or past it; going back where reversed. */
  find(
    key: string | undefined,
    isPast: boolean,
    isReverse: boolean,
  ): readonly [chunk: number, index: number] {
    if (key === undefined) return isReverse ? this.#end() : [0, 0]
    const chunk = this.#chunkOf(key)
    const keys = this.#chunks[chunk]?.keys
    if (!keys) return isReverse ? this.#end() : [chunk, 0]
    const at = lowerBound(keys, key)
    const isKey = keys[at] === key
    // Normalized by the cursor: an index outside of its chunk lies in the next one, or the one before.
    if (isReverse) return [chunk, isKey && !isPast ? at : at - 1]
    return [chunk, isKey && isPast ? at + 1 : at]
  }

  chunk(index: number): Chunk<E> | undefined {
    return this.#chunks[index]
  }

  #end(): readonly [chunk: number, index: number] {
    const chunk = this.#chunks.length - 1
    return [chunk, (this.#chunks[chunk]?.keys.length ?? 0) - 1]
  }
}

/** Goes through {@link OrderedEntries} while they change. */
export class EntryCursor<E> {
  readonly #order: OrderedEntries<E>
  readonly #isReverse: boolean
  #seen = -1
  #chunkIndex = 0
  #index = 0
  #chunk: Chunk<E> | undefined

  constructor(order: OrderedEntries<E>, isReverse: boolean) {
    this.#order = order
    this.#isReverse = isReverse
  }

  /**
   * The key that it is at; undefined at the end.
   *
   * @param from where it is looked for when entries have come or gone
   * @param isPast whether that key itself is not wanted
   */
  key(from: string | undefined, isPast: boolean): string | undefined {
    if (this.#seen !== this.#order.changeCount) this.seek(from, isPast)
    return this.#chunk?.keys[this.#index]
  }

  get entry(): E | undefined {
    return this.#chunk?.entries[this.#index]
  }
  get birth(): number {
    return this.#chunk?.births[this.#index] ?? 0
  }

  seek(from: string | undefined, isPast: boolean): void {
    this.#seen = this.#order.changeCount
    ;[this.#chunkIndex, this.#index] = this.#order.find(from, isPast, this.#isReverse)
    this.#settle()
  }

  /** Goes to the next one. */
  advance(): void {
    this.#index += this.#isReverse ? -1 : 1
    this.#settle()
  }

  #settle(): void {
    this.#chunk = this.#order.chunk(this.#chunkIndex)
    if (this.#index < 0) {
      this.#chunk = this.#order.chunk(--this.#chunkIndex)
      this.#index = (this.#chunk?.keys.length ?? 0) - 1
    } else if (this.#chunk && this.#index >= this.#chunk.keys.length) {
      this.#chunk = this.#order.chunk(++this.#chunkIndex)
      this.#index = 0
    }
  }
}

/** The index of the first key that does not come before this one. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}
