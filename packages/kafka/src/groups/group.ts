import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Clock, TimerHandle } from '@khlong/core'
import { ErrorCode } from '@khlong/kafka-protocol'
import {
  type GroupMember,
  type JoinRequest,
  type JoinResult,
  type LeaveResult,
  type LeavingMember,
  type MemberRequest,
  refusedJoin,
  type SyncRequest,
  type SyncResult,
} from './group-member.ts'
import {
  electProtocol,
  hasSameProtocols,
  metadataOf,
  rebalanceTimeoutMs,
  subscribedTopics,
  supports,
} from './group-protocols.ts'

// The states of a classic group:
//
//   Empty ──join──▶ PreparingRebalance ──all joined, or time over──▶ CompletingRebalance
//     ▲                ▲      ▲                                             │
//     └── last gone ───┘      └── join, leave, silence ── Stable ◀── leader's assignments are durable
//
// Invariants: `leader` is a member unless the group is empty; a member awaits a join only while the
// group prepares, and a sync only while it completes, a rebalance.

export type GroupStateName =
  | 'Empty'
  | 'PreparingRebalance'
  | 'CompletingRebalance'
  | 'Stable'
  | 'Dead'

export interface GroupOptions {
  readonly clock: Clock
  readonly initialRebalanceDelayMs: number
  readonly sizeMax: number
  /** Keeps the group's metadata; resolves to an error code when it is durable. */
  readonly save: (group: Group) => Promise<number>
}

/** Kafka gives a member that joins for the first time this long before it counts as gone. */
const newMemberJoinTimeoutMs = 300_000

/** One consumer group (or Connect cluster: the protocol type is not looked at) and its members. */
export class Group {
  readonly groupId: string
  state: GroupStateName = 'Empty'
  generation = 0
  protocolType: string | null = null
  protocolName: string | null = null
  leader: string | null = null
  /** When the state was entered, for the expiry of offsets. */
  stateTimestampMs: number
  readonly members: Map<string, GroupMember> = new Map()
  readonly #options: GroupOptions
  readonly #staticMembers = new Map<string, string>()
  /** Ids given to members that have not joined with them yet. */
  readonly #pendingMembers = new Map<string, TimerHandle>()
  #rebalanceTimer: TimerHandle | undefined
  #syncTimer: TimerHandle | undefined
  #initialDelayUntilMs: number | undefined
  #joinedDuringDelay = false

  constructor(groupId: string, options: GroupOptions) {
    this.groupId = groupId
    this.#options = options
    this.stateTimestampMs = options.clock.nowMs()
  }

  get isEmpty(): boolean {
    return this.members.size === 0 && this.#pendingMembers.size === 0
  }

  join(request: JoinRequest, answer: (result: JoinResult) => void): void {
    const refusal = this.#joinRefusal(request)
    if (refusal !== ErrorCode.none) answer(refusedJoin(request.memberId, refusal))
    else if (request.memberId === '') this.#joinUnknown(request, answer)
    else this.#joinKnown(request, answer)
  }

  #joinRefusal(request: JoinRequest): number {
    if (this.state === 'Dead') return ErrorCode.coordinatorNotAvailable
    if (request.protocolType === '' || request.protocols.length === 0)
      return ErrorCode.inconsistentGroupProtocol
    const others = [...this.members.values()].filter((m) => m.memberId !== request.memberId)
    const isCompatible =
      others.length === 0 ||
      (this.protocolType === request.protocolType &&
        request.protocols.some(({ name }) => others.every((other) => supports(other, name))))
    if (!isCompatible) return ErrorCode.inconsistentGroupProtocol
    const isNew =
      !this.members.has(request.memberId) && !this.#staticMembers.has(request.groupInstanceId ?? '')
    return isNew && this.members.size >= this.#options.sizeMax
      ? ErrorCode.groupMaxSizeReached
      : ErrorCode.none
  }

  #joinUnknown(request: JoinRequest, answer: (result: JoinResult) => void): void {
    const { groupInstanceId } = request
    const memberId = `${groupInstanceId ?? request.clientId}-${randomUUID()}`
    if (groupInstanceId !== null) {
      const oldId = this.#staticMembers.get(groupInstanceId)
      if (oldId === undefined) this.#addAndRebalance(memberId, request, answer)
      else this.#replaceStatic(oldId, memberId, request, answer)
      return
    }
    if (!request.isMemberIdRequired) {
      this.#addAndRebalance(memberId, request, answer)
      return
    }
    const timer = this.#options.clock.setTimer(() => {
      this.#pendingMembers.delete(memberId)
      this.#completeJoinIfAll()
    }, request.sessionTimeoutMs)
    this.#pendingMembers.set(memberId, timer)
    answer(refusedJoin(memberId, ErrorCode.memberIdRequired))
  }

  #joinKnown(request: JoinRequest, answer: (result: JoinResult) => void): void {
    const { memberId } = request
    if (this.#dropPending(memberId)) {
      this.#addAndRebalance(memberId, request, answer)
      return
    }
    const refusal = this.#memberRefusal(request)
    if (refusal !== ErrorCode.none) {
      answer(refusedJoin(memberId, refusal))
      return
    }
    const member = this.members.get(memberId)!
    const isUnchanged = hasSameProtocols(member, request.protocols)
    if (this.state === 'PreparingRebalance') {
      this.#update(member, request, answer)
      this.#completeJoinIfAll()
    } else if (this.state === 'CompletingRebalance' && isUnchanged) {
      answer(this.#joinResult(member))
    } else if (this.state === 'Stable' && isUnchanged && memberId !== this.leader) {
      this.#heartbeat(member)
      answer(this.#joinResult(member))
    } else {
      this.#update(member, request, answer)
      this.#prepareRebalance()
    }
  }

  #addAndRebalance(
    memberId: string,
    request: JoinRequest,
    answer: (result: JoinResult) => void,
  ): void {
    const member: GroupMember = {
      memberId,
      groupInstanceId: request.groupInstanceId,
      clientId: request.clientId,
      clientHost: request.clientHost,
      sessionTimeoutMs: request.sessionTimeoutMs,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      protocols: request.protocols,
      assignment: noBytes,
      isNew: true,
      joinAnswer: answer,
      syncAnswer: undefined,
      timer: undefined,
    }
    if (this.members.size === 0) this.protocolType = request.protocolType
    this.members.set(memberId, member)
    if (member.groupInstanceId !== null) this.#staticMembers.set(member.groupInstanceId, memberId)
    this.leader ??= memberId
    this.#heartbeat(member, newMemberJoinTimeoutMs)
    this.#joinedDuringDelay = true
    this.#prepareRebalance()
  }

  /** A static member came back with a new id: the old one is fenced, the assignment stays. */
  #replaceStatic(
    oldId: string,
    memberId: string,
    request: JoinRequest,
    answer: (result: JoinResult) => void,
  ): void {
    const member = this.members.get(oldId)!
    member.joinAnswer?.(refusedJoin(oldId, ErrorCode.fencedInstanceId))
    member.syncAnswer?.({ errorCode: ErrorCode.fencedInstanceId, assignment: noBytes })
    member.joinAnswer = undefined
    member.syncAnswer = undefined
    const isUnchanged = this.#isSameSubscription(member, request)
    const wasLeader = this.leader === oldId
    this.members.delete(oldId)
    member.memberId = memberId
    this.members.set(memberId, member)
    this.#staticMembers.set(member.groupInstanceId!, memberId)
    if (wasLeader) this.leader = memberId
    this.#update(member, request, undefined)
    const isElected = electProtocol([...this.members.values()]) === this.protocolName
    if (this.state === 'Stable' && isUnchanged && isElected) {
      this.#heartbeat(member)
      const result = this.#joinResult(member)
      const kept = wasLeader ? withoutAssigning(result, request, oldId) : result
      void this.#options.save(this).then((errorCode) => {
        answer(errorCode === ErrorCode.none ? kept : refusedJoin(memberId, errorCode))
      })
      return
    }
    member.joinAnswer = answer
    if (this.state === 'PreparingRebalance') this.#completeJoinIfAll()
    else this.#prepareRebalance()
  }

  /** What else consumers say changes with each generation: the partitions that they own. */
  #isSameSubscription(member: GroupMember, request: JoinRequest): boolean {
    const before = metadataOf(member, this.protocolName ?? '')
    const now = request.protocols.find(({ name }) => name === this.protocolName)?.metadata
    if (before === undefined || now === undefined) return false
    if (before.equals(now)) return true
    return (
      this.protocolType === 'consumer' &&
      isDeepStrictEqual([...subscribedTopics(before)].sort(), [...subscribedTopics(now)].sort())
    )
  }

  #update(
    member: GroupMember,
    request: JoinRequest,
    answer: ((result: JoinResult) => void) | undefined,
  ): void {
    member.protocols = request.protocols
    member.sessionTimeoutMs = request.sessionTimeoutMs
    member.rebalanceTimeoutMs = request.rebalanceTimeoutMs
    member.clientId = request.clientId
    member.clientHost = request.clientHost
    if (answer) member.joinAnswer = answer
  }

  #prepareRebalance(): void {
    if (this.state === 'PreparingRebalance') {
      this.#completeJoinIfAll()
      return
    }
    const { clock, initialRebalanceDelayMs } = this.#options
    const wasEmpty = this.state === 'Empty'
    this.#stopSyncTimer()
    for (const member of this.members.values()) {
      member.syncAnswer?.({ errorCode: ErrorCode.rebalanceInProgress, assignment: noBytes })
      member.syncAnswer = undefined
    }
    this.#enter('PreparingRebalance')
    const timeoutMs = rebalanceTimeoutMs(this.members.values())
    if (wasEmpty && initialRebalanceDelayMs > 0) {
      this.#initialDelayUntilMs = clock.monotonicMs() + timeoutMs
      this.#joinedDuringDelay = false
      this.#rebalanceTimer = clock.setTimer(
        () => this.#endInitialDelay(),
        Math.min(initialRebalanceDelayMs, timeoutMs),
      )
      return
    }
    this.#rebalanceTimer = clock.setTimer(() => this.#completeJoin(), timeoutMs)
    this.#completeJoinIfAll()
  }

  /** More members came while the first one waited: wait for more, up to the rebalance timeout. */
  #endInitialDelay(): void {
    const { clock, initialRebalanceDelayMs } = this.#options
    const restMs = (this.#initialDelayUntilMs ?? 0) - clock.monotonicMs()
    if (this.#joinedDuringDelay && restMs > 0) {
      this.#joinedDuringDelay = false
      this.#rebalanceTimer = clock.setTimer(
        () => this.#endInitialDelay(),
        Math.min(initialRebalanceDelayMs, restMs),
      )
      return
    }
    this.#initialDelayUntilMs = undefined
    this.#completeJoin()
  }

  #completeJoinIfAll(): void {
    if (this.state !== 'PreparingRebalance') return
    if (this.#initialDelayUntilMs !== undefined && this.members.size > 0) return
    if (this.#pendingMembers.size > 0) return
    for (const member of this.members.values()) if (!member.joinAnswer) return
    this.#completeJoin()
  }

  #completeJoin(): void {
    this.#stopRebalanceTimer()
    this.#initialDelayUntilMs = undefined
    // A static member may be away for its session timeout without losing its place.
    for (const member of [...this.members.values()])
      if (!member.joinAnswer && member.groupInstanceId === null) this.#drop(member)
    this.generation++
    if (this.members.size === 0) {
      this.#becomeEmpty()
      return
    }
    const leader = this.members.get(this.leader ?? '')
    if (!leader?.joinAnswer)
      this.leader =
        [...this.members.values()].find((m) => m.joinAnswer)?.memberId ??
        [...this.members.keys()][0]!
    this.protocolName = electProtocol([...this.members.values()])
    this.#enter('CompletingRebalance')
    for (const member of this.members.values()) {
      member.isNew = false
      const { joinAnswer } = member
      member.joinAnswer = undefined
      this.#heartbeat(member)
      joinAnswer?.(this.#joinResult(member))
    }
    this.#syncTimer = this.#options.clock.setTimer(() => {
      for (const member of [...this.members.values()])
        if (!member.syncAnswer && this.state === 'CompletingRebalance') this.#drop(member)
      if (this.members.size === 0) this.#becomeEmpty()
      else this.#prepareRebalance()
    }, rebalanceTimeoutMs(this.members.values()))
  }

  sync(request: SyncRequest, answer: (result: SyncResult) => void): void {
    const refuse = (errorCode: number): void => answer({ errorCode, assignment: noBytes })
    const refusal = this.#memberRefusal(request) || this.#generationRefusal(request)
    if (refusal !== ErrorCode.none) {
      refuse(refusal)
      return
    }
    const isOther =
      (request.protocolType !== null && request.protocolType !== this.protocolType) ||
      (request.protocolName !== null && request.protocolName !== this.protocolName)
    if (isOther) {
      refuse(ErrorCode.inconsistentGroupProtocol)
      return
    }
    const member = this.members.get(request.memberId)!
    if (this.state === 'PreparingRebalance') {
      refuse(ErrorCode.rebalanceInProgress)
      return
    }
    if (this.state === 'Stable') {
      this.#heartbeat(member)
      answer({ errorCode: ErrorCode.none, assignment: member.assignment })
      return
    }
    member.syncAnswer = answer
    if (member.memberId !== this.leader) return
    for (const other of this.members.values())
      other.assignment = request.assignments.get(other.memberId) ?? noBytes
    const { generation } = this
    void this.#options.save(this).then((errorCode) => this.#assigned(generation, errorCode))
  }

  /** The leader's assignments are durable (or could not be made so). */
  #assigned(generation: number, errorCode: number): void {
    if (this.state !== 'CompletingRebalance' || this.generation !== generation) return
    this.#stopSyncTimer()
    for (const member of this.members.values()) {
      const { syncAnswer } = member
      member.syncAnswer = undefined
      if (errorCode !== ErrorCode.none) member.assignment = noBytes
      this.#heartbeat(member)
      syncAnswer?.({ errorCode, assignment: member.assignment })
    }
    if (errorCode === ErrorCode.none) this.#enter('Stable')
    else this.#prepareRebalance()
  }

  heartbeat(request: MemberRequest): number {
    const refusal = this.#memberRefusal(request) || this.#generationRefusal(request)
    if (refusal !== ErrorCode.none) return refusal
    this.#heartbeat(this.members.get(request.memberId)!)
    return this.state === 'PreparingRebalance' ? ErrorCode.rebalanceInProgress : ErrorCode.none
  }

  leave(leaving: readonly LeavingMember[]): LeaveResult[] {
    let isChanged = false
    const results = leaving.map(({ memberId, groupInstanceId }) => {
      const known = groupInstanceId === null ? memberId : this.#staticMembers.get(groupInstanceId)
      const result = { memberId, groupInstanceId }
      if (groupInstanceId === null && this.#dropPending(memberId))
        return { ...result, errorCode: ErrorCode.none }
      const member = this.members.get(known ?? '')
      if (!member) return { ...result, errorCode: ErrorCode.unknownMemberId }
      if (memberId !== '' && memberId !== member.memberId)
        return { ...result, errorCode: ErrorCode.fencedInstanceId }
      this.#drop(member)
      isChanged = true
      return { ...result, errorCode: ErrorCode.none }
    })
    if (isChanged) this.#afterRemoval()
    else this.#completeJoinIfAll()
    return results
  }

  /** What a commit of offsets by this member would hear. */
  commitRefusal(request: MemberRequest, isTransactional = false): number {
    if (this.state === 'Dead') return ErrorCode.coordinatorNotAvailable
    // Without a generation it comes from a consumer that assigns itself, or from an admin.
    if (request.generation < 0 && this.members.size === 0) return ErrorCode.none
    if (request.generation < 0 && request.memberId === '' && request.groupInstanceId === null)
      // Producers that do not know KIP-447 cannot say which member they write for.
      return isTransactional ? ErrorCode.none : ErrorCode.unknownMemberId
    const refusal = this.#memberRefusal(request) || this.#generationRefusal(request)
    if (refusal !== ErrorCode.none) return refusal
    this.#heartbeat(this.members.get(request.memberId)!)
    return this.state === 'CompletingRebalance' && !isTransactional
      ? ErrorCode.rebalanceInProgress
      : ErrorCode.none
  }

  /** Takes what was kept of the group before a restart; its members go on where they were. */
  restore(kept: {
    generation: number
    protocolType: string | null
    protocolName: string | null
    leader: string | null
    stateTimestampMs: number
    members: readonly GroupMember[]
  }): void {
    this.close()
    this.members.clear()
    this.#staticMembers.clear()
    this.generation = kept.generation
    this.protocolType = kept.protocolType
    this.protocolName = kept.protocolName
    this.leader = kept.leader
    this.state = kept.members.length > 0 ? 'Stable' : 'Empty'
    this.stateTimestampMs = kept.stateTimestampMs
    for (const member of kept.members) {
      this.members.set(member.memberId, member)
      if (member.groupInstanceId !== null)
        this.#staticMembers.set(member.groupInstanceId, member.memberId)
    }
  }

  /** Begins to watch the members that {@link restore} brought. */
  resume(): void {
    for (const member of this.members.values()) this.#heartbeat(member)
  }

  /** Answers all that wait, and stops all timers. */
  close(errorCode: number = ErrorCode.coordinatorNotAvailable): void {
    this.#stopRebalanceTimer()
    this.#stopSyncTimer()
    for (const timer of this.#pendingMembers.values()) this.#options.clock.clearTimer(timer)
    this.#pendingMembers.clear()
    for (const member of this.members.values()) {
      if (member.timer) this.#options.clock.clearTimer(member.timer)
      member.timer = undefined
      member.joinAnswer?.(refusedJoin(member.memberId, errorCode))
      member.syncAnswer?.({ errorCode, assignment: noBytes })
      member.joinAnswer = undefined
      member.syncAnswer = undefined
    }
  }

  #memberRefusal(request: MemberRequest): number {
    if (this.state === 'Dead') return ErrorCode.coordinatorNotAvailable
    if (request.groupInstanceId !== null) {
      const known = this.#staticMembers.get(request.groupInstanceId)
      if (known === undefined) return ErrorCode.unknownMemberId
      if (known !== request.memberId) return ErrorCode.fencedInstanceId
    }
    return this.members.has(request.memberId) ? ErrorCode.none : ErrorCode.unknownMemberId
  }

  #generationRefusal(request: MemberRequest): number {
    return request.generation === this.generation ? ErrorCode.none : ErrorCode.illegalGeneration
  }

  #joinResult(member: GroupMember): JoinResult {
    const protocolName = this.protocolName ?? ''
    const isLeader = member.memberId === this.leader
    return {
      errorCode: ErrorCode.none,
      generation: this.generation,
      protocolType: this.protocolType,
      protocolName,
      leader: this.leader ?? '',
      memberId: member.memberId,
      isAssignmentSkipped: false,
      members: isLeader
        ? [...this.members.values()].map((other) => ({
            memberId: other.memberId,
            groupInstanceId: other.groupInstanceId,
            metadata: metadataOf(other, protocolName) ?? noBytes,
          }))
        : [],
    }
  }

  #heartbeat(member: GroupMember, timeoutMs: number = member.sessionTimeoutMs): void {
    const { clock } = this.#options
    if (member.timer) clock.clearTimer(member.timer)
    member.timer = clock.setTimer(() => {
      // One who waits for an answer of ours is not silent.
      const isWaiting = (member.joinAnswer && !member.isNew) || member.syncAnswer
      if (isWaiting) this.#heartbeat(member)
      else {
        member.joinAnswer?.(refusedJoin(member.memberId, ErrorCode.unknownMemberId))
        this.#drop(member)
        this.#afterRemoval()
      }
    }, timeoutMs)
  }

  #drop(member: GroupMember): void {
    if (member.timer) this.#options.clock.clearTimer(member.timer)
    member.timer = undefined
    member.joinAnswer?.(refusedJoin(member.memberId, ErrorCode.unknownMemberId))
    member.syncAnswer?.({ errorCode: ErrorCode.unknownMemberId, assignment: noBytes })
    member.joinAnswer = undefined
    member.syncAnswer = undefined
    this.members.delete(member.memberId)
    if (member.groupInstanceId !== null) this.#staticMembers.delete(member.groupInstanceId)
    if (this.leader === member.memberId) this.leader = [...this.members.keys()][0] ?? null
  }

  #afterRemoval(): void {
    if (this.state === 'Stable' || this.state === 'CompletingRebalance') this.#prepareRebalance()
    else this.#completeJoinIfAll()
  }

  #becomeEmpty(): void {
    this.#stopSyncTimer()
    this.protocolName = null
    this.leader = null
    this.#enter('Empty')
    void this.#options.save(this)
  }

  #dropPending(memberId: string): boolean {
    const timer = this.#pendingMembers.get(memberId)
    if (!timer) return false
    this.#options.clock.clearTimer(timer)
    return this.#pendingMembers.delete(memberId)
  }

  #enter(state: GroupStateName): void {
    this.state = state
    this.stateTimestampMs = this.#options.clock.nowMs()
  }

  #stopRebalanceTimer(): void {
    if (this.#rebalanceTimer) this.#options.clock.clearTimer(this.#rebalanceTimer)
    this.#rebalanceTimer = undefined
  }

  #stopSyncTimer(): void {
    if (this.#syncTimer) this.#options.clock.clearTimer(this.#syncTimer)
    this.#syncTimer = undefined
  }
}

const noBytes = Buffer.alloc(0)

/**
 * The leader must not assign anew for a generation that goes on (KIP-814); one that cannot be told so is made to believe
 * that another one leads.
 */
function withoutAssigning(
  result: JoinResult,
  { canSkipAssignment }: JoinRequest,
  otherId: string,
): JoinResult {
  return canSkipAssignment
    ? { ...result, isAssignmentSkipped: true }
    : { ...result, leader: otherId, members: [] }
}
