import { readFileSync } from 'node:fs'
import { crc32c, Reader, Writer } from '@khlong/core/bytes'
import {
  type BatchHeader,
  decodeControlRecord,
  decodeRecords,
} from '@khlong/kafka-protocol/records'
import { KafkaError } from '../errors.ts'
import { type EndedTransaction, OpenTransactions } from './open-transactions.ts'

// What a partition knows of its idempotent and transactional producers. Its file `<offset>.snapshot` is
// Kafka's, and says what the batches below that offset say:
//
//   version int16 = 1 · crc32c uint32 of what follows · count int32 · entries:
//   producer id int64 · epoch int16 · last sequence int32 · last offset int64 · offset delta int32 ·
//   timestamp int64 · coordinator epoch int32 · first offset of the open transaction int64

const snapshotVersion = 1
/** How many batches back a repeated one is recognised; clients keep at most five in flight. */
const rememberedBatches = 5
const sequenceMax = 0x7fff_ffff

interface SequencedBatch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly lastOffset: number
  readonly offsetDelta: number
  readonly timestamp: number
}

interface ProducerEntry {
  epoch: number
  lastTimestamp: number
  coordinatorEpoch: number
  batches: SequencedBatch[]
}

/** A producer as DescribeProducers shows it. */
export interface ActiveProducer {
  readonly producerId: bigint
  readonly epoch: number
  readonly lastSequence: number
  readonly lastTimestamp: number
  readonly coordinatorEpoch: number
  /** -1 without an open transaction. */
  readonly transactionStart: number
}

export class ProducerState {
  readonly transactions: OpenTransactions = new OpenTransactions()
  readonly #producers = new Map<bigint, ProducerEntry>()

  get producerCount(): number {
    return this.#producers.size
  }

  /**
   * Judges a batch by its producer's sequence. Gives the base offset where the same batch is in the
   * log already, undefined where it is the next one.
   *
   * @throws KafkaError `KAFKA_OUT_OF_ORDER_SEQUENCE`, `KAFKA_PRODUCER_EPOCH_STALE`,
   * `KAFKA_TRANSACTION_STATE_INVALID`
   */
  check(header: BatchHeader): number | undefined {
    const entry = this.#producers.get(header.producerId)
    if (!entry) return undefined
    if (header.producerEpoch < entry.epoch) throw staleEpoch(header, entry.epoch)
    if (!header.isTransactional && this.transactions.of(header.producerId) !== undefined)
      throw new KafkaError(
        'KAFKA_TRANSACTION_STATE_INVALID',
        `producer ${header.producerId} has an open transaction and wrote outside of it`,
      )
    // Offsets of a transaction come from the group coordinator, without a sequence.
    if (header.baseSequence < 0) return undefined
    if (header.producerEpoch > entry.epoch) {
      if (header.baseSequence !== 0) throw outOfOrder(header, 0)
      return undefined
    }
    const lastSequence = lastSequenceOf(header)
    for (const batch of entry.batches)
      if (batch.firstSequence === header.baseSequence && batch.lastSequence === lastSequence)
        return batch.lastOffset - batch.offsetDelta
    const last = entry.batches.at(-1)
    if (!last) return undefined
    const expected = last.lastSequence === sequenceMax ? 0 : last.lastSequence + 1
    if (header.baseSequence !== expected) throw outOfOrder(header, expected)
    return undefined
  }

  /**
   * Judges a marker.
   *
   * @throws KafkaError `KAFKA_PRODUCER_EPOCH_STALE`, `KAFKA_COORDINATOR_STALE`
   */
  checkMarker(header: BatchHeader, coordinatorEpoch: number): void {
    const entry = this.#producers.get(header.producerId)
    if (!entry) return
    if (header.producerEpoch < entry.epoch) throw staleEpoch(header, entry.epoch)
    if (coordinatorEpoch < entry.coordinatorEpoch)
      throw new KafkaError(
        'KAFKA_COORDINATOR_STALE',
        `the coordinator of producer ${header.producerId} has epoch ${entry.coordinatorEpoch}, found ${coordinatorEpoch}`,
      )
  }

  /** Remembers a batch that is in the log, and gives the transaction that it ended. */
  record(header: BatchHeader, batch: Buffer): EndedTransaction | undefined {
    if (header.producerId < 0n) return undefined
    if (header.isControl) return this.#recordMarker(header, batch)
    const entry = this.#entry(header)
    entry.lastTimestamp = header.maxTimestamp
    if (header.isTransactional) this.transactions.begin(header.producerId, header.baseOffset)
    if (header.baseSequence < 0) return undefined
    entry.batches.push({
      firstSequence: header.baseSequence,
      lastSequence: lastSequenceOf(header),
      lastOffset: header.lastOffset,
      offsetDelta: header.lastOffsetDelta,
      timestamp: header.maxTimestamp,
    })
    if (entry.batches.length > rememberedBatches) entry.batches.shift()
    return undefined
  }

  #recordMarker(header: BatchHeader, batch: Buffer): EndedTransaction | undefined {
    const record = decodeRecords(batch)[0]
    const marker = record && decodeControlRecord(record)
    if (!marker) return undefined
    const entry = this.#entry(header)
    entry.lastTimestamp = header.maxTimestamp
    entry.coordinatorEpoch = marker.coordinatorEpoch
    return this.transactions.end(header.producerId, header.lastOffset, marker.type === 'abort')
  }

  #entry(header: BatchHeader): ProducerEntry {
    const known = this.#producers.get(header.producerId)
    if (known?.epoch === header.producerEpoch) return known
    const entry = {
      epoch: header.producerEpoch,
      lastTimestamp: -1,
      coordinatorEpoch: known?.coordinatorEpoch ?? -1,
      batches: [],
    }
    this.#producers.set(header.producerId, entry)
    return entry
  }

  list(): ActiveProducer[] {
    return [...this.#producers].map(([producerId, entry]) => ({
      producerId,
      epoch: entry.epoch,
      lastSequence: entry.batches.at(-1)?.lastSequence ?? -1,
      lastTimestamp: entry.lastTimestamp,
      coordinatorEpoch: entry.coordinatorEpoch,
      transactionStart: this.transactions.of(producerId) ?? -1,
    }))
  }

  /** The epoch of a producer that is known here. */
  epochOf(producerId: bigint): number | undefined {
    return this.#producers.get(producerId)?.epoch
  }

  /** The epoch of the coordinator that wrote a producer's last marker; -1 where there is none. */
  coordinatorEpochOf(producerId: bigint): number {
    return this.#producers.get(producerId)?.coordinatorEpoch ?? -1
  }

  /** Forgets producers that wrote nothing since `beforeMs` and have no open transaction. */
  expire(beforeMs: number): void {
    for (const [producerId, entry] of this.#producers)
      if (entry.lastTimestamp < beforeMs && this.transactions.of(producerId) === undefined)
        this.#producers.delete(producerId)
  }

  clear(): void {
    this.#producers.clear()
    this.transactions.clear()
  }

  /** The content of a snapshot file. */
  snapshot(): Buffer {
    const writer = new Writer(32 + this.#producers.size * 46)
    writer.int16(snapshotVersion)
    const crcAt = writer.reserve(4)
    writer.int32(this.#producers.size)
    for (const [producerId, entry] of this.#producers) {
      const last = entry.batches.at(-1)
      writer.bigint64(producerId).int16(entry.epoch)
      writer.int32(last?.lastSequence ?? -1).int64(last?.lastOffset ?? -1)
      writer.int32(last?.offsetDelta ?? 0).int64(entry.lastTimestamp)
      writer.int32(entry.coordinatorEpoch).int64(this.transactions.of(producerId) ?? -1)
    }
    writer.setUint32(crcAt, crc32c(writer.bytes().subarray(crcAt + 4)))
    return writer.copy()
  }

  /** Takes a snapshot's content for its own. False where the file is damaged: an older one will do. */
  load(file: string): boolean {
    const bytes = readFileSync(file)
    const reader = new Reader(bytes)
    const version = reader.int16()
    const crc = reader.uint32()
    if (version !== snapshotVersion || crc !== crc32c(bytes.subarray(6))) return false
    this.clear()
    const open: [bigint, number][] = []
    const count = reader.count(reader.int32(), 46)
    for (let index = 0; index < count; index++) {
      const producerId = reader.bigint64()
      const epoch = reader.int16()
      const lastSequence = reader.int32()
      const lastOffset = reader.int64()
      const offsetDelta = reader.int32()
      const lastTimestamp = reader.int64()
      const coordinatorEpoch = reader.int32()
      const transactionStart = reader.int64()
      if (transactionStart >= 0) open.push([producerId, transactionStart])
      const firstSequence =
        lastSequence - offsetDelta < 0 && lastSequence >= 0
          ? lastSequence - offsetDelta + sequenceMax + 1
          : lastSequence - offsetDelta
      this.#producers.set(producerId, {
        epoch,
        lastTimestamp,
        coordinatorEpoch,
        batches:
          lastSequence < 0
            ? []
            : [{ firstSequence, lastSequence, lastOffset, offsetDelta, timestamp: lastTimestamp }],
      })
    }
    reader.finish()
    this.transactions.load(open)
    return true
  }
}

function lastSequenceOf(header: BatchHeader): number {
  const last = header.baseSequence + header.lastOffsetDelta
  return last > sequenceMax ? last - sequenceMax - 1 : last
}

function staleEpoch(header: BatchHeader, epoch: number): KafkaError {
  return new KafkaError(
    'KAFKA_PRODUCER_EPOCH_STALE',
    `producer ${header.producerId} has epoch ${epoch}, found ${header.producerEpoch}`,
  )
}

function outOfOrder(header: BatchHeader, expected: number): KafkaError {
  return new KafkaError(
    'KAFKA_OUT_OF_ORDER_SEQUENCE',
    `producer ${header.producerId}: expected sequence ${expected}, found ${header.baseSequence}`,
  )
}
