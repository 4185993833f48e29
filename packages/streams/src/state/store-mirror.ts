import type { StoreBacking } from './state-store.ts'
import { storedEntries } from './store-walk.ts'

/**
 * What a store that is wholly in memory has on disk, so that a start need not read its changelog from
 * the beginning. Restoring goes to the disk; the first use reads all of it into memory.
 */
export class StoreMirror {
  readonly #backing: StoreBacking | undefined
  readonly #insert: (key: Buffer, value: Buffer) => void
  #isLoaded: boolean
  #forgotten: Buffer[] = []

  /** @param insert takes an entry into memory; bytes are borrowed */
  constructor(backing: StoreBacking | undefined, insert: (key: Buffer, value: Buffer) => void) {
    this.#backing = backing
    this.#insert = insert
    this.#isLoaded = backing === undefined
  }

  /** Reads what is on disk, once. */
  load(): void {
    if (this.#isLoaded) return
    this.#isLoaded = true
    if (!this.#backing) return
    for (const { key, value } of storedEntries(this.#backing)) this.#insert(key, value)
  }

  /** Takes a record of the changelog; says whether it did, or the store has to, in memory. */
  restore(key: Buffer, value: Buffer | null, timestampMs: number): boolean {
    if (!this.#backing || this.#isLoaded) return false
    this.put(key, value, timestampMs)
    return true
  }

  put(key: Buffer, value: Buffer | null, timestampMs: number): void {
    if (value === null) this.#backing?.remove(key)
    else this.#backing?.put(key, value, timestampMs)
  }

  /** Notes that an entry has expired; it is removed with the next flush. */
  forget(keyOf: () => Buffer): void {
    if (this.#backing) this.#forgotten.push(keyOf())
  }

  flush(): void {
    for (const key of this.#forgotten) this.#backing?.remove(key)
    this.#forgotten = []
  }
}
