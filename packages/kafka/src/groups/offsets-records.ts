import { Reader, Writer } from '@khlong/core/bytes'
import {
  decodeGroupMetadataKey,
  decodeGroupMetadataValue,
  encodeGroupMetadataKey,
  encodeGroupMetadataValue,
} from '@khlong/kafka-protocol/messages/group-metadata-record'
import {
  decodeOffsetCommitKey,
  decodeOffsetCommitValue,
  encodeOffsetCommitKey,
  encodeOffsetCommitValue,
} from '@khlong/kafka-protocol/messages/offset-commit-record'
import type { Group } from './group.ts'
import type { GroupMember } from './group-member.ts'

// Records of __consumer_offsets, in Kafka's own formats: an int16 version, then the message. Keys of
// version 0 and 1 are committed offsets, of version 2 groups; a null value is a tombstone.

const offsetKeyVersion = 1
const groupKeyVersion = 2
const valueVersion = 3

export interface CommittedOffset {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
  readonly commitTimestampMs: number
  /** Of its batch in the offsets topic. */
  readonly logOffset: number
}

export interface KeptGroup {
  readonly generation: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string | null
  readonly stateTimestampMs: number
  readonly members: readonly GroupMember[]
}

export type OffsetsRecord =
  | {
      readonly kind: 'offset'
      readonly group: string
      readonly topic: string
      readonly partition: number
      readonly committed: CommittedOffset | undefined
    }
  | { readonly kind: 'group'; readonly group: string; readonly kept: KeptGroup | undefined }

const writer = new Writer(1_024)

export function offsetKey(group: string, topic: string, partition: number): Buffer {
  writer.reset().int16(offsetKeyVersion)
  encodeOffsetCommitKey(writer, { group, topic, partition }, offsetKeyVersion)
  return writer.copy()
}

export function offsetValue(committed: Omit<CommittedOffset, 'logOffset'>): Buffer {
  writer.reset().int16(valueVersion)
  const { offset, leaderEpoch, metadata, commitTimestampMs } = committed
  const value = { offset, leaderEpoch, metadata, commitTimestamp: commitTimestampMs }
  encodeOffsetCommitValue(writer, value, valueVersion)
  return writer.copy()
}

export function groupKey(group: string): Buffer {
  writer.reset().int16(groupKeyVersion)
  encodeGroupMetadataKey(writer, { group }, groupKeyVersion)
  return writer.copy()
}

export function groupValue(group: Group): Buffer {
  writer.reset().int16(valueVersion)
  const { protocolName } = group
  encodeGroupMetadataValue(
    writer,
    {
      protocolType: group.protocolType ?? '',
      generation: group.generation,
      protocol: protocolName,
      leader: group.leader,
      currentStateTimestamp: group.stateTimestampMs,
      members: [...group.members.values()].map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeout: member.rebalanceTimeoutMs,
        sessionTimeout: member.sessionTimeoutMs,
        subscription:
          member.protocols.find(({ name }) => name === protocolName)?.metadata ?? Buffer.alloc(0),
        assignment: member.assignment,
      })),
    },
    valueVersion,
  )
  return writer.copy()
}

/** Reads a record; undefined for kinds that this broker does not keep. Owns what it gives. */
export function readOffsetsRecord(
  key: Buffer,
  value: Buffer | null,
  logOffset: number,
): OffsetsRecord | undefined {
  const reader = new Reader(key)
  const version = reader.int16()
  if (version === 0 || version === 1) {
    const { group, topic, partition } = decodeOffsetCommitKey(reader, version)
    reader.finish()
    return { kind: 'offset', group, topic, partition, committed: readOffset(value, logOffset) }
  }
  if (version !== groupKeyVersion) return undefined
  const { group } = decodeGroupMetadataKey(reader, version)
  reader.finish()
  return { kind: 'group', group, kept: readGroup(value) }
}

function readOffset(value: Buffer | null, logOffset: number): CommittedOffset | undefined {
  if (!value) return undefined
  const reader = new Reader(value)
  const decoded = decodeOffsetCommitValue(reader, reader.int16())
  reader.finish()
  return {
    offset: decoded.offset,
    leaderEpoch: decoded.leaderEpoch,
    metadata: decoded.metadata,
    commitTimestampMs: decoded.commitTimestamp,
    logOffset,
  }
}

function readGroup(value: Buffer | null): KeptGroup | undefined {
  if (!value) return undefined
  const reader = new Reader(value)
  const decoded = decodeGroupMetadataValue(reader, reader.int16())
  reader.finish()
  const protocolName = decoded.protocol
  return {
    generation: decoded.generation,
    protocolType: decoded.protocolType === '' ? null : decoded.protocolType,
    protocolName,
    leader: decoded.leader,
    stateTimestampMs: decoded.currentStateTimestamp,
    members: decoded.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      sessionTimeoutMs: member.sessionTimeout,
      rebalanceTimeoutMs: member.rebalanceTimeout,
      protocols: [{ name: protocolName ?? '', metadata: Buffer.from(member.subscription) }],
      assignment: Buffer.from(member.assignment),
      isNew: false,
      joinAnswer: undefined,
      syncAnswer: undefined,
      timer: undefined,
    })),
  }
}
