import { TaskRecord } from '../../src/record.ts'
import { RecordCache } from '../../src/state/record-cache.ts'
import type {
  BackingLimits,
  BackingRange,
  ChangelogWriter,
  StoreBacking,
  StoredEntry,
  StoredValue,
  StoreEnvironment,
} from '../../src/state/state-store.ts'

/** What a store of its own, outside a task, is made in. */
export const storeEnvironment = (given: {
  readonly backing?: StoreBacking | undefined
  readonly cacheBytes?: number
  readonly log?: ChangelogWriter['log']
}): StoreEnvironment => ({
  keySerde: (serde) => serde!,
  valueSerde: (serde) => serde!,
  backing: given.backing,
  changelog: { log: given.log ?? (() => {}) },
  cache: new RecordCache(given.cacheBytes ?? 0),
  record: new TaskRecord(),
})

/** A disk in memory. As on a real one, what is put is there with the next commit, or at once. */
export class MemoryBacking implements StoreBacking {
  readonly map: Map<string, StoredValue> = new Map<string, StoredValue>()
  readonly #waits: boolean
  #changes: (() => void)[] = []
  commitCount = 0

  constructor({ waits = false }: { readonly waits?: boolean } = {}) {
    this.#waits = waits
  }

  commit(): void {
    this.commitCount++
    for (const change of this.#changes) change()
    this.#changes = []
  }
  get(key: Buffer): StoredValue | undefined {
    return this.map.get(key.toString('latin1'))
  }
  put(key: Buffer, value: Buffer, timestampMs: number): void {
    this.#change(() => this.map.set(key.toString('latin1'), { value, timestampMs }))
  }
  remove(key: Buffer): void {
    this.#change(() => this.map.delete(key.toString('latin1')))
  }
  removeRange(): void {
    throw new Error('not used here')
  }
  entries(range: BackingRange = {}, limits: BackingLimits = {}): StoredEntry[] {
    const { from, after, to, before } = range
    const found = [...this.map]
      .map(([key, stored]) => ({ key: Buffer.from(key, 'latin1'), ...stored }))
      .filter(({ key }) => (!from || key.compare(from) >= 0) && (!after || key.compare(after) > 0))
      .filter(({ key }) => (!to || key.compare(to) <= 0) && (!before || key.compare(before) < 0))
      .sort((a, b) => a.key.compare(b.key))
    if (limits.isReverse) found.reverse()
    return found.slice(0, limits.entries)
  }

  #change(change: () => void): void {
    this.#changes.push(change)
    if (!this.#waits) this.commit()
  }
}
