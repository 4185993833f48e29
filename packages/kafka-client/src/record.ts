import {
  HeaderBlock,
  type HeadersInput,
  noHeaders,
  type RecordBytes,
  type RecordCursor,
  type RecordHeader,
} from '@khlong/kafka-protocol/records'

/** Bytes of a key, a value or a header's value; text is sent as UTF-8. */
export type { HeaderBlock, HeadersInput, RecordBytes, RecordHeader }

/** A record to send. */
/** Chooses a partition when it is known how many there are; undefined leaves it to the producer. */
export type Partitioner = (partitionCount: number) => number | undefined

export interface ProducerRecord {
  readonly topic: string
  /** Chosen from the key, or batch by batch, where it is not given. */
  readonly partition?: number | Partitioner | undefined
  readonly key?: RecordBytes | undefined
  readonly value: RecordBytes
  /** One by one, or the `headerBlock` of a record that was read. */
  readonly headers?: HeadersInput | undefined
  /** Milliseconds since the epoch; now where it is not given. */
  readonly timestamp?: number | undefined
}

/** Where a record was written. */
export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  /** -1 where the broker did not say: with `acks: 0`, or for a repetition of a batch it had. */
  readonly offset: number
  /** The broker's time where the topic keeps that, else the record's. */
  readonly timestamp: number
}

/** Bytes that records lie in, and where in the cursor's bytes they begin. */
export interface RecordBytesHolder {
  bytes: Buffer
  base: number
}

/**
 * A record that was read. Key, value and headers are made when they are asked for; their bytes lie beside
 * those of the records that were polled with it, which live as long as one of them does.
 */
export class ConsumerRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since the epoch, or -1. */
  readonly timestamp: number
  readonly #holder: RecordBytesHolder
  readonly #keyAt: number
  readonly #keyBytes: number
  readonly #valueAt: number
  readonly #valueBytes: number
  readonly #headerCount: number
  readonly #headersAt: number
  readonly #end: number
  #key: Buffer | undefined
  #value: Buffer | undefined
  #headerBlock: HeaderBlock | undefined

  /** The record at which `cursor` stands; `holder` will have its bytes. */
  constructor(topic: string, partition: number, cursor: RecordCursor, holder: RecordBytesHolder) {
    this.topic = topic
    this.partition = partition
    this.offset = cursor.offset
    this.timestamp = cursor.timestamp
    this.#holder = holder
    this.#keyAt = cursor.keyAt
    this.#keyBytes = cursor.keyBytes
    this.#valueAt = cursor.valueAt
    this.#valueBytes = cursor.valueBytes
    this.#headerCount = cursor.headerCount
    this.#headersAt = cursor.headersAt
    this.#end = cursor.end
  }

  get key(): Buffer | null {
    if (this.#keyBytes < 0) return null
    this.#key ??= this.#slice(this.#keyAt, this.#keyBytes)
    return this.#key
  }

  get value(): Buffer | null {
    if (this.#valueBytes < 0) return null
    this.#value ??= this.#slice(this.#valueAt, this.#valueBytes)
    return this.#value
  }

  /** The headers as they were stored, to send them on as they are. */
  get headerBlock(): HeaderBlock {
    if (this.#headerCount === 0) return noHeaders
    const { bytes, base } = this.#holder
    this.#headerBlock ??= new HeaderBlock(
      this.#headerCount,
      bytes,
      this.#headersAt - base,
      this.#end - base,
    )
    return this.#headerBlock
  }

  /** Decoded when they are asked for. */
  get headers(): readonly RecordHeader[] {
    return this.headerBlock.entries
  }

  #slice(at: number, byteCount: number): Buffer {
    const { bytes, base } = this.#holder
    return bytes.subarray(at - base, at - base + byteCount)
  }
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}
