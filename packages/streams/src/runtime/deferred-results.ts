import type { CarriedHeaders, TaskRecord } from '../record.ts'

/** A result that is waited for, with the record that it belongs to. */
interface Deferred {
  readonly done: Promise<void>
  isDone: boolean
  readonly resume: () => void
  readonly record: RecordSnapshot
}

type RecordSnapshot = Pick<
  TaskRecord,
  'topic' | 'partition' | 'offset' | 'timestampMs' | 'rawKey' | 'rawValue'
> & { readonly carriedHeaders: CarriedHeaders }

/** Results of one task that are waited for. They leave in the order in which their records came. */
export class DeferredResults {
  readonly #record: TaskRecord
  readonly #waiting: Deferred[] = []

  constructor(record: TaskRecord) {
    this.#record = record
  }

  get count(): number {
    return this.#waiting.length
  }

  /**
   * Waits for `done`, which does not reject, then calls `resume` with the record under work as it is
   * now.
   */
  add(done: Promise<void>, resume: () => void): void {
    const { topic, partition, offset, timestampMs, carriedHeaders, rawKey, rawValue } = this.#record
    const record = {
      topic,
      partition,
      offset,
      timestampMs,
      carriedHeaders,
      rawKey,
      rawValue,
    }
    const deferred: Deferred = { done, isDone: false, resume, record }
    this.#waiting.push(deferred)
    void done.then(() => {
      deferred.isDone = true
    })
  }

  /** Goes on with those that are done and have none before them that is not. */
  resume(): void {
    while (this.#waiting[0]?.isDone) {
      const { record, resume } = this.#waiting.shift()!
      Object.assign(this.#record, record)
      resume()
    }
  }

  /** Waits until at most `most` are left. */
  async settle(most = 0): Promise<void> {
    while (this.#waiting.length > most) {
      await this.#waiting[0]!.done
      this.resume()
    }
  }
}
