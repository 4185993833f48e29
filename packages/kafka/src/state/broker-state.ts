import { randomBytes } from 'node:crypto'
import { type Clock, describeError, type Logger } from '@khlong/core'
import { KafkaError } from '../errors.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { LogStore } from '../log/log-store.ts'
import type {
  BrokerConfigs,
  MetadataListener,
  MetadataStore,
  TopicRecord,
} from '../metadata/metadata-store.ts'
import type { ResolvedKafkaOptions } from '../options.ts'
import { internalPrincipal } from '../security/principal.ts'
import { ScramCredentials, type UserCredentials } from '../security/scram-credentials.ts'
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts'
import { type Acl, Authorizer } from './acls.ts'
import { FetchSessions } from './fetch-sessions.ts'
import { ProducerIds } from './producer-ids.ts'
import { isInternalTopic, type Topic, topicNameProblem, transactionsTopic } from './topic.ts'
import { checkTopicOverrides, resolveLogConfig, type TopicOverrides } from './topic-configs.ts'

/** Kafka's `min.incremental.fetch.session.eviction.ms`, which is no setting there any more. */
const evictionMs = 120_000

export interface BrokerServices {
  readonly options: ResolvedKafkaOptions
  /** Names of the settings that are not defaults, but were given. */
  readonly givenSettings: ReadonlySet<string>
  readonly clock: Clock
  readonly logger: Logger
  readonly metadata: MetadataStore
}

/** What the broker knows: topics with their logs, settings and rights. Metadata changes come in as events. */
export class BrokerState implements MetadataListener {
  readonly topics: Map<string, Topic> = new Map()
  readonly topicsById: Map<string, Topic> = new Map()
  readonly authorizer: Authorizer
  readonly producerIds: ProducerIds
  readonly fetchSessions: FetchSessions
  readonly metadata: MetadataStore
  readonly clock: Clock
  readonly logger: Logger
  readonly credentials: ScramCredentials = new ScramCredentials()
  /** Names of the settings that were given at the start. */
  readonly givenSettings: ReadonlySet<string>
  /** The settings of the start. */
  readonly staticOptions: ResolvedKafkaOptions
  #options: ResolvedKafkaOptions
  #brokerConfigs: BrokerConfigs = { everyBroker: {}, own: {} }
  /** Names of topics that are being made. */
  readonly #coming = new Set<string>()
  #logs: LogStore | undefined
  #groups: GroupCoordinator | undefined
  #transactions: TransactionCoordinator | undefined

  constructor(services: BrokerServices) {
    this.givenSettings = services.givenSettings
    this.staticOptions = services.options
    this.#options = services.options
    this.metadata = services.metadata
    this.clock = services.clock
    this.logger = services.logger
    this.authorizer = new Authorizer({
      isEnabled: services.options['authorizer.class.name'] !== '',
      isEveryoneAllowedWithoutAcl: services.options['allow.everyone.if.no.acl.found'],
      superUsers: new Set([
        internalPrincipal,
        ...services.options['super.users']
          .split(';')
          .map((name) => name.trim())
          .filter(Boolean),
      ]),
    })
    this.fetchSessions = new FetchSessions({
      clock: services.clock,
      slots: () => this.#options['max.incremental.fetch.session.cache.slots'],
      evictionMs,
    })
    this.producerIds = new ProducerIds(services.metadata)
  }

  /** The settings in force: those of the start with dynamic ones over them. */
  get options(): ResolvedKafkaOptions {
    return this.#options
  }
  /** The dynamic settings alone. */
  get brokerConfigs(): BrokerConfigs {
    return this.#brokerConfigs
  }
  get brokerId(): number {
    return this.#options['broker.id']
  }
  get logs(): LogStore {
    if (!this.#logs) throw new Error('the log store is not open')
    return this.#logs
  }
  get groups(): GroupCoordinator {
    if (!this.#groups) throw new Error('groups are not open')
    return this.#groups
  }
  get transactions(): TransactionCoordinator {
    if (!this.#transactions) throw new Error('transactions are not open')
    return this.#transactions
  }
  attach(logs: LogStore): void {
    this.#logs = logs
  }
  attachGroups(groups: GroupCoordinator): void {
    this.#groups = groups
  }
  attachTransactions(transactions: TransactionCoordinator): void {
    this.#transactions = transactions
  }

  async onTopic(record: TopicRecord): Promise<void> {
    const before = this.topics.get(record.name)
    if (before && before.topicId !== record.topicId) this.onTopicGone(record.name)
    const topic = (before?.topicId === record.topicId ? before : undefined) ?? {
      name: record.name,
      topicId: record.topicId,
      partitions: [],
      overrides: record.configs,
      recordsIn: 0,
      recordsOut: 0,
    }
    const partitions = await Promise.all(
      Array.from(
        { length: Math.max(record.partitionCount, topic.partitions.length) },
        (_, partition) => topic.partitions[partition] ?? this.#placeLog(record, partition),
      ),
    )
    const logConfig = resolveLogConfig(this.#options, record.configs)
    for (const log of partitions) if (log) log.config = logConfig
    topic.overrides = record.configs
    topic.partitions = partitions
    // Nobody sees a partition before its folder is durable.
    this.topics.set(record.name, topic)
    this.topicsById.set(record.topicId, topic)
  }

  onTopicGone(name: string): void {
    const topic = this.topics.get(name)
    if (!topic) return
    this.topics.delete(name)
    this.topicsById.delete(topic.topicId)
    for (let partition = 0; partition < topic.partitions.length; partition++)
      this.logs.remove(name, partition)
    this.#groups?.forgetTopic(name)
    // It is made anew for the next change of a transaction; those that are known go on.
    if (name === transactionsTopic) this.#transactions?.close()
  }

  onBrokerConfigs(configs: BrokerConfigs): void {
    this.#brokerConfigs = configs
    const values = Object.entries({ ...configs.everyBroker, ...configs.own }).map(
      ([key, value]) => [key, settingValue(value)],
    )
    this.#options = Object.freeze({ ...this.staticOptions, ...Object.fromEntries(values) })
    for (const topic of this.topics.values()) {
      const logConfig = resolveLogConfig(this.#options, topic.overrides)
      for (const log of topic.partitions) if (log) log.config = logConfig
    }
  }

  onUser(username: string, credentials: UserCredentials): void {
    this.credentials.replace(username, credentials)
  }

  onAcls(acls: readonly Acl[]): void {
    this.authorizer.replace(acls)
    if (acls.length > 0 && !this.authorizer.isEnabled)
      this.logger.warn(
        { count: acls.length },
        'there are ACLs that nobody is asked by: authorizer.class.name is not set',
      )
  }

  /** @throws KafkaError `KAFKA_TOPIC_INVALID`, `KAFKA_TOPIC_EXISTS` */
  checkNewTopicName(name: string): void {
    const problem = topicNameProblem(name)
    if (problem) throw new KafkaError('KAFKA_TOPIC_INVALID', problem)
    if (this.topics.has(name))
      throw new KafkaError('KAFKA_TOPIC_EXISTS', `Topic '${name}' already exists.`)
    const rival = this.#collision(name)
    if (rival !== undefined)
      throw new KafkaError(
        'KAFKA_TOPIC_INVALID',
        `Topic '${name}' collides with existing topic: ${rival}`,
      )
  }

  /** Checks and makes a topic; resolves when it can be written. */
  async createTopic(
    name: string,
    partitionCount: number,
    configs: TopicOverrides,
    options: { isCheckOnly?: boolean } = {},
  ): Promise<string> {
    this.checkNewTopicName(name)
    if (partitionCount < 1)
      throw new KafkaError(
        'KAFKA_PARTITIONS_INVALID',
        'Number of partitions must be larger than 0.',
      )
    checkTopicOverrides(configs)
    const topicId = newTopicId()
    if (options.isCheckOnly) return topicId
    this.#coming.add(name)
    try {
      await this.metadata.createTopic({ name, topicId, partitionCount, configs, placedCount: 0 })
    } finally {
      this.#coming.delete(name)
    }
    return topicId
  }

  /** Partitions whose folder is there, and that no metadata speaks of. */
  strays(): string[] {
    const served = new Set<unknown>()
    for (const topic of this.topics.values()) for (const log of topic.partitions) served.add(log)
    return [...this.logs.logs.values()].filter((log) => !served.has(log)).map((log) => log.name)
  }

  async #placeLog(record: TopicRecord, partition: number): Promise<Topic['partitions'][number]> {
    const { name: topic, topicId } = record
    const name = `${topic}-${partition}`
    if (this.logs.offline.has(name)) return undefined
    const log = this.logs.get(topic, partition)
    if (log?.identity.topicId === topicId) return log
    try {
      if (partition < record.placedCount)
        throw new KafkaError(
          'KAFKA_LOG_DAMAGED',
          `the folder of ${name} with topic id ${topicId} is lost; restore it, or delete the topic`,
          { fields: { topic, partition, topicId } },
        )
      if (log) this.logs.setAside(log)
      return await this.logs.create({ topic, partition, topicId })
    } catch (error) {
      this.logs.offline.set(name, error)
      this.logger.error(
        { topic, partition, err: describeError(error) },
        'a partition is not served',
      )
      return undefined
    }
  }

  /** Names that differ only in '.' and '_' share their metrics' names, so Kafka refuses the second. */
  #collision(name: string): string | undefined {
    if (!/[._]/.test(name) || isInternalTopic(name)) return undefined
    const folded = name.replaceAll('.', '_')
    for (const names of [this.topics.keys(), this.#coming])
      for (const other of names)
        if (other !== name && other.replaceAll('.', '_') === folded) return other
    return undefined
  }
}

/** Dynamic settings are kept as text. */
function settingValue(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  return text !== '' && Number.isFinite(Number(text))
    ? Math.min(Number(text), Number.MAX_SAFE_INTEGER)
    : text
}

function newTopicId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url')
    // Ids that begin with a dash trouble command lines; Kafka avoids them too.
    if (!id.startsWith('-')) return id
  }
}
