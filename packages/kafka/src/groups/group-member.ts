import type { TimerHandle } from '@khlong/core'

export interface Protocol {
  readonly name: string
  /** Owned by the group. */
  readonly metadata: Buffer
}

/** A member of a group, with the answers that it waits for. */
export interface GroupMember {
  memberId: string
  readonly groupInstanceId: string | null
  clientId: string
  clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  protocols: readonly Protocol[]
  assignment: Buffer
  /** It has not been in a generation yet. */
  isNew: boolean
  joinAnswer: ((result: JoinResult) => void) | undefined
  syncAnswer: ((result: SyncResult) => void) | undefined
  timer: TimerHandle | undefined
}

export interface MemberRequest {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly generation: number
}

export interface JoinRequest extends MemberRequest {
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  readonly protocols: readonly Protocol[]
  /** The client knows MEMBER_ID_REQUIRED (KIP-394). */
  readonly isMemberIdRequired: boolean
  /** The client knows that a leader may be told not to assign (KIP-814). */
  readonly canSkipAssignment: boolean
}

export interface JoinResult {
  readonly errorCode: number
  readonly generation: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string
  readonly memberId: string
  readonly isAssignmentSkipped: boolean
  /** Everybody, for the leader alone. */
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly metadata: Buffer
  }[]
}

export interface SyncRequest extends MemberRequest {
  readonly protocolType: string | null
  readonly protocolName: string | null
  /** By member id; from the leader alone. */
  readonly assignments: ReadonlyMap<string, Buffer>
}

export interface SyncResult {
  readonly errorCode: number
  readonly assignment: Buffer
}

export interface LeavingMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
}

export interface LeaveResult extends LeavingMember {
  readonly errorCode: number
}

export function refusedJoin(memberId: string, errorCode: number): JoinResult {
  return {
    errorCode,
    generation: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    memberId,
    isAssignmentSkipped: false,
    members: [],
  }
}
