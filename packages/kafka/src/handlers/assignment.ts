/** Says what is wrong with the replicas that a partition is to have on one broker, in the words of Kafka. */
export function assignmentProblem(
  replicas: readonly number[],
  brokerId: number,
): string | undefined {
  if (replicas.length === 0)
    return 'The manual partition assignment includes an empty replica list.'
  const elsewhere = replicas.find((replica) => replica !== brokerId)
  if (elsewhere !== undefined)
    return `The manual partition assignment includes broker ${elsewhere}, but no such broker is registered.`
  return replicas.length === 1
    ? undefined
    : `The manual partition assignment includes the broker ${brokerId} more than once.`
}
