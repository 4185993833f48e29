import type { Assignor, TopicPartition } from '@khlong/kafka-client'
import { shareTasks, type TaskMember } from './assignor.ts'
import type { PlannedTask, TaskPlan } from './task-plan.ts'

/** What a member tells the leader. */
interface MemberData {
  readonly version: 1
  readonly storedTasks: readonly string[]
  /** Whether this member asks all others to stop. */
  readonly isShutdown: boolean
}

/** What the leader tells a member. */
interface AssignmentData {
  readonly version: 1
  /** Tells the topology that tasks were shared out for from another one. */
  readonly fingerprint: string
  /** Whether a member asked all others to stop. */
  readonly isShutdown: boolean
}

export interface GroupAssignorOptions {
  /** Called by the leader: makes internal topics where they are missing and says which tasks there are. */
  readonly plan: () => Promise<TaskPlan>
  /** Tasks whose stores this member has on disk. */
  readonly storedTasks: () => readonly string[]
  /** Called before each join: a round of the group has begun. */
  readonly onJoin: () => void
  /** Whether this member asks all others to stop. */
  readonly isShutdown: () => boolean
  /** Told what topology the tasks were shared out for, and whether a member asked all to stop. */
  readonly onAssignment: (fingerprint: string, isShutdown: boolean) => void
  /** Tells this topology from another one of the same application. */
  readonly fingerprint: string
}

/**
 * Shares whole tasks, so that partitions with one number meet, in the way of cooperative rebalancing
 * (KIP-429): a task that moves is given to nobody in the round in which its owner learns of it.
 */
export function groupAssignor(options: GroupAssignorOptions): Assignor {
  return {
    name: 'khlong-stream',
    isCooperative: true,
    userData: () => {
      options.onJoin()
      const data: MemberData = {
        version: 1,
        storedTasks: options.storedTasks(),
        isShutdown: options.isShutdown(),
      }
      return Buffer.from(JSON.stringify(data))
    },
    async assign(members) {
      const { tasks } = await options.plan()
      const owners = new Map<string, string>()
      let isShutdown = false
      const taskMembers: TaskMember[] = members.map((member) => {
        const owned = new Set(member.ownedPartitions.map(partitionKey))
        const running = new Set(
          tasks
            .filter((task) => task.sources.some((one) => owned.has(partitionKey(one))))
            .map(({ id }) => id),
        )
        for (const id of running) owners.set(id, member.memberId)
        const told = read<MemberData>(member.userData)
        if (told.isShutdown) isShutdown = true
        return { memberId: member.memberId, running, stored: new Set(told.storedTasks ?? []) }
      })
      const shares = shareTasks(tasks, taskMembers)
      const { fingerprint } = options
      const data: AssignmentData = { version: 1, fingerprint, isShutdown }
      const userData = Buffer.from(JSON.stringify(data))
      const isFree = (task: PlannedTask, memberId: string): boolean =>
        (owners.get(task.id) ?? memberId) === memberId
      return new Map(
        [...shares].map(([memberId, share]) => {
          const partitions = share
            .filter((task) => isFree(task, memberId))
            .flatMap((task) => task.sources)
          return [memberId, { partitions, userData }]
        }),
      )
    },
    onAssignment: ({ userData }) => {
      const told = read<AssignmentData>(userData ?? null)
      options.onAssignment(told.fingerprint ?? '', told.isShutdown ?? false)
    },
  }
}

export const partitionKey = ({ topic, partition }: TopicPartition): string =>
  `${topic}/${partition}`

function read<Data>(userData: Buffer | null): Partial<Data> {
  try {
    return JSON.parse(userData?.toString() ?? '{}') as Partial<Data>
  } catch {
    // A member of another make: it has nothing that would be known here.
    return {}
  }
}
