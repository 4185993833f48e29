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
  readonly #stores = new Set<CachedStore>()
  #maxBytes: number
  #byteCount = 0

  /** @param maxBytes `statestore.cache.max.bytes`, a thread's share of it; 0 holds nothing back */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get isEnabled(): boolean {
    return this.#maxBytes > 0
  }
  get byteCount(): number {
    return this.#byteCount
  }

  /** Gives this thread another share. */
  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes
    for (const store of this.#stores) this.makeRoom(store)
  }

  open(store: CachedStore): void {
    this.#stores.add(store)
  }
  close(store: CachedStore, byteCount: number): void {
    this.#stores.delete(store)
    this.#byteCount -= byteCount
  }

  /** Says that a store's entries have come to take so much more, or less. */
  count(byteCount: number): void {
    this.#byteCount += byteCount
  }

  makeRoom(store: CachedStore): void {
    while (this.#byteCount > this.#maxBytes && store.evictOldest());
  }
}
