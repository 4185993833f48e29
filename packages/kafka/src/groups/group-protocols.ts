import { Reader } from '@khlong/core/bytes'
import { decodeConsumerProtocolSubscription } from '@khlong/kafka-protocol/messages/consumer-protocol'
import type { GroupMember, Protocol } from './group-member.ts'

export function supports(member: GroupMember, protocolName: string): boolean {
  return member.protocols.some(({ name }) => name === protocolName)
}

export function metadataOf(member: GroupMember, protocolName: string): Buffer | undefined {
  return member.protocols.find(({ name }) => name === protocolName)?.metadata
}

export function hasSameProtocols(member: GroupMember, protocols: readonly Protocol[]): boolean {
  return (
    member.protocols.length === protocols.length &&
    member.protocols.every(
      ({ name, metadata }, index) =>
        protocols[index]?.name === name && protocols[index].metadata.equals(metadata),
    )
  )
}

/** The topics that a member of a group of consumers says it subscribes to. */
export function subscribedTopics(metadata: Buffer): readonly string[] {
  const reader = new Reader(metadata)
  const version = Math.max(0, Math.min(reader.int16(), 3))
  return decodeConsumerProtocolSubscription(reader, version).topics
}

/** Each member votes for the first of its protocols that all support. */
export function electProtocol(members: readonly GroupMember[]): string {
  const votes = new Map<string, number>()
  for (const member of members) {
    const choice = member.protocols.find(({ name }) => members.every((m) => supports(m, name)))
    if (choice) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1)
  }
  let elected = ''
  for (const [name, count] of votes) if (count > (votes.get(elected) ?? 0)) elected = name
  return elected
}

/** A rebalance waits as long as the slowest member may take. */
export function rebalanceTimeoutMs(members: Iterable<GroupMember>): number {
  let timeoutMs = 0
  for (const member of members) timeoutMs = Math.max(timeoutMs, member.rebalanceTimeoutMs)
  return timeoutMs
}
