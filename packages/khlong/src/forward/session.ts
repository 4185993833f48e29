import { describeError } from '@khlong/core'
import {
  Admin,
  type ConsumerRecord,
  Fetcher,
  KafkaClient,
  keyPartition,
  Producer,
} from '@khlong/kafka-client'
import { KhlongError } from '../errors.ts'
import type { ForwardOptions } from './options.ts'

/** The topic at the centre that holds how far each gateway is; docs/formats/forward.md. */
export const forwardTopic = 'khlong-forward'
const version = 1
const recordsMax = 10_000
const idleMs = 500
const topicsAgainMs = 10_000
/** A centre that is away is noticed by then, and the next attempt is one of ours. */
const answerWithinMs = 15_000
const stopWithinMs = 2_000

/** What one transaction has brought. */
export interface Forwarded {
  readonly topics: readonly { topic: string; records: number; bytes: number }[]
  /** Offsets behind what the centre has now, by `[topic, partition]` as JSON. */
  readonly positions: ReadonlyMap<string, number>
  /** Offsets of the first records, so; where none came, of what would come next. */
  readonly starts: ReadonlyMap<string, number>
}

/**
 * A way to the centre, until something fails on it. Its transactional id is the id of the cluster here: who
 * opens another one ends this one, and takes back what it had not committed.
 */
export class ForwardSession implements AsyncDisposable {
  readonly positions: Map<string, number>
  readonly #options: ForwardOptions
  readonly #cluster: string
  readonly #source: Admin
  readonly #centre: KafkaClient
  readonly #producer: Producer
  readonly #fetcher: Fetcher
  readonly #counts = new Map<string, { source: number; centre: number }>()
  #forget: () => void = () => {}
  #topicsSeenMs = Number.NEGATIVE_INFINITY

  private constructor(
    options: ForwardOptions,
    cluster: string,
    source: Admin,
    centre: KafkaClient,
    producer: Producer,
    positions: Map<string, number>,
  ) {
    this.#options = options
    this.#cluster = cluster
    this.#source = source
    this.#centre = centre
    this.#producer = producer
    this.positions = positions
    this.#fetcher = new Fetcher(
      {
        'bootstrap.servers': options.source['bootstrap.servers'],
        'isolation.level': 'read_committed',
        // What is gone already cannot be forwarded; it is counted by who looks at the buffer.
        'auto.offset.reset': 'earliest',
        'max.poll.records': recordsMax,
      },
      { client: source.client },
    )
  }

  static async open(options: ForwardOptions, signal: AbortSignal): Promise<ForwardSession> {
    const limits = {
      'default.api.timeout.ms': answerWithinMs,
      'request.timeout.ms': answerWithinMs,
      'client.id': 'khlong-forward',
    }
    const source = new Admin({ ...options.source, ...limits })
    const centre = new KafkaClient({ ...options.centre, ...limits })
    // A transaction that is under way may end; for a Kafka that is away nobody waits who stops.
    const onAbort = (): void => {
      setTimeout(() => {
        void centre.close()
        void source.close()
      }, stopWithinMs).unref()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    let producer: Producer | undefined
    try {
      const cluster = (await source.describeCluster()).clusterId ?? ''
      await makeOwnTopic(centre)
      producer = new Producer(
        {
          'bootstrap.servers': options.centre['bootstrap.servers'],
          'transactional.id': `khlong-forward-${cluster}`,
          'compression.type': options.compression,
          'batch.size': 256 * 1024,
          // What is too large is for the centre to say.
          'max.request.size': 16 * 1024 * 1024,
          'delivery.timeout.ms': answerWithinMs * 2,
          'max.block.ms': answerWithinMs,
        },
        { client: centre },
      )
      await producer.initTransactions()
      const positions = await readPositions(centre, cluster)
      const session = new ForwardSession(options, cluster, source, centre, producer, positions)
      session.#forget = () => signal.removeEventListener('abort', onAbort)
      return session
    } catch (error) {
      signal.removeEventListener('abort', onAbort)
      await producer?.close({ timeoutMs: 0 })
      await centre.close()
      await source.close()
      throw error
    }
  }

  /** Forwards what there is, in one transaction; nothing where nothing comes for half a second. */
  async forward(): Promise<Forwarded> {
    if (performance.now() - this.#topicsSeenMs > topicsAgainMs) await this.#seeTopics()
    const results = await this.#fetcher.poll(idleMs)
    const topics = new Map<string, { topic: string; records: number; bytes: number }>()
    const positions = new Map<string, number>()
    const starts = new Map<string, number>()
    if (results.length === 0) {
      // Behind markers, which are given to nobody, or what is not there any more.
      for (const place of this.#fetcher.assignment) {
        const position = this.#fetcher.position(place)
        if (position === undefined) continue
        positions.set(JSON.stringify([place.topic, place.partition]), position)
        starts.set(JSON.stringify([place.topic, place.partition]), position)
      }
      return { topics: [], positions, starts }
    }
    this.#producer.beginTransaction()
    let failure: unknown
    const onDone = (error: unknown): void => {
      failure ??= error
    }
    try {
      for (const { topic, partition, nextOffset, records } of results) {
        const tally = topics.get(topic) ?? { topic, records: 0, bytes: 0 }
        topics.set(topic, tally)
        for (const record of records) {
          tally.records++
          tally.bytes += (record.key?.byteLength ?? 0) + (record.value?.byteLength ?? 0)
          const isRoom = this.#producer.enqueue(
            {
              topic,
              partition: this.#partitionOf(record),
              key: record.key,
              value: record.value,
              headers: record.headerBlock,
              timestamp: record.timestamp,
            },
            onDone,
          )
          if (!isRoom) await this.#producer.ready()
        }
        const key = JSON.stringify([topic, partition])
        positions.set(key, nextOffset)
        if (!starts.has(key) && records[0]) starts.set(key, records[0].offset)
      }
      for (const [key, offset] of positions) {
        const [topic, partition] = JSON.parse(key) as [string, number]
        this.#producer.enqueue(
          {
            topic: forwardTopic,
            partition: 0,
            key: JSON.stringify([this.#cluster, topic, partition]),
            value: JSON.stringify({ version, offset }),
          },
          onDone,
        )
      }
      await this.#producer.commitTransaction()
    } catch (error) {
      throw failure ?? error
    }
    return { topics: [...topics.values()], positions, starts }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#forget()
    await this.#fetcher.close()
    // A transaction that is open is taken back by who comes next; what waits is not waited for.
    await this.#producer.close({ timeoutMs: 0 })
    await this.#centre.close()
    await this.#source.close()
  }

  /** Finds topics that have come, makes them at the centre, and reads each from where the centre is. */
  async #seeTopics(): Promise<void> {
    const names = new Set(await this.#source.listTopics())
    const described = await this.#source.describeTopics(
      this.#options.topics.filter((topic) => names.has(topic)),
    )
    const known = new Set(
      this.#fetcher.assignment.map(({ topic, partition }) => JSON.stringify([topic, partition])),
    )
    const assigned: { topic: string; partition: number; offset?: number | 'earliest' }[] = []
    for (const { name, partitions } of described) {
      const centre = await topicAtCentre(this.#centre, name, partitions.length)
      this.#counts.set(name, { source: partitions.length, centre })
      for (const { partition } of partitions) {
        const key = JSON.stringify([name, partition])
        assigned.push({
          topic: name,
          partition,
          ...(known.has(key) ? {} : { offset: this.positions.get(key) ?? 'earliest' }),
        })
      }
    }
    this.#fetcher.assign(assigned)
    this.#topicsSeenMs = performance.now()
  }

  /** The same partition, where there are as many; else by key, as producers do, so that a key stays in order. */
  #partitionOf({ topic, partition, key }: ConsumerRecord): number {
    const { source, centre } = this.#counts.get(topic)!
    if (source === centre) return partition
    return key === null ? partition % centre : keyPartition(key, centre)
  }
}

async function makeOwnTopic(centre: KafkaClient): Promise<void> {
  const admin = adminOf(centre)
  if ((await admin.listTopics()).includes(forwardTopic)) return
  await admin
    .createTopics([{ name: forwardTopic, partitions: 1, configs: { 'cleanup.policy': 'compact' } }])
    .catch(passOverExisting)
}

async function topicAtCentre(
  centre: KafkaClient,
  name: string,
  partitions: number,
): Promise<number> {
  const admin = adminOf(centre)
  if (!(await admin.listTopics()).includes(name))
    await admin.createTopics([{ name, partitions }]).catch((error: unknown) => {
      passOverExisting(error)
    })
  return (await centre.topic(name)).partitions.length
}

const adminOf = (client: KafkaClient): Admin =>
  new Admin({ 'bootstrap.servers': client.options['bootstrap.servers'] }, { client })

function passOverExisting(error: unknown): void {
  if ((error as { code?: unknown }).code !== 'KAFKA_TOPIC_ALREADY_EXISTS') throw error
}

/** How far the records of a cluster are at the centre. */
async function readPositions(centre: KafkaClient, cluster: string): Promise<Map<string, number>> {
  const place = { topic: forwardTopic, partition: 0 }
  const [end] = await adminOf(centre).listOffsets([{ ...place, spec: 'latest' }], {
    isCommitted: true,
  })
  const fetcher = new Fetcher(
    {
      'bootstrap.servers': centre.options['bootstrap.servers'],
      'isolation.level': 'read_committed',
    },
    { client: centre },
  )
  const positions = new Map<string, number>()
  try {
    fetcher.assign([{ ...place, offset: 'earliest' }])
    while ((fetcher.position(place) ?? 0) < end!.offset)
      for (const { records } of await fetcher.poll(idleMs))
        for (const { key, value } of records) take(positions, cluster, String(key), String(value))
  } finally {
    await fetcher.close()
  }
  return positions
}

function take(positions: Map<string, number>, cluster: string, key: string, text: string): void {
  try {
    const [of, topic, partition] = JSON.parse(key) as [string, string, number]
    if (of !== cluster) return
    const value = JSON.parse(text) as { version: number; offset: number }
    if (value.version !== version)
      throw new Error(`version ${value.version} is newer than ${version}; use that khlong`)
    positions.set(JSON.stringify([topic, partition]), value.offset)
  } catch (error) {
    throw new KhlongError(
      'KHLONG_FORWARD_POSITION',
      `topic ${forwardTopic} at the centre holds what cannot be read as a position (key ${key.slice(0, 200)}): ${describeError(error)}`,
    )
  }
}
