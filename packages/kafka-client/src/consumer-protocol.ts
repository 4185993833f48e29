import { Reader, Writer } from '@khlong/core/bytes'
import {
  decodeConsumerProtocolAssignment,
  decodeConsumerProtocolSubscription,
  encodeConsumerProtocolAssignment,
  encodeConsumerProtocolSubscription,
} from '@khlong/kafka-protocol/messages/consumer-protocol'
import type { TopicPartition } from './record.ts'
import { byTopic } from './transactions.ts'

// What members of a `consumer` group tell their leader, and what it tells them. Both begin with an
// int16 version; a newer one is read as far as we know it.

const versionMax = 3

/** What a member wants and has. */
export interface Subscription {
  readonly topics: readonly string[]
  readonly userData: Buffer | null
  readonly ownedPartitions: readonly TopicPartition[]
  /** Of the round in which the owned partitions were given; -1 where it is not known. */
  readonly generationId: number
}

/** What a member is given. */
export interface MemberAssignment {
  readonly partitions: readonly TopicPartition[]
  readonly userData?: Buffer | null | undefined
}

const grouped = (
  partitions: readonly TopicPartition[],
): { topic: string; partitions: number[] }[] =>
  [...byTopic(partitions)].map(([topic, list]) => ({
    topic,
    partitions: list.map((one) => one.partition),
  }))

const flat = (topics: readonly { topic: string; partitions: number[] }[]): TopicPartition[] =>
  topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))

export function encodeSubscription(subscription: Subscription): Buffer {
  const writer = new Writer().int16(versionMax)
  encodeConsumerProtocolSubscription(
    writer,
    {
      topics: [...subscription.topics].sort(),
      userData: subscription.userData,
      ownedPartitions: grouped(subscription.ownedPartitions),
      generationId: subscription.generationId,
    },
    versionMax,
  )
  return writer.take()
}

/** Userdata borrows `bytes`. */
export function decodeSubscription(bytes: Uint8Array): Subscription {
  const reader = new Reader(bytes)
  const version = Math.min(reader.int16(), versionMax)
  const decoded = decodeConsumerProtocolSubscription(reader, version)
  reader.finish(true)
  return {
    topics: decoded.topics,
    userData: decoded.userData,
    ownedPartitions: flat(decoded.ownedPartitions),
    generationId: decoded.generationId,
  }
}

export function encodeAssignment(assignment: MemberAssignment): Buffer {
  const writer = new Writer().int16(versionMax)
  encodeConsumerProtocolAssignment(
    writer,
    {
      assignedPartitions: grouped(assignment.partitions),
      userData: assignment.userData ?? null,
    },
    versionMax,
  )
  return writer.take()
}

/** Userdata borrows `bytes`. No bytes at all are an empty assignment. */
export function decodeAssignment(bytes: Uint8Array): MemberAssignment {
  if (bytes.byteLength === 0) return { partitions: [], userData: null }
  const reader = new Reader(bytes)
  const version = Math.min(reader.int16(), versionMax)
  const decoded = decodeConsumerProtocolAssignment(reader, version)
  reader.finish(true)
  return { partitions: flat(decoded.assignedPartitions), userData: decoded.userData }
}
