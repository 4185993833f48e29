import { setTimeout as delay } from 'node:timers/promises'
import { Consumer, KafkaClient } from '@khlong/kafka-client'
import { MongoClient } from 'mongodb'

// From a pipeline's documents and records back to the frames that sensors sent.

const drainDeadlineMs = 120_000

/** Documents beyond the first of their frames, and where they come from. */
export interface ExplainedDuplicates {
  readonly documents: number
  /** Documents beyond the first of the same frame; QoS 1 before Kafka may make them. */
  readonly duplicates: number
  /** Those of frames that their sensor sent again, because it had seen no acknowledgement. */
  readonly sentAgain: number
  /**
   * Those that the broker sent to the connector again: they were in Kafka when the process was killed,
   * and their acknowledgement was not yet in the broker's journal. Their records say so in a header.
   */
  readonly redelivered: number
  /** Those that are in Kafka twice, and neither explains it. */
  readonly unexplainedDuplicates: number
  /** Documents that Kafka has no record for: a frame's document was written twice. */
  readonly writtenTwice: number
}

export interface RecordCount {
  records: number
  /** Those whose message had its DUP flag set. */
  redelivered: number
}

/** Says of every document beyond the first of its frame where it comes from. */
export function explainDuplicates(
  documents: ReadonlyMap<string, number>,
  records: ReadonlyMap<string, RecordCount>,
  sends: ReadonlyMap<string, number>,
): ExplainedDuplicates {
  const result = {
    documents: 0,
    duplicates: 0,
    sentAgain: 0,
    redelivered: 0,
    unexplainedDuplicates: 0,
    writtenTwice: 0,
  }
  for (const [frame, count] of documents) {
    result.documents += count
    result.duplicates += count - 1
    const inKafka = records.get(frame) ?? { records: 0, redelivered: 0 }
    const afterKafka = Math.max(0, count - inKafka.records)
    let left = count - 1 - afterKafka
    const redelivered = Math.min(left, inKafka.redelivered)
    left -= redelivered
    const sentAgain = Math.min(left, (sends.get(frame) ?? 1) - 1)
    result.redelivered += redelivered
    result.sentAgain += sentAgain
    result.unexplainedDuplicates += left - sentAgain
    result.writtenTwice += afterKafka
  }
  return result
}

/** How many records of each frame Kafka has, and how many of them the broker sent again. */
export async function readRecords(bootstrapServers: string): Promise<Map<string, RecordCount>> {
  const client = new KafkaClient({ 'bootstrap.servers': bootstrapServers })
  const consumer = new Consumer({ 'bootstrap.servers': bootstrapServers }, { client })
  const counts = new Map<string, RecordCount>()
  try {
    const { partitions } = await client.topic('iot-frames')
    const places = Array.from(partitions, (_item, partition) => ({
      topic: 'iot-frames',
      partition,
    }))
    consumer.assign(places.map((place) => ({ ...place, offset: 'earliest' as const })))
    while (places.some((place) => consumer.lag(place) !== 0))
      for (const { records } of await consumer.poll(100))
        for (const { value, headers } of records) {
          const { id, boot, seq } = JSON.parse(String(value)) as Record<string, unknown>
          const frame = `${id}/${boot}/${seq}`
          const count = counts.get(frame) ?? { records: 0, redelivered: 0 }
          counts.set(frame, count)
          count.records++
          if (headers.some(([name, text]) => name === 'mqtt.duplicate' && String(text) === 'true'))
            count.redelivered++
        }
    return counts
  } finally {
    await consumer.close()
    await client.close()
  }
}

/** How many documents hold each frame, once all acknowledged ones are there or time is up. */
export async function countDocuments(
  url: string,
  acknowledged: ReadonlySet<string>,
): Promise<Map<string, number>> {
  const client = await MongoClient.connect(url)
  try {
    const collection = client.db('iot').collection('iot_frames')
    const deadlineMs = performance.now() + drainDeadlineMs
    for (;;) {
      const counts = new Map<string, number>()
      const cursor = collection.find(
        {},
        { projection: { id: 1, boot: 1, seq: 1 }, batchSize: 10_000 },
      )
      for await (const { id, boot, seq } of cursor) {
        const frame = `${id}/${boot}/${seq}`
        counts.set(frame, (counts.get(frame) ?? 0) + 1)
      }
      const complete = [...acknowledged].every((frame) => counts.has(frame))
      if (complete || performance.now() > deadlineMs) return counts
      await delay(500)
    }
  } finally {
    await client.close()
  }
}
