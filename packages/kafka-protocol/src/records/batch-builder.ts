import { varintSize, varlongSize, zigzag32 } from '@khlong/core/bytes'
import {
  batchAttributes,
  batchHeaderBytes,
  noProducerId,
  noSequence,
  noTimestamp,
  writeBatchHeader,
} from './batch-header.ts'
import { Compression, type CompressionType, compress } from './compression.ts'
import {
  fieldSize,
  HeaderBlock,
  type HeadersInput,
  headersSize,
  noHeaders,
  type RecordBytes,
} from './headers.ts'

/** Where a builder's memory comes from, and goes when it has grown out of it. */
export interface BatchMemory {
  /** At least as many bytes. */
  take(byteCount: number): Buffer
  give(buffer: Buffer): void
}

export interface BatchBuilderOptions {
  readonly compression?: CompressionType
  /** Of gzip, 1 to 9, and of zstd, up to 22; left out, and for gzip with -1, it is the compression's own default. */
  readonly compressionLevel?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  /** Of an idempotent or transactional producer; else -1. */
  readonly producerId?: bigint
  readonly producerEpoch?: number
  readonly baseSequence?: number
  /** Default 0: what a producer sends. */
  readonly baseOffset?: number
  readonly partitionLeaderEpoch?: number
  /** Bytes to begin with; it grows by itself. Default 1,024. */
  readonly initialBytes?: number
  /** By default the garbage collector's. */
  readonly memory?: BatchMemory | undefined
}

const ownMemory: BatchMemory = {
  take: (byteCount) => Buffer.allocUnsafeSlow(byteCount),
  give: () => {},
}

/** Makes one record batch, record after record. */
export class BatchBuilder {
  readonly #options: BatchBuilderOptions
  readonly #memory: BatchMemory
  #buffer: Buffer
  #position = batchHeaderBytes
  #recordCount = 0
  #lastOffsetDelta = -1
  #baseTimestamp = noTimestamp
  #maxTimestamp = noTimestamp

  constructor(options: BatchBuilderOptions = {}) {
    this.#options = options
    this.#memory = options.memory ?? ownMemory
    this.#buffer = this.#memory.take(Math.max(256, options.initialBytes ?? 1_024))
  }

  get recordCount(): number {
    return this.#recordCount
  }
  /** Bytes of the batch as it stands, before compression. */
  get byteCount(): number {
    return this.#position
  }

  /** The most bytes that {@link append} of this record would add. */
  static recordBytesMax(
    key: RecordBytes,
    value: RecordBytes,
    headers: HeadersInput = noHeaders,
  ): number {
    return 21 + fieldSize(key) + fieldSize(value) + headersSize(headers)
  }

  /**
   * Adds a record and gives its offset delta. Bytes are copied. `offsetDelta` is one more than that
   * of the record before unless it is given: compacted batches have gaps.
   */
  append(
    key: RecordBytes,
    value: RecordBytes,
    headers: HeadersInput = noHeaders,
    timestamp: number = noTimestamp,
    offsetDelta: number = this.#lastOffsetDelta + 1,
  ): number {
    if (this.#recordCount === 0) this.#baseTimestamp = timestamp
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    const timestampDelta = timestamp - this.#baseTimestamp
    const size =
      1 +
      varlongSize(timestampDelta) +
      varintSize(zigzag32(offsetDelta)) +
      fieldSize(key) +
      fieldSize(value) +
      headersSize(headers)
    this.#reserve(size + 5)
    this.#varint(size)
    this.#buffer[this.#position++] = 0
    this.#varlong(timestampDelta)
    this.#varint(offsetDelta)
    this.#field(key)
    this.#field(value)
    this.#headers(headers)
    this.#recordCount++
    this.#lastOffsetDelta = offsetDelta
    return offsetDelta
  }

  /** Ends a transaction: the one record of a control batch. */
  appendControl(type: 'abort' | 'commit', coordinatorEpoch: number, timestamp: number): void {
    const key = Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1])
    const value = Buffer.alloc(6)
    value.writeInt32BE(coordinatorEpoch, 2)
    this.append(key, value, noHeaders, timestamp)
  }

  /** The memory that the records were put in. A batch that is not compressed lies in it. */
  get buffer(): Buffer {
    return this.#buffer
  }

  /** The whole batch, owned by the caller. The builder is spent. */
  build(overrides: { lastOffsetDelta?: number } = {}): Buffer {
    const options = this.#options
    const compression = options.compression ?? Compression.none
    let batch: Buffer
    if (compression === Compression.none) batch = this.#buffer.subarray(0, this.#position)
    else {
      const records = compress(
        compression,
        this.#buffer.subarray(batchHeaderBytes, this.#position),
        options.compressionLevel,
      )
      batch = Buffer.allocUnsafe(batchHeaderBytes + records.byteLength)
      records.copy(batch, batchHeaderBytes)
    }
    writeBatchHeader(batch, {
      baseOffset: options.baseOffset ?? 0,
      partitionLeaderEpoch: options.partitionLeaderEpoch ?? -1,
      attributes: batchAttributes({
        compression,
        isTransactional: options.isTransactional ?? false,
        isControl: options.isControl ?? false,
      }),
      lastOffsetDelta: overrides.lastOffsetDelta ?? this.#lastOffsetDelta,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp: this.#maxTimestamp,
      producerId: options.producerId ?? noProducerId,
      producerEpoch: options.producerEpoch ?? -1,
      baseSequence: options.baseSequence ?? noSequence,
      recordCount: this.#recordCount,
    })
    return batch
  }

  #reserve(byteCount: number): void {
    const needed = this.#position + byteCount
    if (needed <= this.#buffer.byteLength) return
    const old = this.#buffer
    this.#buffer = this.#memory.take(Math.max(needed, old.byteLength * 2))
    old.copy(this.#buffer, 0, 0, this.#position)
    this.#memory.give(old)
  }

  #varint(value: number): void {
    let rest = zigzag32(value)
    while (rest >= 0x80) {
      this.#buffer[this.#position++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#buffer[this.#position++] = rest
  }

  #varlong(value: number): void {
    if (value >= -0x4000_0000 && value < 0x4000_0000) {
      this.#varint(value)
      return
    }
    let rest = value >= 0 ? value * 2 : value * -2 - 1
    while (rest >= 0x80) {
      this.#buffer[this.#position++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#buffer[this.#position++] = rest
  }

  #headers(headers: HeadersInput): void {
    if (headers instanceof HeaderBlock) {
      this.#varint(headers.count)
      this.#position = headers.copyTo(this.#buffer, this.#position)
      return
    }
    this.#varint(headers.length)
    for (const [key, value] of headers) {
      this.#field(key)
      this.#field(value)
    }
  }

  #field(field: RecordBytes): void {
    if (field === null) {
      this.#varint(-1)
      return
    }
    if (typeof field === 'string') {
      const byteCount = Buffer.byteLength(field)
      this.#varint(byteCount)
      this.#buffer.write(field, this.#position, byteCount, 'utf8')
      this.#position += byteCount
      return
    }
    this.#varint(field.byteLength)
    this.#buffer.set(field, this.#position)
    this.#position += field.byteLength
  }
}
