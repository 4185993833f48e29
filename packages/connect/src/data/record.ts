import type { ConnectError } from '../errors.ts'
import type { ConnectObject, ConnectValue, Schema } from './schema.ts'

export interface Header {
  readonly key: string
  readonly schema: Schema | undefined
  readonly value: ConnectValue
}

/** What transforms work on: one record on its way from a source or to a sink. */
export interface ConnectRecord {
  readonly topic: string
  readonly partition: number | null
  readonly keySchema: Schema | undefined
  readonly key: ConnectValue
  readonly valueSchema: Schema | undefined
  readonly value: ConnectValue
  readonly timestampMs: number | null
  readonly headers: readonly Header[]
}

/** A record as it stands in Kafka. Bytes are borrowed from the fetched batch. */
export interface KafkaRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since the epoch, or -1. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly KafkaHeader[]
}

export type KafkaHeader = readonly [key: string, value: Uint8Array | null]

/** A record for a sink, with where it came from. */
export interface SinkRecord extends ConnectRecord {
  readonly origin: KafkaRecord
}

/** A record from a source. */
export interface SourceRecord extends ConnectRecord {
  /** What it came from, for the offsets topic; undefined where the source keeps its own place. */
  readonly sourcePartition?: ConnectObject
  readonly sourceOffset?: ConnectObject
  /** The bytes as the source had them: what goes to the dead letter topic. */
  readonly raw?: Uint8Array
  /** Set where the source could not make a good record of `raw`: it goes the way of errors. */
  readonly error?: ConnectError
}
