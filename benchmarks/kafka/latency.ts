import { performance } from 'node:perf_hooks'
import { Consumer, KafkaClient, Producer } from '@khlong/kafka-client'

export interface LatencyUs {
  readonly p50: number
  readonly p99: number
}

/**
 * One record at a time, from the call that sends it to the moment that a consumer, which waits for it, has it:
 * microseconds. Producer and consumer have connections of their own.
 */
export async function endToEndLatency(
  address: string,
  topic: string,
  acks: 1 | -1,
  records: number,
): Promise<LatencyUs> {
  const options = { 'bootstrap.servers': address }
  const client = new KafkaClient(options)
  const other = new KafkaClient(options)
  const producer = new Producer(
    { ...options, acks, 'linger.ms': 0, 'enable.idempotence': false },
    { client },
  )
  const consumer = new Consumer(options, { client: other })
  try {
    consumer.assign([{ topic, partition: 0, offset: 'latest' }])
    while (consumer.position({ topic, partition: 0 }) === undefined) await consumer.poll(100)
    const value = Buffer.alloc(180, 'x')
    const latenciesUs: number[] = []
    const warmUp = Math.min(500, records)
    for (let index = 0; index < records + warmUp; index++) {
      const beganMs = performance.now()
      const sent = producer.send({ topic, partition: 0, value })
      for (let seen = 0; seen === 0; )
        for (const { records } of await consumer.poll(1_000)) seen += records.length
      if (index >= warmUp) latenciesUs.push((performance.now() - beganMs) * 1_000)
      await sent
    }
    latenciesUs.sort((a, b) => a - b)
    const at = (share: number): number => Math.round(latenciesUs[Math.floor(records * share)]!)
    return { p50: at(0.5), p99: at(0.99) }
  } finally {
    await producer.close()
    await consumer.close()
    await client.close()
    await other.close()
  }
}
