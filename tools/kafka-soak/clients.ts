import { Consumer, type GroupMetadata, Producer, type TopicPartition } from '@khlong/kafka-client'
import { Kafka, logLevel, Partitioners } from 'kafkajs'

/** A client under load, over all the lives of the broker. */
export interface SoakClient {
  readonly name: string
  /** Stops after what is under way. */
  stop(): Promise<void>
}

/** A producer that counts its values up, and remembers which of them were acknowledged. */
export interface SoakProducer extends SoakClient {
  readonly acknowledged: ReadonlySet<number>
  readonly sent: number
}

/** The idempotent producer of kafka-client: many under way, tries again by itself. */
export function startKafkaClientProducer(
  address: string,
  topic: string,
  name: string,
): SoakProducer {
  const producer = new Producer({
    'bootstrap.servers': address,
    'delivery.timeout.ms': 600_000,
    'linger.ms': 2,
  })
  const acknowledged = new Set<number>()
  const state = { isStopping: false, sent: 0 }
  const running = (async () => {
    while (!state.isStopping) {
      const batch = Array.from({ length: 20 }, () => state.sent++)
      await Promise.all(
        batch.map(async (n) => {
          await producer.send({ topic, key: `${name}-${n % 12}`, value: `${name}/${n}` })
          acknowledged.add(n)
        }),
      )
    }
  })()
  return {
    name,
    acknowledged,
    get sent() {
      return state.sent
    },
    stop: async () => {
      state.isStopping = true
      await running
      await producer.close()
    },
  }
}

/** The idempotent producer of kafkajs: one under way; what it gives up is not sent again. */
export async function startKafkajsProducer(
  address: string,
  topic: string,
  name: string,
): Promise<SoakProducer> {
  const kafka = new Kafka({
    clientId: name,
    brokers: [address],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 100 },
  })
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const acknowledged = new Set<number>()
  const state = { isStopping: false, sent: 0 }
  const running = (async () => {
    while (!state.isStopping) {
      const batch = Array.from({ length: 10 }, () => state.sent++)
      try {
        await producer.send({
          topic,
          acks: -1,
          messages: batch.map((n) => ({ key: `${name}-${n % 12}`, value: `${name}/${n}` })),
        })
        for (const n of batch) acknowledged.add(n)
      } catch {
        // Not acknowledged: it may be there or not.
      }
    }
  })()
  return {
    name,
    acknowledged,
    get sent() {
      return state.sent
    },
    stop: async () => {
      state.isStopping = true
      await running
      await producer.disconnect()
    },
  }
}

/** Copies topic to topic in transactions, as a member of a group; every third one is aborted and done again. */
export interface Copier extends SoakClient {
  readonly committed: number
  readonly aborted: number
  readonly restarts: number
}

export function startCopier(
  address: string,
  from: string,
  to: string,
  group: string,
  name: string,
): Copier {
  const state = { isStopping: false, committed: 0, aborted: 0, restarts: 0 }
  const running = (async () => {
    while (!state.isStopping)
      try {
        await copyUntilError(address, from, to, group, name, state)
      } catch {
        // As an application that is started again: fencing and offsets put it right.
        state.restarts++
      }
  })()
  return {
    name,
    get committed() {
      return state.committed
    },
    get aborted() {
      return state.aborted
    },
    get restarts() {
      return state.restarts
    },
    stop: async () => {
      state.isStopping = true
      await running
    },
  }
}

async function copyUntilError(
  address: string,
  from: string,
  to: string,
  group: string,
  name: string,
  state: { isStopping: boolean; committed: number; aborted: number },
): Promise<void> {
  const base = { 'bootstrap.servers': address }
  await using producer = new Producer({ ...base, 'transactional.id': name })
  await producer.initTransactions()
  await using consumer = new Consumer({
    ...base,
    'group.id': group,
    'auto.offset.reset': 'earliest',
    'isolation.level': 'read_committed',
    'session.timeout.ms': 10_000,
  })
  consumer.subscribe([from])
  for (let round = 0; !state.isStopping; ) {
    const chunks = await consumer.poll(200)
    if (chunks.length === 0) continue
    round++
    const metadata: GroupMetadata = consumer.groupMetadata()
    producer.beginTransaction()
    await Promise.all(
      chunks.flatMap(({ partition, records }) =>
        records.map(({ key, value }) => producer.send({ topic: to, partition, key, value })),
      ),
    )
    await producer.sendOffsets(
      chunks.map(({ topic, partition, records }) => ({
        topic,
        partition,
        offset: records.at(-1)!.offset + 1,
      })),
      metadata,
    )
    if (round % 3 === 0) {
      await producer.abortTransaction()
      state.aborted++
      // A partition may have come in several pieces; the first one's place is where it goes on.
      for (const { topic, partition, records } of chunks.toReversed())
        consumer.seek({ topic, partition }, records[0]!.offset)
    } else {
      await producer.commitTransaction()
      state.committed++
    }
  }
}

/** A group whose committed offsets are remembered: none may ever go back. */
export interface Committer extends SoakClient {
  /** By partition: the highest offset whose commit was acknowledged. */
  readonly committed: ReadonlyMap<number, number>
  /** Commits that were acknowledged. */
  readonly commits: number
}

export function startCommitter(address: string, topic: string, group: string): Committer {
  const committed = new Map<number, number>()
  const state = { isStopping: false, commits: 0 }
  const consumer = new Consumer({
    'bootstrap.servers': address,
    'group.id': group,
    'auto.offset.reset': 'earliest',
    'enable.auto.commit': false,
    'session.timeout.ms': 10_000,
  })
  consumer.subscribe([topic])
  const running = (async () => {
    while (!state.isStopping)
      try {
        const chunks = await consumer.poll(200)
        if (chunks.length === 0) continue
        const offsets = chunks.map(({ partition, records }) => ({
          topic,
          partition,
          offset: records.at(-1)!.offset + 1,
        }))
        await consumer.commit(offsets)
        state.commits++
        for (const { partition, offset } of offsets) committed.set(partition, offset)
      } catch {
        // Not acknowledged; the next round commits further on.
      }
  })()
  return {
    name: group,
    committed,
    get commits() {
      return state.commits
    },
    stop: async () => {
      state.isStopping = true
      await running
      await consumer.close()
    },
  }
}

/** All values of a topic by partition, in order; of transactions only those that were committed. */
export async function readAll(
  address: string,
  topic: string,
  partitions: number,
): Promise<string[][]> {
  await using consumer = new Consumer({
    'bootstrap.servers': address,
    'isolation.level': 'read_committed',
  })
  const values: string[][] = Array.from({ length: partitions }, () => [])
  const places: TopicPartition[] = values.map((_, partition) => ({ topic, partition }))
  consumer.assign(places.map((place) => ({ ...place, offset: 'earliest' as const })))
  while (places.some((place) => consumer.lag(place) !== 0))
    for (const { partition, records } of await consumer.poll(100))
      for (const { value } of records) values[partition]!.push(String(value))
  return values
}
