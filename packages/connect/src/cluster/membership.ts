import type { Clock, Logger, TimerHandle } from '@khlong/core'
import type { Generation, GroupHandlers, JoinedMember } from '@khlong/kafka-client'
import type { ConnectKafka, GroupPlace } from '../runtime/kafka.ts'
import type { ConfigStore } from '../storage/config-store.ts'
import { Assignor, pieceKey } from './assignor.ts'
import {
  decodeAssignment,
  decodeWorkerState,
  encodeAssignment,
  encodeWorkerState,
  protocolName,
  type WorkPiece,
} from './worker-protocol.ts'

export interface MembershipOptions {
  readonly kafka: ConnectKafka
  readonly groupId: string
  /** Where other workers reach this one's REST. */
  readonly url: string
  /** How long work of a worker that is gone waits for it. */
  readonly delayMsMax: number
  readonly configs: ConfigStore
  readonly clock: Clock
  readonly logger: Logger
  /** What is to run somewhere, by the config topic. */
  readonly configured: () => readonly WorkPiece[]
  /** Makes what runs agree with `work`; resolved when what is no longer in it has stopped. */
  readonly apply: () => Promise<void>
  /** The worker cannot be part of its group. */
  readonly onFailure: (error: unknown) => void
}

/**
 * A worker's place among the workers of its group: which connectors and tasks it runs, and who leads.
 *
 * Invariants:
 * - What is revoked has stopped before the next round begins, which may give it to another worker.
 * - A worker that was put out of the group stops everything before it joins again.
 */
export class Membership {
  readonly #options: MembershipOptions
  readonly #assignor: Assignor
  readonly #work = new Map<string, WorkPiece>()
  readonly #watchers = new Set<() => void>()
  #place: GroupPlace | undefined
  #leader = { id: '', url: '' }
  #generation = -1
  /** What was configured when this worker joined its last round. */
  #joinedFor = ''
  #isJoining = true
  #completedRounds = 0
  #delayTimer: TimerHandle | undefined
  #hasLed = false

  constructor(options: MembershipOptions) {
    this.#options = options
    this.#assignor = new Assignor(options.delayMsMax)
  }

  /** Joins the group; resolved when this worker knows its part. */
  async start(): Promise<void> {
    const { kafka, groupId, onFailure } = this.#options
    const failed = Promise.withResolvers<never>()
    failed.promise.catch(() => {})
    const handlers: GroupHandlers = {
      protocols: () => this.#protocols(),
      assign: (_protocol, members) => this.#assign(members),
      onAssigned: (assignment, generation) => this.#onAssigned(assignment, generation),
      onLost: () => this.#onLost(),
      onFailure: (error) => {
        failed.reject(error)
        onFailure(error)
      },
    }
    this.#place = await kafka.joinGroup(groupId, handlers)
    await Promise.race([this.#settled(), failed.promise])
  }

  /** Gives the place up, so that others need not wait to find this worker gone. */
  async leave(): Promise<void> {
    if (this.#delayTimer) this.#options.clock.clearTimer(this.#delayTimer)
    await this.#place?.leave()
    this.#place = undefined
  }

  /** Whether this worker is to run a connector (`task` undefined), or a task. */
  has(piece: WorkPiece): boolean {
    return this.#work.has(pieceKey(piece))
  }
  /** The connectors of which this worker runs a part. */
  get connectors(): Set<string> {
    return new Set([...this.#work.values()].map(({ connector }) => connector))
  }
  get isLeader(): boolean {
    return this.#place?.isLeader === true && !this.#isJoining
  }
  /** REST of the leader; undefined while there is none. */
  get leaderUrl(): string | undefined {
    return this.#isJoining || this.#leader.url === '' ? undefined : this.#leader.url
  }
  get generation(): number {
    return this.#generation
  }
  /** Rounds of the group that this worker took part in. */
  get completedRounds(): number {
    return this.#completedRounds
  }
  get isJoining(): boolean {
    return this.#isJoining
  }
  /** Whether all that is configured was shared out, as far as this worker knows. */
  get isSettled(): boolean {
    return !this.#isJoining && this.#joinedFor === this.#configuredNow()
  }

  /** To be called when the config topic changed. */
  onConfigChange(): void {
    if (this.#place && this.#joinedFor !== this.#configuredNow()) this.#rejoin()
  }

  #settled(): Promise<void> {
    return new Promise((resolve) => {
      const watcher = (): void => {
        if (this.#isJoining) return
        this.#watchers.delete(watcher)
        resolve()
      }
      this.#watchers.add(watcher)
      watcher()
    })
  }

  #rejoin(): void {
    this.#isJoining = true
    this.#place?.rejoin()
  }

  #configuredNow(): string {
    return this.#options.configured().map(pieceKey).sort().join('\n')
  }

  #protocols() {
    const { url, configs } = this.#options
    this.#isJoining = true
    this.#joinedFor = this.#configuredNow()
    const state = { url, configOffset: configs.offset, running: [...this.#work.values()] }
    return [{ name: protocolName, metadata: encodeWorkerState(state, this.#leader) }]
  }

  async #assign(joined: readonly JoinedMember[]): Promise<Map<string, Buffer>> {
    const { configs, clock, configured, logger } = this.#options
    const members = joined.map(({ memberId, metadata }) => ({
      id: memberId,
      ...decodeWorkerState(metadata),
    }))
    // The leader decides by the newest that any of them has seen.
    if (members.some(({ configOffset }) => configOffset > configs.offset)) await configs.refresh()
    this.#joinedFor = this.#configuredNow()
    const { shares, delayMs } = this.#assignor.assign({
      configured: configured(),
      members,
      nowMs: clock.nowMs(),
    })
    if (delayMs > 0) logger.info({ delayMs }, 'work of a worker that is gone waits for it')
    const leaderId = this.#place?.memberId ?? ''
    return new Map(
      [...shares].map(([id, { assigned, revoked }]) => [
        id,
        encodeAssignment({
          isConfigMismatch: false,
          leaderId,
          leaderUrl: this.#options.url,
          configOffset: configs.offset,
          assigned,
          revoked,
          delayMs,
        }),
      ]),
    )
  }

  async #onAssigned(bytes: Buffer, generation: Generation): Promise<void> {
    const { configs, apply, clock } = this.#options
    const { leaderId, leaderUrl, configOffset, assigned, revoked, delayMs, isConfigMismatch } =
      decodeAssignment(bytes)
    this.#leader = { id: leaderId, url: leaderUrl }
    this.#generation = generation.generationId
    const isLeader = this.#place?.isLeader === true
    if (!isLeader) {
      this.#assignor.reset()
      configs.relinquish()
    }
    if (isLeader && !this.#hasLed) await configs.claim()
    this.#hasLed = isLeader
    if (configs.offset < configOffset || isConfigMismatch) await configs.refresh()
    for (const piece of revoked) this.#work.delete(pieceKey(piece))
    for (const piece of assigned) this.#work.set(pieceKey(piece), piece)
    this.#isJoining = false
    this.#completedRounds++
    await apply()
    if (this.#delayTimer) clock.clearTimer(this.#delayTimer)
    this.#delayTimer = delayMs > 0 ? clock.setTimer(() => this.#rejoin(), delayMs) : undefined
    // What was given back, and what has come meanwhile, is shared out in another round.
    if (revoked.length > 0 || isConfigMismatch || this.#joinedFor !== this.#configuredNow())
      this.#rejoin()
    for (const watcher of [...this.#watchers]) watcher()
  }

  async #onLost(): Promise<void> {
    const { logger, apply } = this.#options
    logger.warn({}, 'the worker was put out of its group; it stops its tasks and joins again')
    this.#isJoining = true
    this.#leader = { id: '', url: '' }
    this.#hasLed = false
    this.#options.configs.relinquish()
    this.#work.clear()
    await apply()
  }
}
