import type { GroupHandlers } from '@khlong/kafka-client'
import type { KafkaRecord } from '../../src/data/record.ts'
import type {
  ConnectKafka,
  GroupOffset,
  GroupPlace,
  OutgoingRecord,
  RecordReader,
  RecordWriter,
  TableTopic,
  TransactionalWriter,
  WriteFailure,
  WriteOutcome,
} from '../../src/runtime/kafka.ts'
import { MemoryGroup } from './memory-group.ts'

/** Kafka as the worker sees it, in memory, with one partition for each topic. */
export class MemoryKafka implements ConnectKafka {
  readonly topics: Map<string, KafkaRecord[]> = new Map()
  readonly committed: Map<string, number> = new Map()
  /** Answers for records that are not to be written; undefined lets one through. */
  refuse: (record: OutgoingRecord) => WriteFailure | undefined = () => undefined
  /** While set, writes wait for it. */
  gate: Promise<void> | undefined
  /** While set, writes to the worker's own topics wait for it. */
  tableGate: Promise<void> | undefined
  /** How many writes of a key to the worker's own topics fail. */
  failTablePuts = 0
  failTableKey = ''
  readonly #wakers = new Set<() => void>()
  readonly #groups = new Map<string, MemoryGroup>()
  readonly #followers = new Map<string, Set<(record: KafkaRecord) => void>>()

  records(topic: string): KafkaRecord[] {
    let records = this.topics.get(topic)
    if (!records) {
      records = []
      this.topics.set(topic, records)
    }
    return records
  }

  append(record: OutgoingRecord): void {
    const records = this.records(record.topic)
    records.push({
      topic: record.topic,
      partition: record.partition ?? 0,
      offset: records.length,
      timestamp: record.timestamp ?? 1_769_846_400_000,
      key: record.key === null ? null : Buffer.from(record.key),
      value: record.value === null ? null : Buffer.from(record.value),
      headers: record.headers,
    })
    for (const apply of this.#followers.get(record.topic) ?? []) apply(records.at(-1)!)
    for (const wake of [...this.#wakers]) wake()
  }

  /** Puts text into a topic. */
  put(topic: string, ...values: (string | null)[]): void {
    for (const value of values)
      this.append({
        topic,
        key: null,
        value: value === null ? null : Buffer.from(value),
        headers: [],
      })
  }

  /** Resolved when a topic has `count` records. */
  async waitFor(topic: string, count: number): Promise<KafkaRecord[]> {
    while (this.records(topic).length < count) await this.#change()
    return this.records(topic)
  }

  async start(): Promise<void> {}
  async clusterId(): Promise<string> {
    return 'memory-cluster'
  }
  async ensureTopics(topics: readonly { name: string }[]): Promise<void> {
    for (const { name } of topics) this.records(name)
  }

  async writer(): Promise<RecordWriter> {
    return {
      write: async (records) => {
        await this.gate
        return records.map((record): WriteOutcome => {
          const failure = this.refuse(record)
          if (!failure) this.append(record)
          return failure
        })
      },
      close: async () => {},
    }
  }

  /** Who may write by a transactional id: the one that claimed it last. */
  readonly #claims = new Map<string, object>()
  /** Ids that were fenced by `fence`, in order. */
  readonly fenced: string[] = []
  /** How many transactions are committed. */
  commits = 0
  /** Called before a transaction is committed; what it throws is what the commit says. */
  onCommit: () => Promise<void> | void = () => {}

  /** What the producer of each id was told. */
  readonly overrides: Map<string, Readonly<Record<string, string>>> = new Map()
  /** How many claims, and how many calls of `fence`, fail. */
  failClaims = 0
  failFences = 0

  transactionalWriter(
    _clientId: string,
    id: string,
    overrides: Readonly<Record<string, string>>,
  ): TransactionalWriter {
    const claim = {}
    this.overrides.set(id, overrides)
    let open: OutgoingRecord[] | undefined
    const requireClaim = (): void => {
      if (this.#claims.get(id) !== claim) throw new Error(`fenced: ${id}`)
    }
    return {
      claim: async () => {
        if (this.failClaims-- > 0) throw new Error('no coordinator')
        this.#claims.set(id, claim)
      },
      begin: () => {
        requireClaim()
        open = []
      },
      write: async (records) => {
        await this.gate
        return records.map((record): WriteOutcome => {
          const failure = this.refuse(record)
          if (!failure) open?.push(record)
          return failure
        })
      },
      commit: async () => {
        await this.onCommit()
        requireClaim()
        for (const record of open ?? []) this.append(record)
        open = undefined
        this.commits++
      },
      abort: async () => {
        open = undefined
      },
      close: async () => {},
    }
  }

  async fence(transactionalIds: readonly string[]): Promise<void> {
    if (this.failFences-- > 0) throw new Error('no coordinator')
    for (const id of transactionalIds) {
      this.#claims.set(id, {})
      this.fenced.push(id)
    }
  }

  async reader(options: { groupId: string; topics: readonly string[] }): Promise<RecordReader> {
    const { groupId, topics } = options
    const next = new Map(
      topics.map((topic) => [topic, this.committed.get(`${groupId}/${topic}`) ?? 0]),
    )
    const take = (): KafkaRecord[] =>
      topics.flatMap((topic) => {
        const records = this.records(topic).slice(next.get(topic))
        next.set(topic, this.records(topic).length)
        return records
      })
    return {
      poll: async (timeoutMs) => {
        const records = take()
        if (records.length > 0) return records
        await Promise.race([
          this.#change(),
          new Promise((resolve) => setTimeout(resolve, Math.min(timeoutMs, 20))),
        ])
        return take()
      },
      commit: async (positions) => {
        for (const { topic, offset } of positions) this.committed.set(`${groupId}/${topic}`, offset)
      },
      lag: () =>
        topics.reduce((lag, topic) => lag + this.records(topic).length - next.get(topic)!, 0),
      close: async () => {},
    }
  }

  table(topic: string): TableTopic {
    let follower: (record: KafkaRecord) => void = () => {}
    let followers = this.#followers.get(topic)
    if (!followers) {
      followers = new Set()
      this.#followers.set(topic, followers)
    }
    const table: TableTopic = {
      open: async (onRecord) => {
        for (const record of this.records(topic)) onRecord(record)
        follower = onRecord
        followers.add(follower)
      },
      put: async (entries) => {
        await this.tableGate
        if (this.failTablePuts > 0 && entries.some(([key]) => key === this.failTableKey)) {
          this.failTablePuts--
          throw new Error('Kafka does not answer')
        }
        for (const [key, value] of entries)
          this.append({
            topic,
            key: Buffer.from(key),
            value: value === null ? null : Buffer.from(value),
            headers: [],
          })
      },
      claim: async () => {},
      relinquish: () => {},
      putAsLeader: (entries) => table.put(entries),
      refresh: async () => {},
      close: async () => {
        followers.delete(follower)
      },
    }
    return table
  }

  /** Workers of one group; a round begins in a later turn, so that many reasons make one. */
  async joinGroup(groupId: string, handlers: GroupHandlers): Promise<GroupPlace> {
    let group = this.#groups.get(groupId)
    if (!group) {
      group = new MemoryGroup(groupId)
      this.#groups.set(groupId, group)
    }
    return group.join(handlers)
  }

  async groupOffsets(groupId: string): Promise<readonly GroupOffset[]> {
    return [...this.committed]
      .filter(([key]) => key.startsWith(`${groupId}/`))
      .map(([key, offset]) => ({ topic: key.slice(groupId.length + 1), partition: 0, offset }))
  }
  async deleteGroup(groupId: string): Promise<void> {
    for (const key of this.committed.keys())
      if (key.startsWith(`${groupId}/`)) this.committed.delete(key)
  }
  async alterGroupOffsets(
    groupId: string,
    offsets: readonly { topic: string; offset: number | null }[],
  ): Promise<void> {
    for (const { topic, offset } of offsets)
      if (offset === null) this.committed.delete(`${groupId}/${topic}`)
      else this.committed.set(`${groupId}/${topic}`, offset)
  }
  async close(): Promise<void> {}

  #change(): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wakers.delete(wake)
        resolve()
      }
      this.#wakers.add(wake)
    })
  }
}
