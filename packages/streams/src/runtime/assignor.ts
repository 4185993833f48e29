import type { PlannedTask } from './task-plan.ts'

/** A member as the assignment sees it. */
export interface TaskMember {
  readonly memberId: string
  /** Tasks that it runs now. */
  readonly running: ReadonlySet<string>
  /** Tasks whose stores it has on disk. */
  readonly stored: ReadonlySet<string>
}

/**
 * Shares tasks among members: as even as can be, and where a task may stay with who runs it, or go
 * to who has its stores, it does. Tasks with stores are shared out first, so that they are even too.
 */
export function shareTasks(
  tasks: readonly PlannedTask[],
  members: readonly TaskMember[],
): Map<string, PlannedTask[]> {
  const shares = new Map<string, PlannedTask[]>()
  const ordered = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
  for (const { memberId } of ordered) shares.set(memberId, [])
  if (ordered.length === 0) return shares
  const stateful = tasks.filter((task) => task.isStateful)
  const stateless = tasks.filter((task) => !task.isStateful)
  share(stateful, ordered, shares)
  share(stateless, ordered, shares)
  return shares
}

function share(
  tasks: readonly PlannedTask[],
  members: readonly TaskMember[],
  shares: Map<string, PlannedTask[]>,
): void {
  const countOf = ({ memberId }: TaskMember): number => shares.get(memberId)!.length
  const total = members.reduce((sum, member) => sum + countOf(member), tasks.length)
  // What all have, and how many may have one more: who comes anew gets its part of what others run.
  const each = Math.floor(total / members.length)
  let more = (total % members.length) - members.filter((member) => countOf(member) > each).length
  const keep = (
    wanted: readonly PlannedTask[],
    hasRoom: (member: TaskMember) => boolean,
  ): PlannedTask[] =>
    wanted.filter((task) => {
      const keeper =
        members.find((member) => member.running.has(task.id) && hasRoom(member)) ??
        members.find((member) => member.stored.has(task.id) && hasRoom(member))
      if (keeper) shares.get(keeper.memberId)!.push(task)
      return keeper === undefined
    })
  const rest = keep(tasks, (member) => countOf(member) < each)
  const left = keep(rest, (member) => {
    const takesOneMore = more > 0 && countOf(member) === each
    if (takesOneMore) more--
    return takesOneMore
  })
  const siblings = (member: TaskMember, task: PlannedTask): number =>
    shares.get(member.memberId)!.filter((one) => one.subTopology === task.subTopology).length
  for (const task of left) {
    const [leastBusy] = [...members].sort(
      (a, b) => countOf(a) - countOf(b) || siblings(a, task) - siblings(b, task),
    )
    shares.get(leastBusy!.memberId)!.push(task)
  }
}
