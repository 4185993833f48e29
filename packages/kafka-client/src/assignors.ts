import type { MemberAssignment, Subscription } from './consumer-protocol.ts'
import type { TopicPartition } from './record.ts'
import { assignSticky } from './sticky-assignment.ts'
import type { GroupMetadata } from './transactions.ts'

/** A member of a consumer group as an assignor sees it. */
export interface SubscribedMember extends Subscription {
  readonly memberId: string
  readonly groupInstanceId: string | null
}

/** A way of sharing partitions among the members of a consumer group. */
export interface Assignor {
  /** What members agree on; the same in every language. */
  readonly name: string
  /**
   * Whether members may keep their partitions while the group changes (KIP-429): then a partition
   * that moves is given to nobody in the round in which its owner learns of it.
   */
  readonly isCooperative?: boolean
  /** What the leader shall know of this member, asked before each join. */
  userData?(topics: readonly string[]): Buffer | null
  /** Asked of the leader. `topics` has the partition count of every subscribed topic that exists. */
  assign(
    members: readonly SubscribedMember[],
    topics: ReadonlyMap<string, number>,
  ): ReadonlyMap<string, MemberAssignment> | Promise<ReadonlyMap<string, MemberAssignment>>
  /** Told to every member, before its partitions are read. */
  onAssignment?(assignment: MemberAssignment, group: GroupMetadata): void | Promise<void>
}

/** Members in the order that Kafka's assignors have: by instance id, then by member id. */
export function inOrder(members: readonly SubscribedMember[]): SubscribedMember[] {
  const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
  return [...members].sort((a, b) => {
    if (a.groupInstanceId !== null && b.groupInstanceId !== null)
      return compare(a.groupInstanceId, b.groupInstanceId)
    if (a.groupInstanceId !== null) return -1
    if (b.groupInstanceId !== null) return 1
    return compare(a.memberId, b.memberId)
  })
}

const finish = (
  parts: ReadonlyMap<string, readonly TopicPartition[]>,
): Map<string, MemberAssignment> =>
  new Map([...parts].map(([memberId, partitions]) => [memberId, { partitions }]))

/** Kafka's `range`: of each topic, members get neighbouring partitions; the first ones get one more. */
export const rangeAssignor: Assignor = {
  name: 'range',
  assign(members, topics) {
    const parts = new Map<string, TopicPartition[]>(members.map((one) => [one.memberId, []]))
    const ordered = inOrder(members)
    for (const [topic, count] of [...topics].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const readers = ordered.filter((member) => member.topics.includes(topic))
      const each = Math.floor(count / readers.length)
      const more = count % readers.length
      let partition = 0
      for (const [index, reader] of readers.entries())
        for (let left = each + (index < more ? 1 : 0); left > 0; left--)
          parts.get(reader.memberId)!.push({ topic, partition: partition++ })
    }
    return finish(parts)
  },
}

/** Kafka's `roundrobin`: all partitions of all topics, dealt out one by one. */
export const roundRobinAssignor: Assignor = {
  name: 'roundrobin',
  assign(members, topics) {
    const parts = new Map<string, TopicPartition[]>(members.map((one) => [one.memberId, []]))
    const ordered = inOrder(members)
    let turn = 0
    for (const [topic, count] of [...topics].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (!ordered.some((member) => member.topics.includes(topic))) continue
      for (let partition = 0; partition < count; partition++) {
        while (!ordered[turn % ordered.length]!.topics.includes(topic)) turn++
        parts.get(ordered[turn++ % ordered.length]!.memberId)!.push({ topic, partition })
      }
    }
    return finish(parts)
  },
}

/** Kafka's `cooperative-sticky`: even, with as few moves as that takes, in two rounds where any move. */
export const cooperativeStickyAssignor: Assignor = {
  name: 'cooperative-sticky',
  isCooperative: true,
  assign(members, topics) {
    const ordered = inOrder(members)
    const { parts, owners } = assignSticky(ordered, topics)
    for (const [memberId, partitions] of parts)
      parts.set(
        memberId,
        partitions.filter((one) => {
          const owner = owners.get(`${one.partition}:${one.topic}`)
          return owner === undefined || owner === memberId
        }),
      )
    return finish(parts)
  },
}

/** The assignors that a name in `partition.assignment.strategy` can stand for; Java's names too. */
export const assignorsByName: Readonly<Record<string, Assignor>> = {
  range: rangeAssignor,
  roundrobin: roundRobinAssignor,
  'cooperative-sticky': cooperativeStickyAssignor,
  'org.apache.kafka.clients.consumer.RangeAssignor': rangeAssignor,
  'org.apache.kafka.clients.consumer.RoundRobinAssignor': roundRobinAssignor,
  'org.apache.kafka.clients.consumer.CooperativeStickyAssignor': cooperativeStickyAssignor,
}
