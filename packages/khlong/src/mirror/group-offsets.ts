import type { Admin, OffsetToCommit, TopicPartition } from '@khlong/kafka-client'
import { KhlongError } from '../errors.ts'
import type { Position, Positions } from './positions.ts'
import { countRecords } from './walk.ts'

/** What a group's offsets come to at the target. */
export interface CopiedGroup {
  readonly groupId: string
  readonly offsets: readonly OffsetToCommit[]
}

/**
 * The offset of the target that has the record which the source has at `offset`, or the next one that there
 * is. Where offsets are the same that is known; elsewhere the records from there on are counted.
 */
export async function translateOffset(
  source: Admin,
  place: TopicPartition,
  offset: number,
  position: Position,
): Promise<number> {
  const { equal } = position
  if (equal && offset >= equal.from) return Math.min(offset, position.target)
  const to = equal?.from ?? position.source
  const [count] = await countRecords(source.client, [{ ...place, from: offset, to }])
  return (equal?.before ?? position.target) - count!
}

/**
 * Commits the offsets of all groups at the target, translated, with what the groups have noted beside them.
 * The source has to be at rest, and copied to its end.
 */
export async function copyGroups(
  source: Admin,
  target: Admin,
  positions: Positions,
): Promise<CopiedGroup[]> {
  const groups: CopiedGroup[] = []
  for (const { groupId } of await source.listGroups()) {
    const offsets: OffsetToCommit[] = []
    for (const committed of await source.listConsumerGroupOffsets(groupId)) {
      const { topic, partition, metadata } = committed
      const position = positions.of(topic, partition)
      if (!position) continue
      const offset = await translateOffset(source, committed, committed.offset, position)
      offsets.push({ topic, partition, offset, metadata })
    }
    if (offsets.length === 0) continue
    const [found] = await target.describeGroups([groupId])
    if (found && found.members.length > 0)
      throw new KhlongError(
        'KHLONG_MIRROR_IMPOSSIBLE',
        `group ${groupId} has ${found.members.length} members at the target already; stop what reads there, and run the command again`,
        { fields: { groupId } },
      )
    await target.alterConsumerGroupOffsets(groupId, offsets)
    groups.push({ groupId, offsets })
  }
  return groups
}

/** The offsets of groups that are not at the target what they are to be there; empty where all are. */
export async function compareGroups(
  source: Admin,
  target: Admin,
  positions: Positions,
): Promise<{ groups: number; differences: string[] }> {
  const differences: string[] = []
  let groups = 0
  for (const { groupId } of await source.listGroups()) {
    const committed = (await source.listConsumerGroupOffsets(groupId)).filter(
      ({ topic, partition }) => positions.of(topic, partition),
    )
    if (committed.length === 0) continue
    groups++
    const found = await target.listConsumerGroupOffsets(groupId)
    for (const one of committed) {
      const { topic, partition } = one
      const expected = await translateOffset(
        source,
        one,
        one.offset,
        positions.of(topic, partition)!,
      )
      const offset = found.find(
        (other) => other.topic === topic && other.partition === partition,
      )?.offset
      // A group that goes on at the target is ahead by now.
      if (offset === undefined || offset < expected)
        differences.push(
          `group ${groupId}: ${topic}-${partition} is at ${offset ?? 'no offset'}, expected ${expected}`,
        )
    }
  }
  return { groups, differences }
}
