/** One header of a record: its key and value. */
export type RecordHeader = readonly [key: string, value: Buffer | null]

export type RecordHeaders = readonly RecordHeader[]

export const noHeaders: RecordHeaders = []

/** Where the record comes from that a task works on. One object per task, changed per record. */
export interface RecordContext {
  topic: string
  partition: number
  offset: number
  timestampMs: number
  headers: RecordHeaders
  /** The bytes that came in, for dead letters; null while something else than a record is worked on. */
  rawKey: Buffer | null
  rawValue: Buffer | null
}

/** A record as it comes from, or goes to, a topic. Bytes are borrowed while they are read. */
export interface RawRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** Milliseconds since the epoch, or -1. */
  readonly timestamp: number
  readonly headers: RecordHeaders
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
