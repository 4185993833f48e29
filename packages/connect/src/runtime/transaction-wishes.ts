import type { SourceRecord } from '../data/record.ts'
import type { SourceTransactions } from '../plugin.ts'

/** What a source wished of its transactions and was not done yet. */
export class TransactionWishes implements SourceTransactions {
  readonly #byRecord = new WeakMap<SourceRecord, 'commit' | 'abort'>()
  #batch: 'commit' | 'abort' | undefined

  commit(record?: SourceRecord): void {
    this.#wish('commit', record)
  }
  abort(record?: SourceRecord): void {
    this.#wish('abort', record)
  }

  /** What is to be done after a record. */
  of(record: SourceRecord): 'commit' | 'abort' | undefined {
    return this.#byRecord.get(record)
  }

  /** What is to be done after the batch; asking does away with the wish. */
  ofBatch(): 'commit' | 'abort' | undefined {
    const wish = this.#batch
    this.#batch = undefined
    return wish
  }

  #wish(wish: 'commit' | 'abort', record: SourceRecord | undefined): void {
    if (record) this.#byRecord.set(record, wish)
    else this.#batch = wish
  }
}
