import { describeError } from '@khlong/core'
import type { Admin, ConsumerRecord, Fetcher, KafkaClientOptions } from '@khlong/kafka-client'
import { GrafanaError, upstreamFailed } from '../errors.ts'

const textMax = 8_000
const recordsMax = 200
const topicsMax = 500
const timeoutMs = 5_000

/** A topic with where its partitions begin and end. */
export interface TopicView {
  readonly name: string
  readonly isInternal: boolean
  readonly records: number
  readonly partitions: readonly {
    readonly partition: number
    readonly first: number
    readonly end: number
  }[]
}

/** A consumer group with its lag per topic and partition. */
export interface GroupView {
  readonly groupId: string
  readonly state: string
  readonly members: number
  readonly lag: number
  readonly topics: readonly {
    readonly topic: string
    readonly partition: number
    readonly committed: number
    readonly end: number
    readonly lag: number
  }[]
}

/** A record as text where it is text, else as hexadecimal. */
export interface RecordView {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly isText: boolean
  readonly bytes: number
  readonly headers: readonly (readonly [string, string | null])[]
}

/** Kafka through our own client, loaded and connected when it is first needed; reads only. */
export class KafkaLink {
  /** What people call it. */
  readonly #servers: string
  readonly #client: KafkaClientOptions
  #admin: Promise<Admin> | undefined

  constructor(servers: string, client: Readonly<Record<string, unknown>> = {}) {
    this.#servers = servers
    this.#client = { 'bootstrap.servers': servers, ...client }
  }

  async topics(): Promise<TopicView[]> {
    return this.#ask(async (admin) => {
      const topics = (await admin.describeTopics()).slice(0, topicsMax)
      const all = topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partition }) => ({ topic: name, partition })),
      )
      const [first, end] = await Promise.all([
        admin.listOffsets(all.map((one) => ({ ...one, spec: 'earliest' as const }))),
        admin.listOffsets(all.map((one) => ({ ...one, spec: 'latest' as const }))),
      ])
      let at = 0
      return topics.map(({ name, isInternal, partitions }) => {
        const views = partitions.map(({ partition }) => {
          const view = { partition, first: first[at]?.offset ?? 0, end: end[at]?.offset ?? 0 }
          at++
          return view
        })
        const records = views.reduce((sum, view) => sum + view.end - view.first, 0)
        return { name, isInternal, records, partitions: views }
      })
    })
  }

  async groups(): Promise<GroupView[]> {
    return this.#ask(async (admin) => {
      const listed = (await admin.listGroups()).slice(0, topicsMax)
      const described = await admin.describeGroups(listed.map(({ groupId }) => groupId))
      const views = await Promise.all(
        described.map(async (group) => {
          const committed = (await admin.listConsumerGroupOffsets(group.groupId)).slice(0, 2_000)
          const ends = await admin.listOffsets(
            committed.map(({ topic, partition }) => ({
              topic,
              partition,
              spec: 'latest' as const,
            })),
          )
          const topics = committed.map(({ topic, partition, offset }, index) => {
            const end = ends[index]?.offset ?? offset
            return { topic, partition, committed: offset, end, lag: Math.max(0, end - offset) }
          })
          return {
            groupId: group.groupId,
            state: group.state,
            members: group.members.length,
            lag: topics.reduce((sum, { lag }) => sum + lag, 0),
            topics,
          }
        }),
      )
      return views.sort((a, b) => b.lag - a.lag || a.groupId.localeCompare(b.groupId))
    })
  }

  /** Records of a topic: the newest ones, or those from an offset of one partition on. */
  async records(options: {
    topic: string
    partition: number | undefined
    offset: number | undefined
    limit: number
  }): Promise<RecordView[]> {
    const limit = Math.max(1, Math.min(recordsMax, options.limit))
    return this.#ask(async (admin) => {
      const topic = (await admin.describeTopics([options.topic]))[0]
      if (!topic) throw new GrafanaError('GRAFANA_NOT_FOUND', `there is no topic ${options.topic}`)
      const wanted = topic.partitions.filter(
        ({ partition }) => options.partition === undefined || partition === options.partition,
      )
      const named = wanted.map(({ partition }) => ({ topic: topic.name, partition }))
      const [first, end] = await Promise.all([
        admin.listOffsets(named.map((one) => ({ ...one, spec: 'earliest' as const }))),
        admin.listOffsets(named.map((one) => ({ ...one, spec: 'latest' as const }))),
      ])
      const ranges = named
        .map((one, index) => {
          const low = first[index]?.offset ?? 0
          const high = end[index]?.offset ?? 0
          const from = options.offset ?? high - limit
          return { ...one, offset: Math.max(low, Math.min(from, high)), end: high }
        })
        .filter(({ offset, end: high }) => offset < high)
      const { Fetcher } = await import('@khlong/kafka-client')
      const fetcher = new Fetcher(
        { ...this.#client, 'prefetch.max.bytes': 4_194_304 },
        { client: admin.client },
      )
      try {
        const found = await readRanges(fetcher, ranges, limit)
        return found
          .sort((a, b) => b.timestamp - a.timestamp || b.offset - a.offset)
          .slice(0, limit)
          .map(viewOf)
      } finally {
        await fetcher.close()
      }
    })
  }

  async close(): Promise<void> {
    const admin = await this.#admin?.catch(() => undefined)
    await admin?.close()
  }

  async #ask<Answer>(run: (admin: Admin) => Promise<Answer>): Promise<Answer> {
    this.#admin ??= import('@khlong/kafka-client').then(
      ({ Admin }) => new Admin({ ...this.#client, 'client.id': 'khlong-console' }),
    )
    const admin = await this.#admin
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    })
    try {
      return await Promise.race([run(admin), late])
    } catch (error) {
      if (error instanceof GrafanaError) throw error
      throw upstreamFailed('kafka', `Kafka at ${this.#servers}: ${describeError(error)}`, error)
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Reads each range to its end, or until there are enough records of it. */
async function readRanges(
  fetcher: Fetcher,
  ranges: readonly { topic: string; partition: number; offset: number; end: number }[],
  limit: number,
): Promise<ConsumerRecord[]> {
  const left = new Map(ranges.map((range) => [range.partition, range.end]))
  const found: ConsumerRecord[] = []
  const counts = new Map<number, number>()
  fetcher.assign(ranges)
  const deadlineMs = performance.now() + timeoutMs - 500
  while (left.size > 0 && performance.now() < deadlineMs) {
    for (const { partition, records, nextOffset } of await fetcher.poll(250)) {
      const end = left.get(partition)
      if (end === undefined) continue
      for (const record of records) {
        if (record.offset >= end) break
        found.push(record)
        counts.set(partition, (counts.get(partition) ?? 0) + 1)
      }
      if (nextOffset >= end || (counts.get(partition) ?? 0) >= limit) left.delete(partition)
    }
  }
  return found
}

function viewOf(record: ConsumerRecord): RecordView {
  const value = textOf(record.value)
  const key = textOf(record.key)
  return {
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestamp,
    key: key.text,
    value: value.text,
    isText: value.isText,
    bytes: (record.value?.length ?? 0) + (record.key?.length ?? 0),
    headers: record.headers.slice(0, 50).map(([name, bytes]) => [name, textOf(bytes).text]),
  }
}

function textOf(bytes: Buffer | null): { text: string | null; isText: boolean } {
  if (bytes === null) return { text: null, isText: true }
  const text = bytes.subarray(0, textMax).toString('utf8')
  // A character that was cut at the end is no sign of binary data.
  const isText = !text.slice(0, -1).includes('\uFFFD') && !text.includes('\0')
  return isText ? { text, isText } : { text: bytes.subarray(0, 512).toString('hex'), isText }
}
