import type { TopicPartition } from './record.ts'

/** A member as far as stickiness goes. */
export interface StickyMember {
  readonly memberId: string
  readonly topics: readonly string[]
  readonly ownedPartitions: readonly TopicPartition[]
  readonly generationId: number
}

const keyOf = (one: TopicPartition): string => `${one.partition}:${one.topic}`

/**
 * Shares partitions so that counts differ by at most one where subscriptions allow it, and every
 * member keeps as much of what it owns as that leaves it. Gives the parts, and who owned what before.
 */
export function assignSticky(
  members: readonly StickyMember[],
  topics: ReadonlyMap<string, number>,
): { parts: Map<string, TopicPartition[]>; owners: Map<string, string> } {
  const owners = findOwners(members, topics)
  const parts = new Map<string, TopicPartition[]>(members.map((one) => [one.memberId, []]))
  const free: TopicPartition[] = []
  for (const [topic, count] of [...topics].sort(([a], [b]) => (a < b ? -1 : 1)))
    for (let partition = 0; partition < count; partition++) {
      const owner = owners.get(`${partition}:${topic}`)
      if (owner === undefined) free.push({ topic, partition })
      else parts.get(owner)!.push({ topic, partition })
    }
  for (const one of free) {
    const readers = members.filter((member) => member.topics.includes(one.topic))
    let least: TopicPartition[] | undefined
    for (const { memberId } of readers) {
      const part = parts.get(memberId)!
      if (!least || part.length < least.length) least = part
    }
    least?.push(one)
  }
  level(members, parts)
  return { parts, owners }
}

/** The owner of each partition; where two say so, the one of the later generation, or neither. */
function findOwners(
  members: readonly StickyMember[],
  topics: ReadonlyMap<string, number>,
): Map<string, string> {
  const claims = new Map<string, { memberId: string; generationId: number; isShared: boolean }>()
  for (const { memberId, generationId, ownedPartitions, topics: wanted } of members)
    for (const one of ownedPartitions) {
      if (one.partition >= (topics.get(one.topic) ?? 0) || !wanted.includes(one.topic)) continue
      const key = keyOf(one)
      const known = claims.get(key)
      if (!known || generationId > known.generationId)
        claims.set(key, { memberId, generationId, isShared: false })
      else if (generationId === known.generationId) known.isShared = true
    }
  const owners = new Map<string, string>()
  for (const [key, claim] of claims) if (!claim.isShared) owners.set(key, claim.memberId)
  return owners
}

/** Moves partitions from those with more to those with less, while that makes it more even. */
function level(members: readonly StickyMember[], parts: Map<string, TopicPartition[]>): void {
  for (;;) {
    let best: { from: TopicPartition[]; to: TopicPartition[]; at: number } | undefined
    for (const { memberId: fromId } of members) {
      const from = parts.get(fromId)!
      for (const { memberId: toId, topics } of members) {
        const to = parts.get(toId)!
        const gain = from.length - to.length
        if (gain < 2 || (best && gain <= best.from.length - best.to.length)) continue
        const at = from.findLastIndex((one) => topics.includes(one.topic))
        if (at >= 0) best = { from, to, at }
      }
    }
    if (!best) return
    best.to.push(...best.from.splice(best.at, 1))
  }
}
