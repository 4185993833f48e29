import type { HeaderBlock } from '@khlong/kafka-client'

/** One header of a record: its key and value. */
export type RecordHeader = readonly [key: string, value: Buffer | null]

export type RecordHeaders = readonly RecordHeader[]

export const noHeaders: RecordHeaders = []

/** Headers as they came or were set; those that nobody looks at stay bytes. */
export type CarriedHeaders = RecordHeaders | HeaderBlock

export const headersOf = (carried: CarriedHeaders): RecordHeaders =>
  Array.isArray(carried) ? carried : (carried as HeaderBlock).entries

/** Headers that may be kept: those of a record that came in borrow all that was fetched with it. */
export function keptHeaders(carried: CarriedHeaders): CarriedHeaders {
  if (Array.isArray(carried)) return carried
  const block = carried as HeaderBlock
  return block.count === 0 ? block : block.copy()
}

/** Where the record comes from that a task works on. One object per task, changed per record. */
export interface RecordContext {
  topic: string
  partition: number
  offset: number
  timestampMs: number
  headers: RecordHeaders
  /** A copy of the bytes that came in, for dead letters; null while something else than a record is worked on. */
  rawKey: Buffer | null
  rawValue: Buffer | null
}

/** The context of a task's records. */
export class TaskRecord implements RecordContext {
  topic = ''
  partition = 0
  offset = -1
  timestampMs = -1
  carriedHeaders: CarriedHeaders = noHeaders
  #rawKey: Buffer | null = null
  #rawValue: Buffer | null = null
  /** Whether a result that is held back keeps the bytes that it came from, for dead letters. */
  isRawKept = false

  // What came in lies in memory that the next records are fetched into.
  get rawKey(): Buffer | null {
    return this.#rawKey && Buffer.from(this.#rawKey)
  }
  set rawKey(bytes: Buffer | null) {
    this.#rawKey = bytes
  }
  get rawValue(): Buffer | null {
    return this.#rawValue && Buffer.from(this.#rawValue)
  }
  set rawValue(bytes: Buffer | null) {
    this.#rawValue = bytes
  }

  /** Says which record is worked on; its bytes are set apart. */
  set(
    topic: string,
    partition: number,
    offset: number,
    timestampMs: number,
    headers: CarriedHeaders,
  ): void {
    this.topic = topic
    this.partition = partition
    this.offset = offset
    this.timestampMs = timestampMs
    this.carriedHeaders = headers
  }

  get headers(): RecordHeaders {
    return headersOf(this.carriedHeaders)
  }
  set headers(headers: RecordHeaders) {
    this.carriedHeaders = headers
  }
}

/** A record as it comes from, or goes to, a topic. Bytes are borrowed while they are read. */
export interface RawRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** Milliseconds since the epoch, or -1. */
  readonly timestamp: number
  readonly headers: CarriedHeaders
  readonly offset: number
}

/** The latest value of a key in a table, beside the one before it. */
export class Change<V> {
  readonly newValue: V | null
  readonly oldValue: V | null

  constructor(newValue: V | null, oldValue: V | null) {
    this.newValue = newValue
    this.oldValue = oldValue
  }
}
