import { readFile, rm, writeFile } from 'node:fs/promises'
import type { Logger } from '@khlong/core'
import {
  Admin,
  type GroupHandlers,
  GroupMember,
  type KafkaClient,
  KafkaClientError,
} from '@khlong/kafka-client'
import type { GroupPlace } from './kafka.ts'

export interface GroupPlaceOptions {
  readonly groupId: string
  readonly client: KafkaClient
  readonly settings: { readonly 'bootstrap.servers': string }
  readonly group: {
    readonly sessionTimeoutMs: number
    readonly heartbeatMs: number
    readonly rebalanceTimeoutMs: number
  }
  /** Remembers who this worker was, over a crash. */
  readonly memberFile: string
  readonly logger: Logger
}

/**
 * Joins the group of workers. A worker that was killed is still a member for the time of its session,
 * and the group would wait for it: the one that comes in its place, on the same data folder, first
 * takes it out.
 */
export async function joinWorkers(
  { groupId, client, settings, group, memberFile, logger }: GroupPlaceOptions,
  handlers: GroupHandlers,
): Promise<GroupPlace> {
  const former = await readFile(memberFile, 'utf8').catch(() => '')
  if (former !== '')
    try {
      await new Admin(settings, { client, logger }).removeMembers(groupId, [former])
    } catch (error) {
      if (!(error instanceof KafkaClientError)) throw error
      logger.warn({ err: error }, 'the place of the former worker could not be given up')
    }
  let written = former
  const member = new GroupMember(
    {
      ...settings,
      'client.id': 'khlong-connect',
      'group.id': groupId,
      'session.timeout.ms': group.sessionTimeoutMs,
      'heartbeat.interval.ms': group.heartbeatMs,
      'max.poll.interval.ms': group.rebalanceTimeoutMs,
    },
    {
      ...handlers,
      onAssigned: async (assignment, generation) => {
        if (generation.memberId !== written) {
          written = generation.memberId
          await writeFile(memberFile, written)
        }
        await handlers.onAssigned(assignment, generation)
      },
    },
    { client, logger, protocolType: 'connect' },
  )
  member.start()
  return {
    get memberId() {
      return member.memberId
    },
    get isLeader() {
      return member.isLeader
    },
    rejoin: () => member.rejoin(),
    leave: async () => {
      await member.leave()
      await rm(memberFile, { force: true })
    },
  }
}
