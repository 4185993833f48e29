import { setTimeout as delay } from 'node:timers/promises'
import {
  type Admin,
  emptyRecords,
  type KafkaClientError,
  MarkerWriter,
  newWriterIdentity,
  OffsetWriter,
  repackBatches,
  type TopicPartition,
} from '@khlong/kafka-client'
import { KhlongError } from '../errors.ts'
import type { Position, Positions } from './positions.ts'
import { type CopiedTopic, prepareTopics } from './topics.ts'
import { countRecords, type OffsetRange, offsetBehind, walkRanges } from './walk.ts'

// Records keep their offsets where that is possible, and never get a smaller one: documents are named by
// topic, partition and offset, so a new record must not have the name that an old one had.
//
//   no gaps at the source      the target begins where the source does, and every offset is the same
//   gaps: markers, compaction  the target begins later, by at least as many offsets as the gaps took
//
// What lies before the first record is empty records that are deleted before anybody reads; a gap that comes
// later and finds no offsets left to lose is made up for by markers of empty transactions.

/** Offsets that a partition with gaps is ahead by, for gaps that come while it is copied. */
const leadMin = 100_000
const emptyBatchMax = 1_000_000
const markersMax = 20_000
const saveEveryMs = 1_000
const begunAtOnce = 16
const transactionWaitMs = 180_000

/** A partition of a copy, and where it stands. */
interface Part extends TopicPartition {
  readonly batchBytesMax: number
  position: Position
  isChanged: boolean
}

export interface CopyTally {
  records: number
  bytes: number
}

export interface RecordCopyOptions {
  readonly source: Admin
  readonly target: Admin
  readonly positions: Positions
  readonly topics: readonly CopiedTopic[]
  readonly replicationFactor?: number | undefined
  readonly signal: AbortSignal
  onProgress(done: number, total: number): void
}

/** Copies the records of all topics; exactly once, also when it is killed and begun again. */
export class RecordCopy {
  readonly #options: RecordCopyOptions
  readonly #markers: MarkerWriter
  readonly tally: CopyTally = { records: 0, bytes: 0 }
  #writer: OffsetWriter | undefined
  #parts: Part[] = []
  #savedAtMs = 0
  #empty: { readonly count: number; readonly bytes: Buffer } | undefined
  #done = 0

  constructor(options: RecordCopyOptions) {
    this.#options = options
    this.#markers = new MarkerWriter(options.target.client, 'khlong-mirror')
  }

  /**
   * Makes the topics and finds where each partition stands.
   *
   * @throws KhlongError `KHLONG_MIRROR_TOPIC`, `KHLONG_MIRROR_IMPOSSIBLE`
   */
  async prepare(): Promise<void> {
    const { source, target, positions, topics, replicationFactor } = this.#options
    const cluster = (await source.describeCluster()).clusterId ?? ''
    if (positions.source && positions.source.cluster !== cluster)
      throw new KhlongError(
        'KHLONG_MIRROR_IMPOSSIBLE',
        `the target holds a copy of another Kafka (cluster ${positions.source.cluster}, this one is ${cluster}); two cannot be copied to one target`,
      )
    const identity = positions.source ?? {
      cluster,
      ...(await newWriterIdentity(target.client)),
    }
    if (!positions.source) await positions.saveSource(identity)
    this.#writer = new OffsetWriter(target.client, identity)
    // What a copy that was killed had under way has to be at its end before offsets are looked at.
    await this.#markers.open()
    await prepareTopics(target, topics, positions, { replicationFactor })
    const places = topics.flatMap(({ name, partitions, batchBytesMax }) =>
      Array.from({ length: partitions }, (_, partition) => ({
        topic: name,
        partition,
        batchBytesMax,
      })),
    )
    await this.#plan(places.filter(({ topic, partition }) => !positions.of(topic, partition)))
    const ends = await this.#targetOffsets(places, 'latest')
    const begun: Part[] = []
    for (const place of places) {
      const part: Part = {
        ...place,
        position: positions.of(place.topic, place.partition)!,
        isChanged: false,
      }
      if (part.position.isDone)
        throw new KhlongError(
          'KHLONG_MIRROR_DONE',
          `topic ${part.topic} was moved already, and others write to it at the target now; --verify compares what was copied`,
          { fields: { topic: part.topic } },
        )
      begun.push(part)
    }
    for (let at = 0; at < begun.length; at += begunAtOnce)
      await Promise.all(
        begun
          .slice(at, at + begunAtOnce)
          .map((part, index) => this.#begin(part, ends[at + index]!)),
      )
    this.#empty = undefined
    this.#parts = begun
    await this.#save(true)
  }

  /**
   * Copies what was committed up to now. With `isLast`, which needs a source that nobody writes to, every
   * partition of the target ends at or behind the end of its source.
   */
  async run({ isLast }: { readonly isLast: boolean }): Promise<void> {
    const { source, signal } = this.#options
    const ends = await this.#sourceEnds(isLast)
    const ranges = this.#parts.map((part, index) => ({
      topic: part.topic,
      partition: part.partition,
      from: part.position.source,
      to: ends[index]!,
      part,
    }))
    const total = ranges.reduce((sum, { from, to }) => sum + Math.max(0, to - from), 0)
    this.#done = 0
    await walkRanges(
      source.client,
      ranges,
      async ({ part }, batches) => {
        const before = part.position.source
        for (const batch of repackBatches(batches, {
          from: before,
          lead: part.position.target - before,
          bytesMax: part.batchBytesMax,
        })) {
          await this.#raise(part, batch.firstOffset)
          const { target, sequence } = part.position
          await this.#writer!.write(part, { offset: target, sequence }, batch.bytes)
          part.position = {
            ...part.position,
            source: batch.nextOffset,
            target: target + batch.recordCount,
            sequence: sequence + batch.recordCount,
          }
          part.isChanged = true
          this.tally.records += batch.recordCount
          this.tally.bytes += batch.bytes.byteLength
        }
        this.#done += part.position.source - before
        return false
      },
      {
        signal,
        onRound: async () => {
          this.#options.onProgress(Math.min(this.#done, total), total)
          await this.#save(false)
        },
      },
    )
    for (const { part, to } of ranges) {
      if (to > part.position.source) {
        part.position = { ...part.position, source: to }
        part.isChanged = true
      }
      if (isLast) await this.#raise(part, to)
    }
    await this.#save(true)
    this.#options.onProgress(total, total)
  }

  /** Says that others may write to the target now. */
  async finish(): Promise<void> {
    for (const part of this.#parts) {
      part.position = { ...part.position, isDone: true }
      part.isChanged = true
    }
    await this.#save(true)
  }

  // ---- Where partitions begin

  async #plan(places: readonly (TopicPartition & { batchBytesMax: number })[]): Promise<void> {
    const { source, positions, topics } = this.#options
    const firsts = await source.listOffsets(places.map((one) => ({ ...one, spec: 'earliest' })))
    const ends = await source.listOffsets(
      places.map((one) => ({ ...one, spec: 'latest' })),
      { isCommitted: true },
    )
    const ranges = places.map((one, index) => ({
      ...one,
      from: firsts[index]!.offset,
      to: ends[index]!.offset,
    }))
    const counts = await countRecords(source.client, ranges)
    await positions.save(
      ranges.map(({ topic, partition, from, to }, index) => {
        const records = counts[index]!
        const gaps = to - from - records
        const isCompacted = topics.find(({ name }) => name === topic)!.isCompacted
        const isEqual = records > 0 && gaps === 0 && !isCompacted
        const first = isEqual ? from : from + gaps + Math.max(leadMin, 4 * gaps)
        return {
          topic,
          partition,
          position: {
            source: from,
            target: first,
            first,
            sequence: first,
            ...(isEqual ? { equal: { from, before: from } } : {}),
          },
        }
      }),
    )
  }

  /** Brings a partition of the target to its first offset, or finds what was written behind the last note. */
  async #begin(part: Part, end: number): Promise<void> {
    const { target } = this.#options
    const { first } = part.position
    let at = end
    while (at < first) {
      const count = Math.min(emptyBatchMax, first - at)
      const empty = this.#emptyBatch(count)
      await this.#writer!.write(part, { offset: at, sequence: at }, empty)
      at += count
    }
    const [start] = await this.#targetOffsets([part], 'earliest')
    if (start! < first) await target.deleteRecords([{ ...placeOf(part), beforeOffset: first }])
    if (at > part.position.target) await this.#catchUp(part, at)
  }

  /** A copy of the last one where that had as many: most partitions begin with the same number. */
  #emptyBatch(count: number): Buffer {
    if (this.#empty?.count !== count)
      this.#empty = { count, bytes: emptyRecords(count, Date.now()) }
    return Buffer.from(this.#empty.bytes)
  }

  async #catchUp(part: Part, end: number): Promise<void> {
    const { source, target, positions } = this.#options
    const { producerId } = positions.source!
    const range: OffsetRange = { ...placeOf(part), from: part.position.target, to: end }
    let count = 0
    await walkRanges(target.client, [range], (_range, batches) => {
      for (const { header } of batches) {
        if (header.producerId !== producerId)
          throw new KhlongError(
            'KHLONG_MIRROR_TOPIC',
            `somebody else has written to topic ${part.topic} at the target (partition ${part.partition}, offset ${header.baseOffset}) while it is copied; delete it there, and begin again`,
            { fields: { ...placeOf(part), offset: header.baseOffset } },
          )
        count += header.recordCount
      }
      return false
    })
    const [sourceEnd] = await source.listOffsets([{ ...placeOf(part), spec: 'latest' }], {
      isCommitted: true,
    })
    part.position = {
      ...part.position,
      source: await offsetBehind(
        source.client,
        { ...placeOf(part), from: part.position.source, to: sourceEnd!.offset },
        count,
      ),
      target: end,
      sequence: part.position.sequence + count,
    }
    part.isChanged = true
  }

  // ---- Gaps

  /** Sees to it that what is written next has an offset of at least `offset`. */
  async #raise(part: Part, offset: number): Promise<void> {
    const { target } = part.position
    const missing = offset - target
    if (missing <= 0) return
    if (missing > markersMax)
      throw new KhlongError(
        'KHLONG_MIRROR_IMPOSSIBLE',
        `${missing} offsets of ${part.topic}-${part.partition} before ${offset} hold nothing any more, which is more than the copy was begun for; delete the topic at the target, and topic khlong-mirror, and begin again`,
        { fields: { ...placeOf(part), offset } },
      )
    // Noted first: whoever goes on after a crash finds some of the markers, or all.
    part.position = {
      ...part.position,
      equal: part.position.equal ?? { from: offset, before: target },
    }
    part.isChanged = true
    await this.#saveParts([part])
    await this.#markers.write(placeOf(part), missing)
    const deadlineMs = performance.now() + transactionWaitMs
    for (;;) {
      const [end] = await this.#targetOffsets([part], 'latest')
      if (end! >= offset) break
      if (performance.now() > deadlineMs)
        throw new KhlongError(
          'KHLONG_MIRROR_IMPOSSIBLE',
          `the target does not end transactions in ${part.topic}-${part.partition}; look at its log`,
        )
      await delay(5)
    }
    part.position = { ...part.position, target: offset }
    part.isChanged = true
  }

  // ---- Offsets and notes

  async #sourceEnds(isLast: boolean): Promise<number[]> {
    const { source } = this.#options
    const deadlineMs = performance.now() + transactionWaitMs
    for (;;) {
      const specs = this.#parts.map((part) => ({ ...placeOf(part), spec: 'latest' as const }))
      const committed = await source.listOffsets(specs, { isCommitted: true })
      if (!isLast) return committed.map(({ offset }) => offset)
      // A producer that was killed may have left a transaction open; the broker ends it in time.
      const all = await source.listOffsets(specs)
      const open = all.find(({ offset }, index) => offset > committed[index]!.offset)
      if (!open) return committed.map(({ offset }) => offset)
      if (performance.now() > deadlineMs)
        throw new KhlongError(
          'KHLONG_MIRROR_IMPOSSIBLE',
          `a transaction in ${open.topic}-${open.partition} is open and does not end`,
        )
      await delay(500)
    }
  }

  async #targetOffsets(
    places: readonly TopicPartition[],
    spec: 'earliest' | 'latest',
  ): Promise<number[]> {
    const found = await this.#options.target.listOffsets(
      places.map((place) => ({ ...placeOf(place), spec })),
    )
    return found.map(({ offset }) => offset)
  }

  async #save(isDue: boolean): Promise<void> {
    if (!isDue && performance.now() - this.#savedAtMs < saveEveryMs) return
    this.#savedAtMs = performance.now()
    await this.#saveParts(this.#parts.filter(({ isChanged }) => isChanged))
  }

  async #saveParts(parts: readonly Part[]): Promise<void> {
    for (const part of parts) part.isChanged = false
    await this.#options.positions.save(
      parts.map(({ topic, partition, position }) => ({ topic, partition, position })),
    )
  }
}

/** Whether an error says that a late request of a copy that was killed has arrived: look again. */
export const isLateRequest = (error: unknown): boolean =>
  (error as KafkaClientError).code === 'KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER'

const placeOf = ({ topic, partition }: TopicPartition): TopicPartition => ({ topic, partition })
