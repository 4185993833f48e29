import type { Windowed } from '../windows.ts'
import type { KeyIdentity } from './state-store.ts'

/** One key of a store, as the topology sees it. */
export interface Entry<K, V> {
  readonly id: KeyIdentity
  readonly key: K
  readonly windowStartMs: number
  /** Null where the key was deleted and the deletion is not flushed yet. */
  value: V | null
  timestampMs: number
  dirty: boolean
  /** Bytes of value and key when last written; 0 before. */
  bytes: number
  /** The key with its window, made once; window stores only. */
  windowed: Windowed<K> | undefined
}

/**
 * Entries that changed since the last flush, in the order of their first change, and the size of
 * those that did not. A store with a backing drops unchanged ones beyond its limit, oldest first.
 */
export class EntryCache<K, V> {
  dirty: Entry<K, V>[] = []
  #cleanBytes = 0

  get cleanBytes(): number {
    return this.#cleanBytes
  }

  change(entry: Entry<K, V>, value: V | null, timestampMs: number): void {
    entry.value = value
    entry.timestampMs = timestampMs
    if (entry.dirty) return
    this.#cleanBytes -= entry.bytes
    entry.dirty = true
    this.dirty.push(entry)
  }

  /** Says that an entry is as it was written, in `bytes` bytes. */
  clean(entry: Entry<K, V>, bytes: number): void {
    entry.dirty = false
    entry.bytes = bytes
    this.#cleanBytes += bytes
  }

  /** Says that an entry left the memory. */
  forget(entry: Entry<K, V>): void {
    if (!entry.dirty) this.#cleanBytes -= entry.bytes
  }

  takeDirty(): Entry<K, V>[] {
    const taken = this.dirty
    this.dirty = []
    return taken
  }
}
