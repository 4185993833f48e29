import type {
  HeaderBlock,
  HeadersInput,
  RecordBytes,
  RecordHeader,
} from '@khlong/kafka-protocol/records'

/** Bytes of a key, a value or a header's value; text is sent as UTF-8. */
export type { HeaderBlock, HeadersInput, RecordBytes, RecordHeader }

/** A record to send. */
export interface ProducerRecord {
  readonly topic: string
  /** Chosen from the key, or batch by batch, where it is not given. */
  readonly partition?: number | undefined
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

/** A record that was read. Its bytes borrow those of the fetched batch, which lives as long as they do. */
export class ConsumerRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since the epoch, or -1. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** The headers as they were stored, to send them on as they are. */
  readonly headerBlock: HeaderBlock

  constructor(
    topic: string,
    partition: number,
    offset: number,
    timestamp: number,
    key: Buffer | null,
    value: Buffer | null,
    headerBlock: HeaderBlock,
  ) {
    this.topic = topic
    this.partition = partition
    this.offset = offset
    this.timestamp = timestamp
    this.key = key
    this.value = value
    this.headerBlock = headerBlock
  }

  /** Decoded when they are asked for. */
  get headers(): readonly RecordHeader[] {
    return this.headerBlock.entries
  }
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}
