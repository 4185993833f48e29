/** What a store has in a {@link RecordCache}. */
export interface CachedStore {
  /** Lets the entry that was used longest ago leave; false where none can. */
  evictOldest(): boolean
}

/**
 * The memory that the stores of a thread share for entries: those that are held back until a commit,
 * and those that need not be read from disk again. As in Java, a store that puts more in than there
 * is room for lets its own oldest entries go.
 */
export class RecordCache {
  #maxBytes: number
  #byteCount = 0

  /** @param maxBytes `statestore.cache.max.bytes`, a thread's share of it; 0 holds nothing back */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get isEnabled(): boolean {
    return this.#maxBytes > 0
  }

  /** Gives the thread another share: others came or went. Stores make room with what they put in next. */
  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes
  }

  /** Says that a store's entries have come to take so much more, or less. */
  count(byteCount: number): void {
    this.#byteCount += byteCount
  }

  makeRoom(store: CachedStore): void {
    while (this.#byteCount > this.#maxBytes && store.evictOldest());
  }
}
