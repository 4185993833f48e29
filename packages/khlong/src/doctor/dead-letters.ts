import { Admin } from '@khlong/kafka-client'
import type { KafkaAccess } from '../config/kafka-access.ts'

/** Topics of these names hold what a step could not use. */
const deadLetterName = /dead.?letter|dlq/i

/** Dead letter topics that hold records, with how many. */
export async function countDeadLetters(
  access: KafkaAccess,
): Promise<{ topic: string; records: number }[]> {
  await using admin = new Admin({
    ...access,
    'client.id': 'khlong-doctor',
    'default.api.timeout.ms': 5_000,
  })
  const names = (await admin.listTopics()).filter((name) => deadLetterName.test(name))
  const topics = await admin.describeTopics(names)
  const counts: { topic: string; records: number }[] = []
  for (const { name: topic, partitions } of topics) {
    const places = partitions.map(({ partition }) => ({ topic, partition }))
    const [first, last] = await Promise.all(
      (['earliest', 'latest'] as const).map((spec) =>
        admin.listOffsets(places.map((place) => ({ ...place, spec }))),
      ),
    )
    const sum = (offsets: readonly { offset: number }[] = []): number =>
      offsets.reduce((total, { offset }) => total + offset, 0)
    const records = sum(last) - sum(first)
    if (records > 0) counts.push({ topic, records })
  }
  return counts
}
