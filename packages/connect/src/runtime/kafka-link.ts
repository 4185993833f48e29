import path from 'node:path'
import { type Logger, systemClock } from '@khlong/core'
import {
  Admin,
  Consumer,
  clientSecurityKeys,
  type GroupHandlers,
  KafkaClient,
  KafkaClientError,
  type NewTopic,
  Producer,
  type RebalanceListener,
  type Receipt,
} from '@khlong/kafka-client'
import { workerClientKeys } from '../config/java-worker.ts'
import type { ResolvedConnectOptions } from '../options.ts'
import { type GroupPlaceOptions, joinWorkers } from './group-place.ts'
import type {
  ConnectKafka,
  GroupOffset,
  GroupPlace,
  OutgoingRecord,
  ReaderEvents,
  RecordReader,
  RecordWriter,
  TableOptions,
  TableTopic,
  TopicPartition,
  TransactionalWriter,
  WriteFailure,
  WriteOutcome,
} from './kafka.ts'
import { KafkaTable } from './kafka-table.ts'
import { pause } from './pause.ts'
import { StartPositions } from './start-positions.ts'

/** How long a member that stopped may still be in its group; more than the session's time. */
const memberGoneMs = 15_000

// A leader that dies within a write holds up whoever reads the topic for this long at most.
const leaderSettings = { 'transaction.timeout.ms': '10000' }

type Settings = Readonly<Record<string, string>>

const clientSettings: readonly string[] = [
  'bootstrap.servers',
  'hosts',
  ...clientSecurityKeys,
  ...workerClientKeys,
]

/** The worker's way to Kafka: one client with its connections, shared by all connectors. */
export class KafkaLink implements ConnectKafka {
  readonly #logger: Logger
  readonly #settings: { readonly 'bootstrap.servers': string }
  readonly #memberFile: string
  readonly #group: GroupPlaceOptions['group']
  #client: KafkaClient | undefined
  #producer: Producer | undefined

  constructor(options: ResolvedConnectOptions, logger: Logger) {
    this.#logger = logger
    const given = Object.entries(options).filter(
      ([name, value]) => clientSettings.includes(name) && value !== undefined,
    )
    this.#settings = Object.fromEntries(given) as { 'bootstrap.servers': string }
    this.#memberFile = path.join(options.data, 'group-member-id')
    this.#group = {
      sessionTimeoutMs: options['session.timeout.ms'],
      heartbeatMs: options['heartbeat.interval.ms'],
      rebalanceTimeoutMs: options['rebalance.timeout.ms'],
    }
  }

  async start(): Promise<void> {
    this.#client = new KafkaClient(
      { ...this.#settings, 'client.id': 'khlong-connect' },
      { logger: this.#logger },
    )
    const client = this.#client
    let isTold = false
    await client.retrying('reaching Kafka', () => client.refreshMetadata([]), {
      onRetry: (error) => {
        if (!isTold) this.#logger.warn({ err: error }, 'Kafka is not reached yet; the worker waits')
        isTold = true
      },
    })
    this.#producer = this.#newProducer('connect-worker', {})
  }

  async clusterId(): Promise<string> {
    return (await this.#admin.describeCluster()).clusterId ?? ''
  }

  async ensureTopics(topics: Parameters<ConnectKafka['ensureTopics']>[0]): Promise<void> {
    for (const { name, partitions, replicationFactor, configs } of topics)
      try {
        await this.#createTopic({
          name,
          ...(partitions < 0 ? {} : { partitions }),
          ...(replicationFactor < 0 ? {} : { replicationFactor }),
          ...(configs ? { configs } : {}),
        })
      } catch (error) {
        if (codeOf(error) !== 'KAFKA_TOPIC_ALREADY_EXISTS') throw error
      }
  }

  async groupOffsets(groupId: string): Promise<readonly GroupOffset[]> {
    return this.#admin.listConsumerGroupOffsets(groupId)
  }

  async deleteGroup(groupId: string): Promise<void> {
    await this.#whenEmpty(() => this.#admin.deleteGroups([groupId]))
  }

  /** A task that stopped keeps its place in its group for the time of its session. */
  async #whenEmpty(change: () => Promise<void>): Promise<void> {
    const untilMs = performance.now() + memberGoneMs
    for (;;)
      try {
        await change()
        return
      } catch (error) {
        const code = codeOf(error)
        if (code === 'KAFKA_GROUP_ID_NOT_FOUND') return
        if (!code || !nonEmpty.has(code) || performance.now() > untilMs) throw error
        await pause(systemClock, 250)
      }
  }

  async alterGroupOffsets(
    groupId: string,
    offsets: readonly (TopicPartition & { readonly offset: number | null })[],
  ): Promise<void> {
    const set = offsets.flatMap(({ offset, ...place }) =>
      offset === null ? [] : [{ ...place, offset }],
    )
    const forgotten = offsets.filter(({ offset }) => offset === null)
    await this.#whenEmpty(async () => {
      if (set.length > 0) await this.#admin.alterConsumerGroupOffsets(groupId, set)
      if (forgotten.length > 0) await this.#admin.deleteConsumerGroupOffsets(groupId, forgotten)
    })
  }

  async writer(clientId: string, overrides: Settings): Promise<RecordWriter> {
    // Tasks that ask for nothing of their own share a producer: fewer requests, fewer buffers.
    const own =
      Object.keys(overrides).length === 0 ? undefined : this.#newProducer(clientId, overrides)
    const producer = own ?? this.#producer!
    return {
      write: (records) => writeAll(producer, records),
      close: async () => {
        await own?.close()
      },
    }
  }

  transactionalWriter(
    clientId: string,
    transactionalId: string,
    overrides: Settings,
  ): TransactionalWriter {
    const producer = this.#newProducer(clientId, {
      ...overrides,
      'enable.idempotence': 'true',
      'transactional.id': transactionalId,
    })
    return {
      claim: () => producer.initTransactions(),
      begin: () => producer.beginTransaction(),
      write: (records) => {
        const written = writeAll(producer, records)
        void producer.flush()
        return written
      },
      commit: () => producer.commitTransaction(),
      abort: () => producer.abortTransaction(),
      close: () => producer.close({ timeoutMs: 0 }),
    }
  }

  async fence(transactionalIds: readonly string[]): Promise<void> {
    await this.#admin.fenceProducers(transactionalIds)
  }

  async reader(
    options: {
      groupId: string
      clientId: string
      topics: readonly string[]
      topicsRegex: string
      overrides: Settings
    },
    events: ReaderEvents,
  ): Promise<RecordReader> {
    const consumer = new Consumer(
      {
        ...this.#settings,
        'auto.offset.reset': 'earliest',
        'max.poll.records': 2_000,
        // A task that comes back after a crash takes its own place at once (KIP-345); else the group
        // would wait for the session of the one that is gone to end.
        'group.instance.id': options.clientId,
        'session.timeout.ms': 10_000,
        ...(options.overrides as object),
        'client.id': options.clientId,
        'group.id': options.groupId,
      },
      this.#context(options.overrides),
    )
    const starts = new StartPositions()
    const listener: RebalanceListener = {
      onPartitionsRevoked: async (partitions) => {
        await events.onRevoked(partitions)
        starts.revoked(partitions)
      },
    }
    const topics =
      options.topics.length > 0 ? options.topics : new RegExp(`^(?:${options.topicsRegex})$`, 'u')
    consumer.subscribe(topics, listener)
    return {
      poll: async (timeoutMs) => {
        const found = await consumer.poll(timeoutMs)
        starts.note(
          consumer.assignment,
          ({ topic, partition }) =>
            found.find((one) => one.topic === topic && one.partition === partition)?.records[0]
              ?.offset,
          (partition) => consumer.position(partition),
        )
        return found.length === 1 ? found[0]!.records : found.flatMap((one) => one.records)
      },
      commit: async (positions) => {
        const whole = starts.with(positions)
        await consumer.commit(whole)
        starts.committed(whole)
      },
      lag: () =>
        consumer.assignment.reduce((sum, partition) => sum + (consumer.lag(partition) ?? 0), 0),
      close: () => consumer.close(),
    }
  }

  joinGroup(groupId: string, handlers: GroupHandlers): Promise<GroupPlace> {
    return joinWorkers(
      {
        groupId,
        client: this.#client!,
        settings: this.#settings,
        group: this.#group,
        memberFile: this.#memberFile,
        logger: this.#logger,
      },
      handlers,
    )
  }

  table(topic: string, { isCommitted = false, leaderId }: TableOptions = {}): TableTopic {
    return new KafkaTable({
      topic,
      isCommitted,
      ...(leaderId === undefined
        ? {}
        : {
            leaderWriter: () =>
              this.transactionalWriter(`${leaderId}-leader`, leaderId, leaderSettings),
          }),
      client: this.#client!,
      producer: this.#producer!,
      settings: this.#settings,
      logger: this.#logger,
    })
  }

  async close(): Promise<void> {
    await this.#producer?.close({ timeoutMs: 5_000 })
    this.#producer = undefined
    await this.#client?.close()
    this.#client = undefined
  }

  get #admin(): Admin {
    return new Admin(this.#settings, { client: this.#client!, logger: this.#logger })
  }

  /** Makes a topic; a replication factor that the cluster cannot give becomes the broker's default. */
  async #createTopic(topic: NewTopic): Promise<void> {
    try {
      await this.#admin.createTopics([topic])
    } catch (error) {
      if (codeOf(error) !== 'KAFKA_INVALID_REPLICATION_FACTOR') throw error
      const { replicationFactor: _tooMany, ...rest } = topic
      await this.#admin.createTopics([rest])
    }
  }

  #newProducer(clientId: string, overrides: Settings): Producer {
    return new Producer(
      {
        ...this.#settings,
        // Batches come from tasks ready made: waiting for more would only add to the latency.
        'linger.ms': 5,
        ...(overrides as object),
        'client.id': clientId,
      },
      this.#context(overrides),
    )
  }

  /** What reaches Kafka over the worker's connections, unless it names other brokers or another login. */
  #context(overrides: Settings): { readonly client?: KafkaClient; readonly logger: Logger } {
    const isOwn = Object.entries(overrides).some(
      ([name, value]) =>
        clientSettings.includes(name) &&
        value !== String((this.#settings as Readonly<Record<string, unknown>>)[name]),
    )
    return { logger: this.#logger, ...(isOwn ? {} : { client: this.#client! }) }
  }
}

/** Writes records and gives what became of each; waits for room in between. */
function writeAll(
  producer: Producer,
  records: readonly OutgoingRecord[],
): Promise<readonly WriteOutcome[]> {
  return new Promise((resolve) => {
    const outcomes = new Array<WriteOutcome>(records.length)
    let left = records.length
    const settle = (index: number, error: KafkaClientError | undefined): void => {
      outcomes[index] = error && failureOf(error)
      if (--left === 0) resolve(outcomes)
    }
    const receipt: Receipt = { settle: (index, outcome) => settle(index, outcome.error) }
    const enqueueAll = async (): Promise<void> => {
      for (let index = 0; index < records.length; index++) {
        const hasRoom = producer.enqueueFor(records[index]!, receipt, index)
        if (hasRoom || index === records.length - 1) continue
        try {
          await producer.ready()
        } catch (error) {
          for (let rest = index + 1; rest < records.length; rest++)
            settle(rest, error as KafkaClientError)
          return
        }
      }
    }
    if (left === 0) resolve(outcomes)
    else void enqueueAll()
  })
}

function codeOf(error: unknown): string | undefined {
  return error instanceof KafkaClientError ? error.code : undefined
}

/** What brokers answer to a change of a group that still has members. */
const nonEmpty = new Set([
  'KAFKA_NON_EMPTY_GROUP',
  'KAFKA_UNKNOWN_MEMBER_ID',
  'KAFKA_GROUP_SUBSCRIBED_TO_TOPIC',
])

const tooLarge = new Set([
  'KAFKA_CLIENT_RECORD_TOO_LARGE',
  'KAFKA_MESSAGE_TOO_LARGE',
  'KAFKA_RECORD_LIST_TOO_LARGE',
])
// The client gave up on these; the broker may take the record later.
const passing = new Set(['KAFKA_CLIENT_DELIVERY_TIMEOUT', 'KAFKA_CLIENT_TIMEOUT'])

const fencing = new Set([
  'KAFKA_PRODUCER_FENCED',
  'KAFKA_INVALID_PRODUCER_EPOCH',
  'KAFKA_INVALID_PRODUCER_ID_MAPPING',
  'KAFKA_INVALID_TXN_STATE',
  'KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER',
  'KAFKA_UNKNOWN_PRODUCER_ID',
  'KAFKA_CLIENT_INVALID_STATE',
  'KAFKA_CLIENT_CLOSED',
])

function failureOf(error: KafkaClientError): WriteFailure {
  return {
    isTooLarge: tooLarge.has(error.code),
    isRetriable: error.retriable || passing.has(error.code),
    isFenced: fencing.has(error.code),
    error,
  }
}
