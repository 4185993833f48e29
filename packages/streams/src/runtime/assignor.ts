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
  share(stateful, Math.ceil(stateful.length / ordered.length), ordered, shares)
  share(stateless, Math.ceil(tasks.length / ordered.length), ordered, shares)
  return shares
}

function share(
  tasks: readonly PlannedTask[],
  most: number,
  members: readonly TaskMember[],
  shares: Map<string, PlannedTask[]>,
): void {
  const left: PlannedTask[] = []
  const countOf = ({ memberId }: TaskMember): number => shares.get(memberId)!.length
  for (const task of tasks) {
    const hasRoom = (member: TaskMember): boolean => countOf(member) < most
    const keeper =
      members.find((member) => member.running.has(task.id) && hasRoom(member)) ??
      members.find((member) => member.stored.has(task.id) && hasRoom(member))
    if (keeper) shares.get(keeper.memberId)!.push(task)
    else left.push(task)
  }
  const siblings = (member: TaskMember, task: PlannedTask): number =>
    shares.get(member.memberId)!.filter((one) => one.subTopology === task.subTopology).length
  for (const task of left) {
    const [leastBusy] = [...members].sort(
      (a, b) => countOf(a) - countOf(b) || siblings(a, task) - siblings(b, task),
    )
    shares.get(leastBusy!.memberId)!.push(task)
  }
}
