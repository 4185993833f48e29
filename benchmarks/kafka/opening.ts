import { Admin, KafkaClient, Producer } from '@khlong/kafka-client'
import { type BenchBroker, startKhlong } from './brokers.ts'

export interface Opening {
  /** Start to ready with an empty folder. */
  readonly emptyMs: number
  readonly partitions: number
  /** Start to ready with that many partitions, each with a record, after a clean stop. */
  readonly partitionsMs: number
  readonly partitionBytes: number
  /** Start to ready with one partition of that size, after a clean stop. */
  readonly largePartitionMs: number
  /** The same after SIGKILL under load. */
  readonly largePartitionKilledMs: number
}

/** How long our broker takes to open what it has. */
export async function measureOpening(
  folder: string,
  options: { partitions: number; partitionBytes: number },
): Promise<Opening> {
  const { partitions, partitionBytes } = options
  const empty = await startKhlong(`${folder}-many`, 'all')
  await fillMany(empty, partitions)
  await empty.stop()
  const many = await startKhlong(`${folder}-many`, 'all')
  await many.stop()
  const large = await startKhlong(`${folder}-large`, 'all')
  await fillOne(large, partitionBytes)
  await large.stop()
  const reopened = await startKhlong(`${folder}-large`, 'all')
  await fillOne(reopened, Math.floor(partitionBytes / 50), false)
  process.kill(reopened.pid, 'SIGKILL')
  const killed = await startKhlong(`${folder}-large`, 'all')
  await killed.stop()
  return {
    emptyMs: Math.round(empty.startMs),
    partitions,
    partitionsMs: Math.round(many.startMs),
    partitionBytes,
    largePartitionMs: Math.round(reopened.startMs),
    largePartitionKilledMs: Math.round(killed.startMs),
  }
}

async function fillMany(broker: BenchBroker, partitions: number): Promise<void> {
  const options = { 'bootstrap.servers': broker.address }
  await using admin = new Admin(options)
  await admin.createTopics([{ name: 'many', partitions, replicationFactor: 1 }])
  await using client = new KafkaClient(options)
  const producer = new Producer({ ...options, acks: -1 }, { client })
  await Promise.all(
    Array.from({ length: partitions }, (_, partition) =>
      producer.send({ topic: 'many', partition, value: 'x' }),
    ),
  )
  await producer.close()
}

async function fillOne(broker: BenchBroker, bytes: number, create = true): Promise<void> {
  const options = { 'bootstrap.servers': broker.address }
  if (create) {
    await using admin = new Admin(options)
    await admin.createTopics([{ name: 'large', partitions: 1, replicationFactor: 1 }])
  }
  await using client = new KafkaClient(options)
  const producer = new Producer({ ...options, acks: -1, 'batch.size': 1_000_000 }, { client })
  const value = Buffer.alloc(10_000, 'reading ')
  for (let sent = 0; sent < bytes; ) {
    const sends: Promise<unknown>[] = []
    for (; sends.length < 1_000 && sent < bytes; sent += value.byteLength)
      sends.push(producer.send({ topic: 'large', partition: 0, value }))
    await Promise.all(sends)
  }
  await producer.close()
}
