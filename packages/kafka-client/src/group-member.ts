import type { Logger } from '@khlong/core'
import { ErrorCode, errorInfo } from '@khlong/kafka-protocol'
import type { JoinGroupResponse } from '@khlong/kafka-protocol/messages/join-group'
import { removeMember } from './admin-groups.ts'
import { backoffMs, pause } from './backoff.ts'
import { heartbeatApi, joinGroupApi, syncGroupApi } from './consumer-apis.ts'
import { asClientError, clientError, type KafkaClientError } from './errors.ts'
import { KafkaClient, type Lane } from './kafka-client.ts'
import {
  clientOptionsOf,
  type GroupMemberOptions,
  type KafkaClientContext,
  type ResolvedGroupOptions,
  resolveGroupOptions,
} from './options.ts'
import type { GroupMetadata } from './transactions.ts'

/** A way of sharing work that a member offers, with what the leader has to know of the member. */
export interface GroupProtocol {
  readonly name: string
  readonly metadata: Uint8Array
}

/** A member as the leader sees it. */
export interface JoinedMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly metadata: Buffer
}

/** The round of the group that a member takes part in. */
export interface Generation extends GroupMetadata {
  readonly protocol: string
  readonly leaderId: string
}

/** What a member is told and asked. Calls never overlap; each is awaited before the group goes on. */
export interface GroupHandlers {
  /** Asked before each join; the order is the order of preference. */
  protocols(): readonly GroupProtocol[] | Promise<readonly GroupProtocol[]>
  /** Asked of the leader: each member's part, by member id. */
  assign(
    protocol: string,
    members: readonly JoinedMember[],
  ): ReadonlyMap<string, Uint8Array> | Promise<ReadonlyMap<string, Uint8Array>>
  /**
   * In place of `assign`, of a static member that came back to lead: the generation goes on with what
   * was assigned before it was gone (KIP-814).
   */
  onAssignmentSkipped?(members: readonly JoinedMember[]): void | Promise<void>
  /** Before the member joins again: the last moment to give work back and to commit. */
  onPrepare?(generation: Generation): void | Promise<void>
  onAssigned(assignment: Buffer, generation: Generation): void | Promise<void>
  /** The member was put out of the group; others may have its work already. */
  onLost?(error: KafkaClientError): void | Promise<void>
  /** The member cannot go on: an error that no repetition mends. It has stopped. */
  onFailure?(error: KafkaClientError): void
}

/** How a member leaves. */
export interface LeaveOptions {
  /** Whether also a static member gives its place up at once, and not only when its session ends. */
  readonly isForGood?: boolean | undefined
}

/** What a group member is given beside its options. */
export interface GroupMemberContext extends KafkaClientContext {
  /** A client to share; it is not closed with the member. */
  readonly client?: KafkaClient
  /** `consumer` for consumers, `connect` for Connect workers; all members must have the same. */
  readonly protocolType?: string
}

/**
 * One member of a classic group: joins, syncs, sends heartbeats and joins again whenever the group
 * changes, until it leaves. It knows nothing of topics: what is shared, and how, is its handlers' matter.
 */
export class GroupMember implements AsyncDisposable {
  readonly options: ResolvedGroupOptions
  readonly client: KafkaClient
  readonly #ownsClient: boolean
  readonly #handlers: GroupHandlers
  readonly #protocolType: string
  readonly #lane: Lane
  readonly #logger: Logger
  readonly #stopping = new AbortController()
  #memberId = ''
  #generation: Generation | undefined
  #running: Promise<void> | undefined
  #wantsRejoin = false
  #onRejoin: (() => void) | undefined
  #lost: KafkaClientError | undefined
  #heartbeatTimer: NodeJS.Timeout | undefined
  #isBeating = false
  /** Counts joins: an answer to a heartbeat from before the last join means nothing. */
  #joinCount = 0

  constructor(
    options: GroupMemberOptions,
    handlers: GroupHandlers,
    context: GroupMemberContext = {},
  ) {
    this.options = resolveGroupOptions(options)
    this.#handlers = handlers
    this.#protocolType = context.protocolType ?? 'consumer'
    this.#ownsClient = context.client === undefined
    this.client = context.client ?? new KafkaClient(clientOptionsOf(this.options), context)
    this.#lane = this.client.newLane('group')
    this.#logger = this.client.logger
  }

  /** The generation that the member takes part in; undefined while it has none. */
  get generation(): Generation | undefined {
    return this.#generation
  }
  get memberId(): string {
    return this.#memberId
  }
  get isLeader(): boolean {
    return this.#generation !== undefined && this.#generation.leaderId === this.#memberId
  }

  /** Begins to take part. What follows is told to the handlers. */
  start(): void {
    this.#running ??= this.#run()
  }

  /** Asks for a new round, after what the member offers has changed. */
  rejoin(): void {
    this.#wantsRejoin = true
    this.#onRejoin?.()
  }

  /** Gives the member's place up now, with `reason`; it joins again when its handlers let it. */
  async evict(reason: string): Promise<void> {
    const memberId = this.#memberId
    if (this.#generation === undefined || memberId === '') return
    clearTimeout(this.#heartbeatTimer)
    this.#joinCount++
    this.#memberId = ''
    const groupId = this.options['group.id']
    this.#lost = clientError(
      'KAFKA_CLIENT_MEMBER_LOST',
      `the member gave up its place in group ${groupId}: ${reason}`,
    )
    this.rejoin()
    await this.#sayGoodbye(memberId)
  }

  /** Leaves the group, so that others take over at once; a static member stays known, unless it leaves for good. */
  async leave(options: LeaveOptions = {}): Promise<void> {
    if (this.#stopping.signal.aborted) return
    this.#stopping.abort(clientError('KAFKA_CLIENT_CLOSED', 'the group member has left'))
    clearTimeout(this.#heartbeatTimer)
    // A join that is held back by the broker would hold this up too.
    this.client.closeLane(this.#lane)
    await this.#running
    const isKnownOn = this.options['group.instance.id'] !== undefined && !options.isForGood
    if (this.#memberId !== '' && !isKnownOn) await this.#sayGoodbye(this.#memberId)
    this.#generation = undefined
    this.#memberId = ''
    if (this.#ownsClient) await this.client.close()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave()
  }

  async #sayGoodbye(memberId: string): Promise<void> {
    const groupId = this.options['group.id']
    try {
      await removeMember(this.client, groupId, memberId)
    } catch (error) {
      this.#logger.debug({ group: groupId, err: error }, 'Kafka group was not told of a leaver')
    }
  }

  // ---- Rounds

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    let failures = 0
    while (!signal.aborted)
      try {
        await this.#round()
        failures = 0
      } catch (error) {
        if (signal.aborted || this.client.isClosed) return
        const known = asClientError(error)
        if (!known.retriable) {
          clearTimeout(this.#heartbeatTimer)
          this.#generation = undefined
          this.#logger.warn(
            { group: this.options['group.id'], err: known },
            'Kafka group member failed',
          )
          this.#handlers.onFailure?.(known)
          return
        }
        failures++
        this.#logger.debug(
          { group: this.options['group.id'], err: known },
          'Kafka group join is tried again',
        )
        await pause(backoffMs(this.client.backoff, failures), signal).catch(() => {})
      }
  }

  async #round(): Promise<void> {
    await this.#prepare()
    const joined = await this.#join()
    const assignment = await this.#sync(joined)
    if (assignment === undefined) return
    const generation: Generation = {
      groupId: this.options['group.id'],
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupInstanceId: this.options['group.instance.id'] ?? null,
      protocol: joined.protocolName ?? '',
      leaderId: joined.leader,
    }
    this.#generation = generation
    this.#scheduleHeartbeat()
    await this.#handlers.onAssigned(assignment, generation)
    await new Promise<void>((resolve) => {
      this.#onRejoin = resolve
      if (this.#wantsRejoin || this.#stopping.signal.aborted) resolve()
      else this.#stopping.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    this.#onRejoin = undefined
  }

  /** Gives work back, or says that it is lost, before the next join. */
  async #prepare(): Promise<void> {
    if (this.#stopping.signal.aborted) return
    const generation = this.#generation
    const lost = this.#lost
    this.#lost = undefined
    if (lost) {
      this.#generation = undefined
      await this.#handlers.onLost?.(lost)
    } else if (generation) await this.#handlers.onPrepare?.(generation)
    this.#wantsRejoin = false
    // Giving back may take long, and heartbeats go on meanwhile: the place may be lost now.
    if (this.#lost) await this.#prepare()
  }

  async #join(): Promise<JoinGroupResponse> {
    this.#stopping.signal.throwIfAborted()
    clearTimeout(this.#heartbeatTimer)
    this.#joinCount++
    const groupId = this.options['group.id']
    const groupInstanceId = this.options['group.instance.id']
    const protocols = await this.#handlers.protocols()
    for (;;) {
      const response = await this.client.requestCoordinator(
        'group',
        groupId,
        joinGroupApi,
        {
          groupId,
          sessionTimeoutMs: this.options['session.timeout.ms'],
          rebalanceTimeoutMs: this.options['max.poll.interval.ms'],
          memberId: this.#memberId,
          ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
          protocolType: this.#protocolType,
          protocols,
        },
        { lane: this.#lane, timeoutMs: this.options['max.poll.interval.ms'] + 5_000 },
      )
      const { errorCode } = response
      if (errorCode === 0) {
        this.#memberId = response.memberId
        return response
      }
      if (errorCode === ErrorCode.memberIdRequired) {
        this.#memberId = response.memberId
        continue
      }
      await this.#onGroupError(errorCode, 'joining')
    }
  }

  /** Gives this member's part; undefined where the round has to begin anew. */
  async #sync(joined: JoinGroupResponse): Promise<Buffer | undefined> {
    const groupId = this.options['group.id']
    const groupInstanceId = this.options['group.instance.id']
    const protocol = joined.protocolName ?? ''
    let assignments: { memberId: string; assignment: Uint8Array }[] = []
    const isLeader = joined.leader === joined.memberId
    if (isLeader && joined.skipAssignment)
      await this.#handlers.onAssignmentSkipped?.(joined.members)
    else if (isLeader) {
      const parts = await this.#handlers.assign(protocol, joined.members)
      assignments = [...parts].map(([memberId, assignment]) => ({ memberId, assignment }))
    }
    const response = await this.client.requestCoordinator(
      'group',
      groupId,
      syncGroupApi,
      {
        groupId,
        generationId: joined.generationId,
        memberId: joined.memberId,
        ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
        protocolType: this.#protocolType,
        protocolName: protocol,
        assignments,
      },
      { lane: this.#lane, timeoutMs: this.options['max.poll.interval.ms'] + 5_000 },
    )
    if (response.errorCode === 0) return Buffer.from(response.assignment)
    if (response.errorCode === ErrorCode.rebalanceInProgress) return undefined
    await this.#onGroupError(response.errorCode, 'syncing')
    return undefined
  }

  /** Says what an answered error means for the member; throws what has to be waited for or ends it. */
  async #onGroupError(errorCode: number, what: string): Promise<void> {
    const groupId = this.options['group.id']
    const error = this.client.coordinatorError(
      'group',
      groupId,
      errorCode,
      `${what} group ${groupId}`,
    )
    const isUnknown = errorCode === ErrorCode.unknownMemberId
    if (!isUnknown && errorCode !== ErrorCode.illegalGeneration) throw error
    if (isUnknown) this.#memberId = ''
    if (this.#generation === undefined) return
    this.#generation = undefined
    await this.#handlers.onLost?.(error)
  }

  // ---- Heartbeats

  #scheduleHeartbeat(): void {
    clearTimeout(this.#heartbeatTimer)
    if (this.#stopping.signal.aborted) return
    this.#heartbeatTimer = setTimeout(
      () => void this.#beat(),
      this.options['heartbeat.interval.ms'],
    )
  }

  async #beat(): Promise<void> {
    const generation = this.#generation
    if (!generation) return
    if (this.#isBeating) {
      this.#scheduleHeartbeat()
      return
    }
    this.#isBeating = true
    const joinCount = this.#joinCount
    const { groupId, generationId, memberId, groupInstanceId } = generation
    try {
      const { errorCode } = await this.client.requestCoordinator(
        'group',
        groupId,
        heartbeatApi,
        {
          groupId,
          generationId,
          memberId,
          ...(groupInstanceId == null ? {} : { groupInstanceId }),
        },
        { lane: this.#lane, timeoutMs: this.options['session.timeout.ms'] },
      )
      if (this.#joinCount === joinCount) this.#onHeartbeat(errorCode)
    } catch (error) {
      // Whether the place is lost is for the coordinator to say, once it is found again.
      this.#logger.debug({ group: groupId, err: error }, 'Kafka heartbeat failed')
    } finally {
      this.#isBeating = false
      if (this.#joinCount === joinCount && !this.#lost) this.#scheduleHeartbeat()
    }
  }

  #onHeartbeat(errorCode: number): void {
    if (errorCode === 0) return
    const groupId = this.options['group.id']
    if (errorCode === ErrorCode.rebalanceInProgress) {
      this.rejoin()
      return
    }
    const error = this.client.coordinatorError(
      'group',
      groupId,
      errorCode,
      `heartbeat of group ${groupId}`,
    )
    if (errorInfo(errorCode).retriable) return
    if (errorCode === ErrorCode.unknownMemberId) this.#memberId = ''
    // A fenced member learns when it joins that it cannot go on.
    this.#lost = clientError(
      'KAFKA_CLIENT_MEMBER_LOST',
      `the member is no longer part of group ${groupId}`,
      { cause: error, fields: error.fields },
    )
    this.rejoin()
  }
}
