import { Admin, Consumer, KafkaClient } from '@khlong/kafka-client'

/** Makes topics, each with its number of partitions. */
export async function makeTopics(
  bootstrapServers: string,
  topics: Readonly<Record<string, number>>,
): Promise<void> {
  const admin = new Admin({ 'bootstrap.servers': bootstrapServers })
  try {
    await admin.createTopics(
      Object.entries(topics).map(([name, partitions]) => ({
        name,
        partitions,
        replicationFactor: 1,
      })),
    )
  } finally {
    await admin.close()
  }
}

/** All values of a topic that a `read_committed` consumer sees, by partition, in order. */
export async function readCommitted(bootstrapServers: string, topic: string): Promise<string[][]> {
  const client = new KafkaClient({ 'bootstrap.servers': bootstrapServers })
  const consumer = new Consumer(
    { 'bootstrap.servers': bootstrapServers, 'isolation.level': 'read_committed' },
    { client },
  )
  try {
    const { partitions } = await client.topic(topic)
    const values: string[][] = Array.from(partitions, () => [])
    const places = values.map((_, partition) => ({ topic, partition }))
    consumer.assign(places.map((place) => ({ ...place, offset: 'earliest' as const })))
    while (places.some((place) => consumer.lag(place) !== 0))
      for (const { partition, records } of await consumer.poll(100))
        for (const { value } of records) values[partition]!.push(String(value))
    return values
  } finally {
    await consumer.close()
    await client.close()
  }
}
