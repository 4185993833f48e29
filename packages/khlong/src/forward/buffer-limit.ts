import type { Admin } from '@khlong/kafka-client'

const segmentBytesMin = 1024 * 1024
const partOfBuffer = 8

/**
 * Bounds what topics may take on this disk: of one that is over it the oldest segments go first, by Kafka's
 * own retention. Segments are made small enough for that to be a small part of the buffer. Topics that are
 * not there yet are left to the next start.
 */
export async function limitBuffer(
  admin: Admin,
  topics: readonly string[],
  bufferBytes: number,
): Promise<void> {
  const there = new Set(await admin.listTopics())
  for (const { name, partitions } of await admin.describeTopics(
    topics.filter((topic) => there.has(topic)),
  )) {
    const bytes = Math.floor(bufferBytes / partitions.length)
    const segmentBytes = Math.max(segmentBytesMin, Math.floor(bytes / partOfBuffer))
    await admin.incrementalAlterConfigs({ type: 'topic', name }, [
      { name: 'retention.bytes', operation: 'set', value: String(bytes) },
      { name: 'segment.bytes', operation: 'set', value: String(segmentBytes) },
    ])
  }
}
