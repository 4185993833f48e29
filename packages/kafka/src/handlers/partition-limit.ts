/** As Kafka's controller: each partition is a folder that is made before the answer. */
const newPartitionsMax = 10_000

/** What Kafka says of a request that asks for too many partitions in all; undefined where it does not. */
export function tooManyPartitions(counts: Iterable<number>): string | undefined {
  let total = 0
  for (const count of counts) total += Math.max(0, count)
  return total > newPartitionsMax
    ? 'Excessively large number of partitions per request.'
    : undefined
}
