import type { GroupHandlers } from '@khlong/kafka-client'
import type { KafkaHeader, KafkaRecord } from '../data/record.ts'

// What the worker needs of Kafka. `kafka-link.ts` gives it with our client; tests give it in memory.

/** A record to write. */
export interface OutgoingRecord {
  readonly topic: string
  readonly partition?: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly KafkaHeader[]
  readonly timestamp?: number
}

/** Why a record was not written, or undefined where it is durable. */
export type WriteOutcome = WriteFailure | undefined

export interface WriteFailure {
  /** Kafka never takes it: it is larger than the client, the topic or the broker allow. */
  readonly isTooLarge: boolean
  readonly isRetriable: boolean
  /** Another writer has the transactional id now, or the transaction is lost. */
  readonly isFenced?: boolean
  readonly error: Error
}

export interface RecordWriter {
  /**
   * Writes records, those of a partition in their order; one outcome for each. Never rejects. Waits
   * with its answer while Kafka is slow, so that a source which waits for it slows down too.
   */
  write(records: readonly OutgoingRecord[]): Promise<readonly WriteOutcome[]>
  close(): Promise<void>
}

/**
 * Writes records in transactions, one at a time (KIP-618). Whoever has the same id writes no more once
 * this one has claimed it.
 */
export interface TransactionalWriter extends RecordWriter {
  /** Takes the id over: what earlier writers left open is taken back. */
  claim(): Promise<void>
  begin(): void
  /** @throws what says that the outcome is unknown, or that another has the id now. */
  commit(): Promise<void>
  abort(): Promise<void>
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface Position extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number
}

export interface ReaderEvents {
  /** Awaited before the partitions go to another member. */
  onRevoked(partitions: readonly TopicPartition[]): Promise<void>
}

/** One member of a sink's consumer group. */
export interface RecordReader {
  /** The next records, in order within each partition; none after `timeoutMs`. */
  poll(timeoutMs: number): Promise<readonly KafkaRecord[]>
  commit(positions: readonly Position[]): Promise<void>
  /** Records that wait behind what was polled, as far as known. */
  lag(): number
  close(): Promise<void>
}

/** A compacted topic of the workers' own, read as a whole and followed. */
export interface TableTopic {
  /**
   * Calls `onRecord` for each record in the order of its partition, whoever writes it, until `close`.
   * Resolved when what was there at the call was given.
   */
  open(onRecord: (record: KafkaRecord) => void): Promise<void>
  /** Resolved when the entries are durable and were given to `onRecord`. */
  put(entries: readonly (readonly [key: string, value: string | null])[]): Promise<void>
  /** Takes the right of `putAsLeader` from whoever had it. */
  claim(): Promise<void>
  /** Gives the right up: `putAsLeader` is refused until it is claimed again. */
  relinquish(): void
  /** As `put`, and refused once another worker has claimed the right. */
  putAsLeader(entries: readonly (readonly [key: string, value: string | null])[]): Promise<void>
  /** Resolved when everything that others have written until now was given to `onRecord`. */
  refresh(): Promise<void>
  close(): Promise<void>
}

export interface TableOptions {
  /** Whether what transactions have not committed is kept out. */
  readonly isCommitted?: boolean
  /** Under which id the leader writes; without one it writes as all do. */
  readonly leaderId?: string | undefined
}

export interface GroupOffset extends Position {}

/** A worker's place in the group of workers. */
export interface GroupPlace {
  readonly memberId: string
  readonly isLeader: boolean
  /** Asks for another round. */
  rejoin(): void
  /** Gives the place up at once. */
  leave(): Promise<void>
}

export interface ConnectKafka {
  start(): Promise<void>
  clusterId(): Promise<string>
  /** Makes topics that are missing; -1 stands for the broker's default. */
  ensureTopics(
    topics: readonly {
      name: string
      partitions: number
      replicationFactor: number
      configs?: Readonly<Record<string, string>>
    }[],
  ): Promise<void>
  writer(clientId: string, overrides: Readonly<Record<string, string>>): Promise<RecordWriter>
  reader(
    options: {
      groupId: string
      clientId: string
      topics: readonly string[]
      topicsRegex: string
      overrides: Readonly<Record<string, string>>
    },
    events: ReaderEvents,
  ): Promise<RecordReader>
  transactionalWriter(
    clientId: string,
    transactionalId: string,
    overrides: Readonly<Record<string, string>>,
  ): TransactionalWriter
  /** Takes transactional ids from whoever has them. */
  fence(transactionalIds: readonly string[]): Promise<void>
  table(topic: string, options?: TableOptions): TableTopic
  /** Joins a group of workers; what follows is told to the handlers. */
  joinGroup(groupId: string, handlers: GroupHandlers): Promise<GroupPlace>
  /** Committed offsets of a group. */
  groupOffsets(groupId: string): Promise<readonly GroupOffset[]>
  deleteGroup(groupId: string): Promise<void>
  /** Sets committed offsets of a group without members; those without an offset are forgotten. */
  alterGroupOffsets(
    groupId: string,
    offsets: readonly (TopicPartition & { readonly offset: number | null })[],
  ): Promise<void>
  close(): Promise<void>
}
