import { readFileSync } from 'node:fs'
import { crc32c, Reader, Writer } from '@khlong/core/bytes'
import type { BatchHeader } from '@khlong/kafka-protocol/records'
import { KafkaError } from '../errors.ts'
import { writeFileDurably } from './checkpoint-file.ts'

// What a partition knows of its idempotent producers. Its file `<offset>.snapshot` is Kafka's:
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

export class ProducerState {
  readonly #producers = new Map<bigint, ProducerEntry>()

  get producerCount(): number {
    return this.#producers.size
  }

  /**
   * Judges a batch by its producer's sequence. Gives the base offset where the same batch is in the
   * log already, undefined where it is the next one.
   *
   * @throws KafkaError `KAFKA_OUT_OF_ORDER_SEQUENCE`, `KAFKA_PRODUCER_EPOCH_STALE`
   */
  check(header: BatchHeader): number | undefined {
    const entry = this.#producers.get(header.producerId)
    if (!entry) return undefined
    if (header.producerEpoch < entry.epoch)
      throw new KafkaError(
        'KAFKA_PRODUCER_EPOCH_STALE',
        `producer ${header.producerId} has epoch ${entry.epoch}, found ${header.producerEpoch}`,
      )
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

  /** Remembers a batch that is in the log. */
  record(header: BatchHeader): void {
    if (header.producerId < 0n || header.isControl) return
    let entry = this.#producers.get(header.producerId)
    if (!entry || entry.epoch !== header.producerEpoch) {
      entry = { epoch: header.producerEpoch, lastTimestamp: -1, coordinatorEpoch: -1, batches: [] }
      this.#producers.set(header.producerId, entry)
    }
    entry.lastTimestamp = header.maxTimestamp
    if (header.baseSequence < 0) return
    entry.batches.push({
      firstSequence: header.baseSequence,
      lastSequence: lastSequenceOf(header),
      lastOffset: header.lastOffset,
      offsetDelta: header.lastOffsetDelta,
      timestamp: header.maxTimestamp,
    })
    if (entry.batches.length > rememberedBatches) entry.batches.shift()
  }

  /** Forgets producers that wrote nothing since `beforeMs`. */
  expire(beforeMs: number): void {
    for (const [producerId, entry] of this.#producers)
      if (entry.lastTimestamp < beforeMs) this.#producers.delete(producerId)
  }

  clear(): void {
    this.#producers.clear()
  }

  save(file: string): void {
    const writer = new Writer(32 + this.#producers.size * 46)
    writer.int16(snapshotVersion)
    const crcAt = writer.reserve(4)
    writer.int32(this.#producers.size)
    for (const [producerId, entry] of this.#producers) {
      const last = entry.batches.at(-1)
      writer.bigint64(producerId).int16(entry.epoch)
      writer.int32(last?.lastSequence ?? -1).int64(last?.lastOffset ?? -1)
      writer.int32(last?.offsetDelta ?? 0).int64(entry.lastTimestamp)
      writer.int32(entry.coordinatorEpoch).int64(-1)
    }
    writer.setUint32(crcAt, crc32c(writer.bytes().subarray(crcAt + 4)))
    writeFileDurably(file, writer.bytes())
  }

  /** Takes a snapshot's content for its own. False where the file is damaged: an older one will do. */
  load(file: string): boolean {
    const bytes = readFileSync(file)
    const reader = new Reader(bytes)
    const version = reader.int16()
    const crc = reader.uint32()
    if (version !== snapshotVersion || crc !== crc32c(bytes.subarray(6))) return false
    this.clear()
    const count = reader.count(reader.int32(), 46)
    for (let index = 0; index < count; index++) {
      const producerId = reader.bigint64()
      const epoch = reader.int16()
      const lastSequence = reader.int32()
      const lastOffset = reader.int64()
      const offsetDelta = reader.int32()
      const lastTimestamp = reader.int64()
      const coordinatorEpoch = reader.int32()
      reader.bigint64()
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
    return true
  }
}

function lastSequenceOf(header: BatchHeader): number {
  const last = header.baseSequence + header.lastOffsetDelta
  return last > sequenceMax ? last - sequenceMax - 1 : last
}

function outOfOrder(header: BatchHeader, expected: number): KafkaError {
  return new KafkaError(
    'KAFKA_OUT_OF_ORDER_SEQUENCE',
    `producer ${header.producerId}: expected sequence ${expected}, found ${header.baseSequence}`,
  )
}
