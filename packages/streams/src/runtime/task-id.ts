/** A task's name: its sub-topology and its partition, as Java writes it. */
export const formatTaskId = (subTopology: number, partition: number): string =>
  `${subTopology}_${partition}`

/** Takes `1_0` apart; undefined where it is none. */
export function parseTaskId(
  taskId: string,
): { subTopology: number; partition: number } | undefined {
  const match = /^(\d{1,6})_(\d{1,6})$/.exec(taskId)
  return match ? { subTopology: Number(match[1]), partition: Number(match[2]) } : undefined
}
