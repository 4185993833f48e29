import {
  BatchBuilder,
  type BatchMemory,
  Compression,
  type CompressionType,
  decodeRecords,
  type HeadersInput,
  type RecordBytes,
  sealBatch,
} from '@khlong/kafka-protocol/records'
import { BatchReceipts, type Receipt } from './batch-receipts.ts'
import type { KafkaClientError } from './errors.ts'
import { sequenceAfter } from './partition-queue.ts'

export interface ProducerBatchOptions {
  readonly topic: string
  readonly partition: number
  readonly compression: CompressionType
  readonly isTransactional: boolean
  readonly createdMs: number
  readonly initialBytes: number
  readonly memory?: BatchMemory | undefined
}

/**
 * Records of one partition that travel together.
 *
 * Invariants: it is open until `close`, then its bytes don't change but for producer id, epoch and
 * sequence; every record's receipt is settled exactly once.
 */
export class ProducerBatch {
  readonly options: ProducerBatchOptions
  /** -1 until it is sent for the first time under a producer id. */
  sequence = -1
  /** Times it was sent and not acknowledged. */
  attempts = 0
  /** It was sent, and nothing was heard that would rule out that it was written. */
  mayBeWritten = false
  #builder: BatchBuilder | undefined
  #bytes: Buffer | undefined
  /** What the bytes of a closed batch lie in, where that is to be used again. */
  #memoryBuffer: Buffer | undefined
  #receipts = new BatchReceipts()
  #accountedBytes: number
  #doneListeners: (() => void)[] = []
  #isDone = false

  constructor(options: ProducerBatchOptions) {
    this.options = options
    this.#builder = new BatchBuilder({
      compression: options.compression,
      isTransactional: options.isTransactional,
      initialBytes: options.initialBytes,
      memory: options.memory,
    })
    this.#accountedBytes = this.#builder.byteCount
  }

  get topic(): string {
    return this.options.topic
  }
  get partition(): number {
    return this.options.partition
  }
  get createdMs(): number {
    return this.options.createdMs
  }
  get recordCount(): number {
    return this.#receipts.count
  }
  /** Bytes that count towards `buffer.memory`. */
  get accountedBytes(): number {
    return this.#accountedBytes
  }

  /** Adds a record and gives the bytes that it took. */
  append(
    key: RecordBytes,
    value: RecordBytes,
    headers: HeadersInput | undefined,
    timestamp: number,
    receipt: Receipt | undefined,
    index: number,
  ): number {
    const builder = this.#builder!
    const before = builder.byteCount
    builder.append(key, value, headers, timestamp)
    this.#receipts.add(receipt, index, timestamp)
    const added = builder.byteCount - before
    this.#accountedBytes += added
    return added
  }

  /** Ends the batch and gives its bytes; later calls give the same. */
  close(): Buffer {
    if (!this.#bytes) {
      const builder = this.#builder!
      this.#bytes = builder.build()
      this.#builder = undefined
      if (this.options.compression === Compression.none) this.#memoryBuffer = builder.buffer
      else this.options.memory?.give(builder.buffer)
    }
    return this.#bytes
  }

  /** Writes who sends the batch, and as what in their order, into its bytes. */
  stamp(producerId: bigint, producerEpoch: number, sequence: number): void {
    const bytes = this.close()
    this.sequence = sequence
    bytes.writeBigInt64BE(producerId, 43)
    bytes.writeInt16BE(producerEpoch, 51)
    bytes.writeInt32BE(sequence, 53)
    sealBatch(bytes)
  }

  /** Settles every record. `baseOffset` and `logAppendTimeMs` are -1 where they are not known. */
  settle(error: KafkaClientError | undefined, baseOffset: number, logAppendTimeMs: number): void {
    if (this.#isDone) return
    this.#isDone = true
    const isWritten = !error && baseOffset >= 0
    const { topic, partition } = this.options
    const outcome = error ? { topic, partition, error } : { topic, partition }
    this.#receipts.settle(outcome, baseOffset, logAppendTimeMs, () =>
      decodeRecords(this.close()).map(({ timestamp }) => timestamp),
    )
    // What was answered without an error, and was sent only once, no socket can still have to send.
    if (this.#memoryBuffer && isWritten && this.attempts === 0)
      this.options.memory?.give(this.#memoryBuffer)
    this.#memoryBuffer = undefined
    this.#bytes = undefined
    this.#builder = undefined
    for (const listener of this.#doneListeners) listener()
  }

  /** Resolves when the batch is settled, however it ended. */
  done(): Promise<void> {
    return this.#isDone
      ? Promise.resolve()
      : new Promise((resolve) => this.#doneListeners.push(resolve))
  }

  /** Two batches with the same records in the same order; sequences stay aligned with records. */
  split(): readonly [ProducerBatch, ProducerBatch] {
    const records = decodeRecords(this.close())
    const middle = Math.ceil(records.length / 2)
    const options = { ...this.options, initialBytes: 1024, memory: undefined }
    const halves = [new ProducerBatch(options), new ProducerBatch(options)] as const
    for (const [position, [receipt, index]] of [...this.#receipts].entries()) {
      const { key, value, headers, timestamp } = records[position]!
      const half = position < middle ? halves[0] : halves[1]
      half.append(key, value, headers, timestamp, receipt, index)
    }
    if (this.sequence >= 0) {
      halves[0].sequence = this.sequence
      halves[1].sequence = sequenceAfter(this.sequence, middle)
    }
    for (const half of halves) half.attempts = this.attempts
    const listeners = this.#doneListeners
    if (listeners.length > 0)
      void Promise.all(halves.map((half) => half.done())).then(() => {
        for (const listener of listeners) listener()
      })
    this.#receipts = new BatchReceipts()
    this.#isDone = true
    return halves
  }
}
