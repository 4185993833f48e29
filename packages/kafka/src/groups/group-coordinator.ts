import type { Clock, Logger } from '@khlong/core'
import { ErrorCode } from '@khlong/kafka-protocol'
import { BatchBuilder, batchHeaders, decodeRecordsOf } from '@khlong/kafka-protocol/records'
import { KafkaError } from '../errors.ts'
import type { Committer } from '../log/committer.ts'
import type { PartitionLog } from '../log/partition-log.ts'
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

export interface GroupCoordinatorOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly committer: Committer
  readonly initialRebalanceDelayMs: number
  readonly sizeMax: number
  readonly retentionMs: number
  readonly offsetMetadataBytesMax: number
  /** The partitions of `__consumer_offsets`; makes the topic where it is missing and `mayCreate` is set. */
  readonly partitions: (
    mayCreate: boolean,
  ) => Promise<readonly (PartitionLog | undefined)[] | undefined>
}

export interface OffsetToCommit {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string | null
}

interface Entry {
  readonly group: Group
  /** By topic, then by partition. */
  readonly offsets: Map<string, Map<number, CommittedOffset>>
}

/** All groups, and their offsets, kept in the topic `__consumer_offsets` as Kafka keeps them. */
export class GroupCoordinator {
  readonly #options: GroupCoordinatorOptions
  readonly #entries = new Map<string, Entry>()
  #partitions: readonly (PartitionLog | undefined)[] | undefined
  #opening: Promise<void> | undefined

  constructor(options: GroupCoordinatorOptions) {
    this.#options = options
  }

  /** Reads what was kept, where the topic is there already. */
  async load(): Promise<void> {
    const partitions = await this.#options.partitions(false)
    if (!partitions) return
    this.#partitions = partitions
    for (const log of partitions) if (log) await this.#loadPartition(log)
    for (const { group } of this.#entries.values()) group.resume()
  }

  /**
   * Resolves when groups can be kept.
   *
   * @throws KafkaError where the offsets topic cannot be made just now.
   */
  async ready(): Promise<void> {
    if (this.#partitions) return
    this.#opening ??= this.#options
      .partitions(true)
      .then((partitions) => {
        this.#partitions = partitions
      })
      .finally(() => {
        this.#opening = undefined
      })
    await this.#opening
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

  /** Commits offsets for a member (or, with generation -1, for nobody); an error code for each. */
  async commit(
    groupId: string,
    member: MemberRequest,
    offsets: readonly OffsetToCommit[],
  ): Promise<number[]> {
    const all = (errorCode: number): number[] => offsets.map(() => errorCode)
    const known = this.#entries.get(groupId)
    if (!known && member.generation >= 0) return all(ErrorCode.illegalGeneration)
    const refusal = known?.group.commitRefusal(member) ?? ErrorCode.none
    if (refusal !== ErrorCode.none) return all(refusal)
    const { clock, offsetMetadataBytesMax } = this.#options
    const nowMs = clock.nowMs()
    const isTooLarge = (offset: OffsetToCommit): boolean =>
      Buffer.byteLength(offset.metadata ?? '') > offsetMetadataBytesMax
    const good = offsets.filter((offset) => !isTooLarge(offset))
    const builder = new BatchBuilder()
    const committed = good.map((offset) => {
      const value: CommittedOffset = {
        offset: offset.offset,
        leaderEpoch: offset.leaderEpoch,
        metadata: offset.metadata ?? '',
        commitTimestampMs: nowMs,
      }
      const key = offsetKey(groupId, offset.topic, offset.partition)
      builder.append(key, offsetValue(value), [], nowMs)
      return { offset, value }
    })
    const errorCode = good.length > 0 ? await this.#append(groupId, builder) : ErrorCode.none
    if (errorCode === ErrorCode.none) {
      const entry = this.#entry(groupId)
      for (const { offset, value } of committed) setOffset(entry, offset, value)
    }
    return offsets.map((offset) =>
      isTooLarge(offset) ? ErrorCode.offsetMetadataTooLarge : errorCode,
    )
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
    const errorCode = await this.#append(groupId, builder)
    if (errorCode !== ErrorCode.none) return errorCode
    for (const { topic, partition } of partitions) {
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
    builder.append(groupKey(groupId), null, [], nowMs)
    const errorCode = await this.#append(groupId, builder)
    if (errorCode !== ErrorCode.none) return errorCode
    entry.group.state = 'Dead'
    entry.group.close()
    this.#entries.delete(groupId)
    return ErrorCode.none
  }

  /** Offsets of a topic that is gone mean nothing. */
  forgetTopic(topic: string): void {
    for (const [groupId, entry] of this.#entries) {
      const partitions = [...(entry.offsets.get(topic)?.keys() ?? [])]
      const gone = partitions.map((partition) => ({ topic, partition }))
      this.deleteOffsets(groupId, gone).catch((error) => {
        this.#options.logger.warn({ group: groupId, topic, err: error }, 'offsets were not deleted')
      })
    }
  }

  /** Removes the offsets of groups that have been empty for longer than the retention. */
  async expire(): Promise<void> {
    const beforeMs = this.#options.clock.nowMs() - this.#options.retentionMs
    for (const [groupId, { group, offsets }] of this.#entries) {
      if (!group.isEmpty || group.stateTimestampMs > beforeMs) continue
      const expired: { topic: string; partition: number }[] = []
      let kept = 0
      for (const [topic, partitions] of offsets)
        for (const [partition, { commitTimestampMs }] of partitions)
          if (commitTimestampMs <= beforeMs) expired.push({ topic, partition })
          else kept++
      if (kept === 0) await this.deleteGroup(groupId)
      else await this.deleteOffsets(groupId, expired)
    }
  }

  close(): void {
    for (const { group } of this.#entries.values()) group.close()
    this.#entries.clear()
    this.#partitions = undefined
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
    entry = { group, offsets: new Map() }
    this.#entries.set(groupId, entry)
    return entry
  }

  #saveGroup(group: Group): Promise<number> {
    const builder = new BatchBuilder()
    builder.append(groupKey(group.groupId), groupValue(group), [], this.#options.clock.nowMs())
    return this.#append(group.groupId, builder)
  }

  async #append(groupId: string, builder: BatchBuilder): Promise<number> {
    const partitions = this.#partitions
    const log = partitions?.[partitionOf(groupId, partitions.length)]
    if (!log) return ErrorCode.coordinatorNotAvailable
    try {
      log.append(builder.build(), 'broker')
      const round = this.#options.committer.enqueue(log)
      await round.flushed
      return round.failures.has(log) ? ErrorCode.coordinatorNotAvailable : ErrorCode.none
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      this.#options.logger.error({ group: groupId, err: error }, 'offsets could not be written')
      return ErrorCode.coordinatorNotAvailable
    }
  }

  async #loadPartition(log: PartitionLog): Promise<void> {
    for (let offset = log.logStartOffset; offset < log.highWatermark; ) {
      const bytes = Buffer.concat(await log.read(offset, 1024 * 1024, true))
      if (bytes.byteLength === 0) return
      for (const header of batchHeaders(bytes)) {
        offset = header.lastOffset + 1
        if (header.isControl) continue
        for (const { key, value } of decodeRecordsOf(bytes, header))
          if (key) this.#replay(key, value)
      }
    }
  }

  #replay(key: Buffer, value: Buffer | null): void {
    const record = readOffsetsRecord(key, value)
    if (!record) return
    if (record.kind === 'offset') {
      const entry = this.#entry(record.group)
      if (record.committed) setOffset(entry, record, record.committed)
      else entry.offsets.get(record.topic)?.delete(record.partition)
    } else if (record.kept) this.#entry(record.group).group.restore(record.kept)
    else this.#entries.delete(record.group)
  }
}

function setOffset(
  entry: Entry,
  at: { readonly topic: string; readonly partition: number },
  committed: CommittedOffset,
): void {
  let partitions = entry.offsets.get(at.topic)
  if (!partitions) {
    partitions = new Map()
    entry.offsets.set(at.topic, partitions)
  }
  partitions.set(at.partition, committed)
}

/** Java's `String.hashCode`, made positive, modulo the partitions: where Kafka keeps a group. */
export function partitionOf(groupId: string, partitionCount: number): number {
  let hash = 0
  for (let index = 0; index < groupId.length; index++)
    hash = (Math.imul(hash, 31) + groupId.charCodeAt(index)) | 0
  return (hash & 0x7fff_ffff) % partitionCount
}
