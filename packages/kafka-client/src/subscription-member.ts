import { ErrorCode } from '@khlong/kafka-protocol'
import { describeGroups } from './admin-groups.ts'
import type { Assignor, SubscribedMember } from './assignors.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './consumer-protocol.ts'
import { clientError, type KafkaClientError } from './errors.ts'
import type { Fetcher } from './fetcher.ts'
import {
  type Generation,
  GroupMember,
  type GroupProtocol,
  type JoinedMember,
  type LeaveOptions,
} from './group-member.ts'
import { fetchCommittedOffsets } from './group-offsets.ts'
import type { KafkaClient } from './kafka-client.ts'
import type { ResolvedGroupOptions } from './options.ts'
import type { TopicPartition } from './record.ts'

/**
 * Is told when partitions come and go. Calls are made within `poll` (and `close`), and awaited before
 * the group goes on: nobody else reads a partition until `onPartitionsRevoked` for it has ended.
 */
export interface RebalanceListener {
  /** Partitions that were not there before; a `seek` here decides where reading begins. */
  onPartitionsAssigned?(partitions: readonly TopicPartition[]): void | Promise<void>
  /** The last moment to commit for these. Their records are not given any more. */
  onPartitionsRevoked?(partitions: readonly TopicPartition[]): void | Promise<void>
  /** As revoked, but others may have them already; commits for them fail. Default: as revoked. */
  onPartitionsLost?(partitions: readonly TopicPartition[]): void | Promise<void>
}

export interface SubscriptionMemberOptions {
  readonly client: KafkaClient
  readonly options: ResolvedGroupOptions
  /** Whether committed offsets are read behind transactions that are about to end. */
  readonly isStable: boolean
  readonly assignors: readonly Assignor[]
  readonly fetcher: Fetcher
  /** Runs what tells the user of partitions while the user polls. */
  readonly inPoll: (job: () => Promise<void>) => Promise<void>
  readonly beforeRevoke: () => Promise<void>
  readonly onFailure: (error: KafkaClientError) => void
}

const keyOf = (one: TopicPartition): string => `${one.partition}:${one.topic}`
const watchIntervalMs = 1_000

/**
 * A consumer's place in its group: subscriptions out, partitions in.
 *
 * Eager assignors take everything back before each join; where all are cooperative (KIP-429) a member
 * keeps what it has, gives back only what the new round takes away, and then asks for another round.
 */
export class SubscriptionMember {
  readonly #options: SubscriptionMemberOptions
  readonly #member: GroupMember
  readonly #isCooperative: boolean
  #wanted: readonly string[] | RegExp = []
  #topics: readonly string[] = []
  #listener: RebalanceListener = {}
  #owned: readonly TopicPartition[] = []
  /** Of those that are owned, which are read and were told of: all, unless a part of a round failed. */
  readonly #begun = new Set<string>()
  #ownedGeneration = -1
  /** Partition counts that the last assignment was made with; only the leader has them. */
  #assignedCounts: ReadonlyMap<string, number> | undefined
  #watchTimer: NodeJS.Timeout | undefined
  #lastPollMs = performance.now()
  #lastLookMs = performance.now()
  #isStarted = false
  #isLeaving = false

  constructor(options: SubscriptionMemberOptions) {
    this.#options = options
    this.#isCooperative = options.assignors.every((assignor) => assignor.isCooperative === true)
    this.#member = new GroupMember(
      options.options,
      {
        protocols: () => this.#protocols(),
        assign: (protocol, members) => this.#assign(protocol, members),
        onAssignmentSkipped: (members) => this.#onAssignmentSkipped(members),
        onPrepare: () => this.#onPrepare(),
        onAssigned: (assignment, generation) => this.#onAssigned(assignment, generation),
        onLost: (error) => this.#onLost(error),
        onFailure: (error) => options.onFailure(error),
      },
      { client: options.client },
    )
  }

  get generation(): Generation | undefined {
    return this.#member.generation
  }

  subscribe(topics: readonly string[] | RegExp, listener: RebalanceListener): void {
    this.#wanted = topics
    this.#listener = listener
    if (this.#isStarted) this.#member.rejoin()
  }

  rejoin(): void {
    this.#member.rejoin()
  }

  start(): void {
    this.#isStarted = true
    this.#member.start()
    this.#watch()
  }

  notePoll(): void {
    this.#lastPollMs = performance.now()
  }

  async leave(options: LeaveOptions): Promise<void> {
    this.#isLeaving = true
    clearTimeout(this.#watchTimer)
    await this.#options.beforeRevoke()
    await this.#giveBack(this.#owned)
    await this.#member.leave(options)
  }

  // ---- What the group asks

  async #protocols(): Promise<GroupProtocol[]> {
    await this.#findTopics()
    return this.#options.assignors.map((assignor) => ({
      name: assignor.name,
      metadata: encodeSubscription({
        topics: this.#topics,
        userData: assignor.userData?.(this.#topics) ?? null,
        ownedPartitions: this.#owned,
        generationId: this.#ownedGeneration,
      }),
    }))
  }

  async #assign(
    protocol: string,
    joined: readonly JoinedMember[],
  ): Promise<ReadonlyMap<string, Uint8Array>> {
    const assignor = this.#options.assignors.find((one) => one.name === protocol)
    if (!assignor)
      throw clientError(
        'KAFKA_CLIENT_INVALID_STATE',
        `the group chose ${protocol}, which nobody offered`,
      )
    const members: SubscribedMember[] = joined.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      ...decodeSubscription(member.metadata),
    }))
    const names = [...new Set(members.flatMap((member) => member.topics))]
    const counts = await this.#partitionCounts(names)
    const parts = await assignor.assign(members, counts)
    // What the assignor itself has made (internal topics) belongs to what the parts were made with.
    this.#assignedCounts = await this.#partitionCounts(names)
    return new Map([...parts].map(([memberId, part]) => [memberId, encodeAssignment(part)]))
  }

  /**
   * What was assigned before this member came back may be less than there is by now: a topic may have
   * come or grown while nobody led. The next look compares it with what the members have.
   */
  async #onAssignmentSkipped(joined: readonly JoinedMember[]): Promise<void> {
    const { client, options } = this.#options
    const groupId = options['group.id']
    const given = new Map<string, number>()
    const names = new Set(joined.flatMap(({ metadata }) => decodeSubscription(metadata).topics))
    try {
      const [group] = await describeGroups(client, [groupId])
      const places = new Map(
        group!.members.flatMap(({ partitions }) => partitions.map((one) => [keyOf(one), one])),
      )
      for (const { topic } of places.values())
        if (names.has(topic)) given.set(topic, (given.get(topic) ?? 0) + 1)
    } catch (error) {
      // Nothing is known of what others have: a new round gives everything out anew.
      client.logger.debug({ group: groupId, err: error }, 'Kafka group could not be described')
    }
    this.#assignedCounts = given
    this.#lastLookMs = Number.NEGATIVE_INFINITY
  }

  async #onPrepare(): Promise<void> {
    if (this.#isLeaving) return
    this.#assignedCounts = undefined
    if (!this.#isCooperative) {
      const { length } = this.#owned
      if (length > 0) await this.#inPoll(() => this.#revoke(this.#owned))
      return
    }
    const wanted = new Set(this.#topics)
    const unwanted = this.#owned.filter((one) => !wanted.has(one.topic))
    if (unwanted.length > 0) await this.#inPoll(() => this.#revoke(unwanted))
  }

  async #onAssigned(bytes: Buffer, generation: Generation): Promise<void> {
    if (this.#isLeaving) return
    const assignment = decodeAssignment(bytes)
    const assignor = this.#options.assignors.find((one) => one.name === generation.protocol)
    const assigned = new Set(assignment.partitions.map(keyOf))
    const revoked = this.#owned.filter((one) => !assigned.has(keyOf(one)))
    await this.#inPoll(async () => {
      if (revoked.length > 0) await this.#revoke(revoked)
      await assignor?.onAssignment?.(assignment, generation)
      this.#owned = assignment.partitions
      this.#ownedGeneration = generation.generationId
      // What failed is tried with the next round; those partitions begin anew, where the group has committed.
      const added = this.#owned.filter((one) => !this.#begun.has(keyOf(one)))
      await this.#begin(added)
      await this.#listener.onPartitionsAssigned?.(added)
      for (const one of added) this.#begun.add(keyOf(one))
    })
    // Others wait for what was given back: it is shared out in the next round.
    if (this.#isCooperative && revoked.length > 0) this.#member.rejoin()
  }

  async #onLost(error: KafkaClientError): Promise<void> {
    if (this.#isLeaving) return
    this.#options.client.logger.warn(
      { group: this.#options.options['group.id'], err: error },
      'Kafka consumer lost its place in the group',
    )
    this.#ownedGeneration = -1
    const lost = this.#owned
    if (lost.length === 0) return
    await this.#inPoll(async () => {
      this.#owned = []
      this.#begun.clear()
      this.#options.fetcher.assign([])
      const listener = this.#listener
      if (listener.onPartitionsLost) await listener.onPartitionsLost(lost)
      else await listener.onPartitionsRevoked?.(lost)
    })
  }

  // ---- Partitions

  /** A user that went away holds up nobody: without a poll nothing is told, and leaving ends the wait. */
  #inPoll(job: () => Promise<void>): Promise<void> {
    return this.#options.inPoll(async () => {
      if (!this.#isLeaving) await job()
    })
  }

  async #revoke(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#options.beforeRevoke()
    await this.#giveBack(partitions)
  }

  async #giveBack(partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length === 0) return
    const { fetcher } = this.#options
    const gone = new Set(partitions.map(keyOf))
    fetcher.pause(fetcher.assignment.filter((one) => gone.has(keyOf(one))))
    await this.#listener.onPartitionsRevoked?.(partitions)
    for (const key of gone) this.#begun.delete(key)
    this.#owned = this.#owned.filter((one) => !gone.has(keyOf(one)))
    fetcher.assign(this.#owned.filter((one) => this.#begun.has(keyOf(one))))
  }

  /** Reads what is owned; what is new begins where the group has committed. */
  async #begin(added: readonly TopicPartition[]): Promise<void> {
    const committed = new Map<string, number>()
    if (added.length > 0)
      for (const one of await fetchCommittedOffsets(
        this.#options.client,
        this.#options.options['group.id'],
        added,
        { isStable: this.#options.isStable },
      ))
        if (one.offset >= 0) committed.set(keyOf(one), one.offset)
    this.#options.fetcher.assign(
      this.#owned.map((one) => {
        const offset = committed.get(keyOf(one))
        return offset === undefined ? one : { ...one, offset }
      }),
    )
  }

  // ---- Topics

  #isUnknown(topic: string): boolean {
    return (
      this.#options.client.metadata.errorOf(topic) === (ErrorCode.unknownTopicOrPartition as number)
    )
  }

  async #findTopics(): Promise<void> {
    const wanted = this.#wanted
    const { client } = this.#options
    if (!(wanted instanceof RegExp)) {
      this.#topics = wanted
      return
    }
    await client.refreshMetadata(null)
    this.#topics = client.metadata.topics
      .filter((topic) => !topic.isInternal && wanted.test(topic.name))
      .map((topic) => topic.name)
  }

  async #partitionCounts(names: readonly string[]): Promise<Map<string, number>> {
    const { client } = this.#options
    await client.retrying('metadata of subscribed topics', () => client.refreshMetadata(names))
    const counts = new Map<string, number>()
    for (const name of names) {
      const count = client.metadata.topic(name)?.partitions.length ?? 0
      if (count > 0) counts.set(name, count)
    }
    return counts
  }

  /** Looks, now and then, whether topics appeared, went or grew, and whether the user still polls. */
  #watch(): void {
    this.#watchTimer = setTimeout(() => {
      void this.#look()
        .catch((error: unknown) => {
          this.#options.client.logger.debug({ err: error }, 'Kafka topics could not be looked at')
        })
        .finally(() => {
          if (!this.#isLeaving) this.#watch()
        })
    }, watchIntervalMs)
  }

  async #look(): Promise<void> {
    const idleMs = performance.now() - this.#lastPollMs
    if (idleMs > this.#options.options['max.poll.interval.ms'] && this.#owned.length > 0) {
      // Who does not come back in time makes room for others, and joins again with its next poll.
      await this.#member.evict(`it did not poll within ${Math.round(idleMs)} ms`)
      return
    }
    const assigned = this.#assignedCounts
    const maxAgeMs = this.#options.client.options['metadata.max.age.ms']
    // Who reads a topic that was deleted has learnt of it, and asked for its metadata anew.
    const hasMissing =
      assigned !== undefined &&
      (this.#topics.some((topic) => !assigned.has(topic)) ||
        [...assigned.keys()].some((topic) => this.#isUnknown(topic)))
    if (!hasMissing && performance.now() - this.#lastLookMs < maxAgeMs) return
    this.#lastLookMs = performance.now()
    if (this.#wanted instanceof RegExp) {
      const before = this.#topics.join()
      await this.#findTopics()
      if (this.#topics.join() !== before) this.#member.rejoin()
    }
    if (!assigned) return
    const now = await this.#partitionCounts([...new Set([...assigned.keys(), ...this.#topics])])
    const isSame =
      now.size === assigned.size &&
      [...now].every(([topic, count]) => assigned.get(topic) === count)
    if (!isSame && this.#assignedCounts === assigned) this.#member.rejoin()
  }
}
