import { setTimeout as delay } from 'node:timers/promises'
import type { Clock, Logger } from '@khlong/core'
import { type Admin, type GroupMemberDescription, KafkaClientError } from '@khlong/kafka-client'
import { StreamsError } from '../errors.ts'

/** Twice the session of Java's library. */
const waitMsMax = 90_000
const pauseMs = 500

export interface ForeignMembersOptions {
  readonly admin: Admin
  readonly applicationId: string
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
}

/**
 * Waits for members of another library to leave the group. An application of Java's library that is
 * closed does not leave it: until its session ends, nobody who shares tasks out in another way can join.
 */
export class ForeignMembers {
  readonly #options: ForeignMembersOptions
  #sinceMs: number | undefined

  constructor(options: ForeignMembersOptions) {
    this.#options = options
  }

  /** Whether an error says that the group has members of another library. */
  static refused(error: unknown): boolean {
    return error instanceof KafkaClientError && error.code === 'KAFKA_INCONSISTENT_GROUP_PROTOCOL'
  }

  /** Says that the group has taken this member. */
  joined(): void {
    this.#sinceMs = undefined
  }

  /**
   * Waits until those who are in the group now have left it.
   *
   * @throws StreamsError `STREAMS_GROUP_OF_OTHERS` where members of another library have been there for 90 s
   */
  async wait(refusal: unknown): Promise<void> {
    const { applicationId, clock, logger, signal } = this.#options
    const isFirst = this.#sinceMs === undefined
    this.#sinceMs ??= clock.nowMs()
    const others = await this.#members()
    const names = others.map(({ clientId, host }) => `${clientId} at ${host}`)
    if (isFirst)
      logger.warn(
        { application: applicationId, members: names },
        'group has members of another library, whose sessions are waited for',
      )
    const ids = new Set(others.map(({ memberId }) => memberId))
    do {
      if (clock.nowMs() - this.#sinceMs > waitMsMax)
        throw new StreamsError(
          'STREAMS_GROUP_OF_OTHERS',
          `group ${applicationId} has members that share tasks out in another way: ${names.join(', ')}; stop them (Java's library leaves the group with CloseOptions LEAVE_GROUP, otherwise when its session ends), or choose another application.id`,
          { cause: refusal, fields: { applicationId, members: names } },
        )
      await delay(pauseMs, undefined, { signal })
    } while ((await this.#members()).some(({ memberId }) => ids.has(memberId)))
  }

  async #members(): Promise<readonly GroupMemberDescription[]> {
    const { admin, applicationId } = this.#options
    const [group] = await admin.describeGroups([applicationId])
    return group?.members ?? []
  }
}
