import type { Clock, Logger } from '@khlong/core'
import { ErrorCode } from '@khlong/kafka-protocol'
import {
  BatchBuilder,
  type BatchHeader,
  decodeControlRecord,
  decodeRecordsOf,
} from '@khlong/kafka-protocol/records'
import type { CoordinatorTopic } from '../state/coordinator-topic.ts'
import { offsetsTopic } from '../state/topic.ts'
import { Group } from './group.ts'
import type { MemberRequest } from './group-member.ts'
import {
  type CommittedOffset,
  groupKey,
  groupValue,
  offsetKey,
  offsetValue,
  readOffsetsRecord,
} from './offsets-records.ts'
import { type OffsetPlace, PendingOffsets } from './pending-offsets.ts'

export interface GroupCoordinatorOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly topic: CoordinatorTopic
  readonly initialRebalanceDelayMs: number
  readonly sizeMax: number
  readonly retentionMs: number
  readonly offsetMetadataBytesMax: number
}

export interface OffsetToCommit extends OffsetPlace {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string | null
}

/** Whose transaction offsets belong to. */
export interface TransactionProducer {
  readonly producerId: bigint
  readonly producerEpoch: number
}

interface Entry {
  readonly group: Group
  /** By topic, then by partition. */
  readonly offsets: Map<string, Map<number, CommittedOffset>>
  readonly pending: PendingOffsets
}

/** All groups, and their offsets, kept in the topic `__consumer_offsets` as Kafka keeps them. */
export class GroupCoordinator {
  readonly #options: GroupCoordinatorOptions
  readonly #entries = new Map<string, Entry>()
  /** Groups that may have offsets of open transactions. */
  readonly #withPending = new Set<string>()

  constructor(options: GroupCoordinatorOptions) {
    this.#options = options
  }

  /** Reads what was kept, where the topic is there already. */
  async load(): Promise<void> {
    await this.#options.topic.load((partition, header, bytes) =>
      this.#replayBatch(partition, header, bytes),
    )
    for (const { group } of this.#entries.values()) group.resume()
  }

  /**
   * Resolves when groups can be kept.
   *
   * @throws KafkaError where the offsets topic cannot be made just now.
   */
  ready(): Promise<void> {
    return this.#options.topic.ready()
  }

  /** The partition of the offsets topic that a group's offsets lie in. */
  partitionOf(groupId: string): number {
    return this.#options.topic.partitionOf(groupId)
  }

  group(groupId: string): Group | undefined {
    return this.#entries.get(groupId)?.group
  }

  groups(): Group[] {
    return [...this.#entries.values()].map(({ group }) => group)
  }

  /** The group of this id, made where it is missing. */
  obtain(groupId: string): Group {
    return this.#entry(groupId).group
  }

  offsets(groupId: string): ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>> {
    return this.#entries.get(groupId)?.offsets ?? new Map()
  }

  /** Whether a transaction that has not ended will change this offset, if it is committed. */
  isUnstable(groupId: string, place: OffsetPlace): boolean {
    return this.#entries.get(groupId)?.pending.has(place) ?? false
  }

  /**
   * Commits offsets for a member (or, with generation -1, for nobody); an error code for each. Those of a
   * `producer` wait for the end of its transaction.
   */
  async commit(
    groupId: string,
    member: MemberRequest,
    offsets: readonly OffsetToCommit[],
    producer?: TransactionProducer,
  ): Promise<number[]> {
    const all = (errorCode: number): number[] => offsets.map(() => errorCode)
    const known = this.#entries.get(groupId)
    if (!known && member.generation >= 0) return all(ErrorCode.illegalGeneration)
    const refusal = known?.group.commitRefusal(member, producer !== undefined) ?? ErrorCode.none
    if (refusal !== ErrorCode.none) return all(refusal)
    const { clock, offsetMetadataBytesMax, topic } = this.#options
    const nowMs = clock.nowMs()
    const isTooLarge = (offset: OffsetToCommit): boolean =>
      Buffer.byteLength(offset.metadata ?? '') > offsetMetadataBytesMax
    const good = offsets.filter((offset) => !isTooLarge(offset))
    const builder = new BatchBuilder(producer ? { ...producer, isTransactional: true } : {})
    const values = good.map((offset) => {
      const value = {
        offset: offset.offset,
        leaderEpoch: offset.leaderEpoch,
        metadata: offset.metadata ?? '',
        commitTimestampMs: nowMs,
      }
      const key = offsetKey(groupId, offset.topic, offset.partition)
      builder.append(key, offsetValue(value), [], nowMs)
      return value
    })
    if (good.length === 0) return all(ErrorCode.offsetMetadataTooLarge)
    const set = (committed: readonly CommittedOffset[]): void => {
      const entry = this.#entry(groupId)
      for (const [index, offset] of good.entries())
        if (producer) this.#setPending(entry, producer.producerId, offset, committed[index]!)
        else setOffset(entry, offset, committed[index]!)
    }
    let committed: CommittedOffset[] = []
    const errorCode = await topic.append(groupId, builder.build(), (logOffset) => {
      committed = values.map((value) => ({ ...value, logOffset }))
      // Before anything can be appended behind it: the end of the transaction must find them.
      if (producer) set(committed)
    })
    if (errorCode === ErrorCode.none && !producer) set(committed)
    if (errorCode !== ErrorCode.none && producer)
      for (const offset of good) this.#entry(groupId).pending.delete(offset, producer.producerId)
    return offsets.map((offset) =>
      isTooLarge(offset) ? ErrorCode.offsetMetadataTooLarge : errorCode,
    )
  }

  /** The marker of a producer's transaction is in a partition of the offsets topic. */
  endTransaction(partition: number, producerId: bigint, isCommit: boolean): void {
    for (const groupId of this.#withPending) {
      const entry = this.#entries.get(groupId)
      if (!entry || entry.pending.isEmpty) {
        this.#withPending.delete(groupId)
        continue
      }
      if (this.partitionOf(groupId) !== partition) continue
      for (const { topic, partition: place, committed } of entry.pending.take(producerId)) {
        // A plain commit may have come after it: the later of the two in the log counts.
        const other = entry.offsets.get(topic)?.get(place)
        if (isCommit && !(other && other.logOffset > committed.logOffset))
          setOffset(entry, { topic, partition: place }, committed)
      }
    }
  }

  /** Forgets offsets; resolves to an error code when that is durable. */
  async deleteOffsets(
    groupId: string,
    partitions: readonly { readonly topic: string; readonly partition: number }[],
  ): Promise<number> {
    const entry = this.#entries.get(groupId)
    if (!entry || partitions.length === 0) return ErrorCode.none
    const builder = new BatchBuilder()
    const nowMs = this.#options.clock.nowMs()
    for (const { topic, partition } of partitions)
      builder.append(offsetKey(groupId, topic, partition), null, [], nowMs)
    const errorCode = await this.#options.topic.append(groupId, builder.build())
    if (errorCode !== ErrorCode.none) return errorCode
    for (const { topic, partition } of partitions) {
      entry.pending.delete({ topic, partition })
      const ofTopic = entry.offsets.get(topic)
      ofTopic?.delete(partition)
      if (ofTopic?.size === 0) entry.offsets.delete(topic)
    }
    return ErrorCode.none
  }

  /** Removes a group that nobody is in, with its offsets. */
  async deleteGroup(groupId: string): Promise<number> {
    const entry = this.#entries.get(groupId)
    if (!entry) return ErrorCode.groupIdNotFound
    if (!entry.group.isEmpty) return ErrorCode.nonEmptyGroup
    const builder = new BatchBuilder()
    const nowMs = this.#options.clock.nowMs()
    for (const [topic, partitions] of entry.offsets)
      for (const partition of partitions.keys())
        builder.append(offsetKey(groupId, topic, partition), null, [], nowMs)
    for (const { topic, partition } of entry.pending.places())
      builder.append(offsetKey(groupId, topic, partition), null, [], nowMs)
    builder.append(groupKey(groupId), null, [], nowMs)
    const errorCode = await this.#options.topic.append(groupId, builder.build())
    if (errorCode !== ErrorCode.none) return errorCode
    entry.group.state = 'Dead'
    entry.group.close()
    this.#entries.delete(groupId)
    return ErrorCode.none
  }

  /** Offsets of a topic that is gone mean nothing; without the offsets topic there are no groups. */
  forgetTopic(topic: string): void {
    if (topic === offsetsTopic) {
      this.close()
      return
    }
    for (const [groupId, entry] of this.#entries) {
      const partitions = [...(entry.offsets.get(topic)?.keys() ?? [])]
      const pending = entry.pending.places().filter((place) => place.topic === topic)
      const gone = [...partitions.map((partition) => ({ topic, partition })), ...pending]
      this.deleteOffsets(groupId, gone).catch((error) => {
        this.#options.logger.warn({ group: groupId, topic, err: error }, 'offsets were not deleted')
      })
    }
  }

  /** Removes the offsets of groups that have been empty for longer than the retention. */
  async expire(): Promise<void> {
    const beforeMs = this.#options.clock.nowMs() - this.#options.retentionMs
    for (const [groupId, { group, offsets, pending }] of this.#entries) {
      if (!group.isEmpty || group.stateTimestampMs > beforeMs) continue
      const expired: { topic: string; partition: number }[] = []
      let kept = 0
      for (const [topic, partitions] of offsets)
        for (const [partition, { commitTimestampMs }] of partitions)
          if (commitTimestampMs <= beforeMs && !pending.has({ topic, partition }))
            expired.push({ topic, partition })
          else kept++
      if (kept === 0 && pending.isEmpty) await this.deleteGroup(groupId)
      else await this.deleteOffsets(groupId, expired)
    }
  }

  close(): void {
    for (const { group } of this.#entries.values()) group.close()
    this.#entries.clear()
    this.#withPending.clear()
    this.#options.topic.close()
  }

  #entry(groupId: string): Entry {
    let entry = this.#entries.get(groupId)
    if (entry) return entry
    const { clock, initialRebalanceDelayMs, sizeMax } = this.#options
    const group = new Group(groupId, {
      clock,
      initialRebalanceDelayMs,
      sizeMax,
      save: (saved) => this.#saveGroup(saved),
    })
    entry = { group, offsets: new Map(), pending: new PendingOffsets() }
    this.#entries.set(groupId, entry)
    return entry
  }

  #setPending(
    entry: Entry,
    producerId: bigint,
    place: OffsetPlace,
    committed: CommittedOffset,
  ): void {
    this.#withPending.add(entry.group.groupId)
    entry.pending.set(producerId, place, committed)
  }

  #saveGroup(group: Group): Promise<number> {
    const builder = new BatchBuilder()
    builder.append(groupKey(group.groupId), groupValue(group), [], this.#options.clock.nowMs())
    return this.#options.topic.append(group.groupId, builder.build())
  }

  #replayBatch(partition: number, header: BatchHeader, bytes: Buffer): void {
    const records = decodeRecordsOf(bytes, header)
    if (header.isControl) {
      const marker = records[0] && decodeControlRecord(records[0])
      if (marker) this.endTransaction(partition, header.producerId, marker.type === 'commit')
      return
    }
    const producerId = header.isTransactional ? header.producerId : undefined
    for (const { key, value } of records)
      if (key) this.#replay(key, value, header.baseOffset, producerId)
  }

  #replay(key: Buffer, value: Buffer | null, logOffset: number, producerId?: bigint): void {
    const record = readOffsetsRecord(key, value, logOffset)
    if (!record) return
    if (record.kind === 'offset') {
      const entry = this.#entry(record.group)
      if (!record.committed) {
        entry.pending.delete(record)
        entry.offsets.get(record.topic)?.delete(record.partition)
      } else if (producerId === undefined) setOffset(entry, record, record.committed)
      else this.#setPending(entry, producerId, record, record.committed)
    } else if (record.kept) this.#entry(record.group).group.restore(record.kept)
    else this.#entries.delete(record.group)
  }
}

function setOffset(entry: Entry, at: OffsetPlace, committed: CommittedOffset): void {
  let partitions = entry.offsets.get(at.topic)
  if (!partitions) {
    partitions = new Map()
    entry.offsets.set(at.topic, partitions)
  }
  partitions.set(at.partition, committed)
}
