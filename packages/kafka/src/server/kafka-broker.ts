import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import type { Socket } from 'node:net'
import path from 'node:path'
import {
  type Cut,
  CutFolder,
  type DataFolder,
  describeError,
  formatListen,
  type MetricsRegistry,
  openDataFolder,
  PartBase,
  type PartContext,
  type TimerHandle,
  type Vitals,
} from '@khlong/core'
import { BufferPool } from '@khlong/core/bytes'
import { KafkaError } from '../errors.ts'
import { kafkaFormats } from '../formats.ts'
import { GroupCoordinator } from '../groups/group-coordinator.ts'
import { handlers } from '../handlers/index.ts'
import { cleanLogs } from '../log/cleaner.ts'
import { LogStore } from '../log/log-store.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import { FileMetadataStore } from '../metadata/file-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { type KafkaOptions, type ResolvedKafkaOptions, resolveKafkaOptions } from '../options.ts'
import { type ListenerPlan, planListeners } from '../security/listeners.ts'
import { BrokerState } from '../state/broker-state.ts'
import { CoordinatorTopic } from '../state/coordinator-topic.ts'
import { offsetsTopic, transactionsTopic } from '../state/topic.ts'
import { resolveLogConfig } from '../state/topic-configs.ts'
import { TransactionCoordinator } from '../transactions/transaction-coordinator.ts'
import { AnswerBudget } from './answer-budget.ts'
import { BrokerHold } from './broker-hold.ts'
import { BrokerListener, whyUnsafe } from './broker-listener.ts'
import { brokerMetrics, brokerVitals } from './broker-metrics.ts'
import { Connection, type ConnectionServices } from './connection.ts'
import { RequestBudget } from './request-budget.ts'

/** Enough for consumers that are up to date. */
const tailBytesMax = 512 * 1024
const openFilesMax = 512
/** A login takes a few hundred bytes of it; one that is larger than 64 KiB may have to wait. */
const loginRequestBytesMax = 16 * 1024 * 1024
const journalBytesMax = 16 * 1024 * 1024

/** What exists while the broker runs. */
interface Running {
  readonly folder: DataFolder
  metadata?: MetadataStore
  state?: BrokerState
  logs?: LogStore
  groups?: GroupCoordinator
  transactions?: TransactionCoordinator
  listeners: BrokerListener[]
  timers: TimerHandle[]
}

/** Clients give up a request after 30 s by default: one that was not sent, or whose answer was not taken. */
const stalledMs = 30_000

/**
 * A Kafka broker for one machine.
 *
 * @example
 * const broker = new KafkaBroker({ listen: 9092, data: './data/kafka' })
 * await broker.start()
 * console.log(broker.addresses.kafka) // 127.0.0.1:9092
 */
export class KafkaBroker extends PartBase {
  readonly name: string = 'kafka'
  readonly #options: ResolvedKafkaOptions
  readonly #givenSettings: ReadonlySet<string>
  #running: Running | undefined
  #addresses: Readonly<Record<string, string>> = {}
  #metrics: MetricsRegistry | undefined
  #hold: BrokerHold | undefined
  readonly #answers: AnswerBudget
  readonly #requests: RequestBudget
  readonly #loginRequests: RequestBudget
  /** For the bytes of batches on their way from clients to files, and from there to clients. */
  readonly #memory = new BufferPool({
    keptBytesMax: 16 * 1024 * 1024,
    stepBytes: 16 * 1024,
    largeStepBytes: 64 * 1024,
    pooledBytesMin: 4_096,
  })

  constructor(options: KafkaOptions = {}, context: PartContext = {}) {
    super(context)
    this.#options = resolveKafkaOptions(options)
    this.#givenSettings = new Set(Object.keys(options))
    this.#answers = new AnswerBudget({
      clock: this.clock,
      bytesMax: this.#options['queued.max.response.bytes'],
      stalledMs,
    })
    const requestBytesMax = this.#options['queued.max.request.bytes']
    this.#requests = new RequestBudget({
      clock: this.clock,
      bytesMax: requestBytesMax > 0 ? requestBytesMax : Number.POSITIVE_INFINITY,
      stalledMs,
    })
    this.#loginRequests = new RequestBudget({
      clock: this.clock,
      bytesMax: loginRequestBytesMax,
      stalledMs,
    })
  }

  get addresses(): Readonly<Record<string, string>> {
    return this.#addresses
  }

  vitals(): Vitals {
    const running = this.#running
    if (!running?.state || !running.groups)
      return { recordsIn: 0, recordsOut: 0, facts: {}, items: [] }
    return brokerVitals(running.state, connectionCount(running))
  }

  metrics(): string {
    return this.#metrics?.render() ?? ''
  }

  async hold(deadlineMs: number): Promise<void> {
    const { logs, metadata } = this.#running ?? {}
    if (!logs || !metadata) throw new KafkaError('KAFKA_LOG_CLOSED', 'the broker does not run')
    await this.#hold?.ended
    this.#hold = new BrokerHold(logs.committer, metadata, this.clock)
    await this.#hold.begin(deadlineMs)
  }

  async release(): Promise<void> {
    const hold = this.#hold
    this.#hold = undefined
    hold?.end()
  }

  /** While it holds, all partitions are kept as they are; without a hold it takes one for itself. */
  async cut(into: string): Promise<Cut> {
    const { logs, folder } = this.#running ?? {}
    if (!logs || !folder) throw new KafkaError('KAFKA_LOG_CLOSED', 'the broker does not run')
    const cut = new CutFolder(folder.path, into)
    const release = this.#hold ? () => {} : await logs.committer.hold()
    try {
      logs.cut(cut)
      for (const name of ['meta.properties', 'metadata.json', 'zookeeper-session'])
        if (existsSync(path.join(folder.path, name))) cut.copy(name)
    } finally {
      release()
    }
    return cut.done(kafkaFormats)
  }

  protected async onStart(): Promise<void> {
    const options = this.#options
    const plans = planListeners(options)
    for (const plan of plans) {
      const why = options.allow_anonymous ? undefined : whyUnsafe(plan)
      if (why !== undefined)
        throw new KafkaError(
          'KAFKA_LISTEN_UNSAFE',
          `listening on ${formatListen(plan.address)} ${why} needs allow_anonymous: true (listener ${plan.name})`,
        )
    }
    const folder = await openDataFolder(options.data)
    const running: Running = { folder, listeners: [], timers: [] }
    this.#running = running
    const metadata = await this.#openMetadata(running.folder.path)
    running.metadata = metadata
    const { clock, logger } = this
    const state = new BrokerState({
      options,
      givenSettings: this.#givenSettings,
      clock,
      logger,
      metadata,
    })
    running.state = state
    const logs = await LogStore.open({
      folder: running.folder.path,
      flushMode: options['ack.flush'],
      tailBytesMax,
      memory: this.#memory,
      openFilesMax,
      journalBytesMax,
      clock,
      logger,
      configOf: (topic) =>
        resolveLogConfig(state.options, state.topics.get(topic)?.overrides ?? {}),
      onFailure: (error) => this.fail(error),
    })
    running.logs = logs
    state.attach(logs)
    const groups = this.#groupCoordinator(state, logs)
    running.groups = groups
    state.attachGroups(groups)
    const transactions = this.#transactionCoordinator(state, logs, groups)
    running.transactions = transactions
    state.attachTransactions(transactions)
    await metadata.open(state)
    const strays = state.strays()
    if (strays.length > 0)
      logger.warn({ partitions: strays }, 'folders without metadata are kept and not served')
    await groups.load()
    await transactions.load()
    await this.#listen(running, state, plans)
    this.#metrics = brokerMetrics(
      state,
      running.listeners,
      { answers: this.#answers, requests: [this.#requests, this.#loginRequests] },
      () => this.#running === running,
    )
    this.#plan(running, state)
  }

  #groupCoordinator(state: BrokerState, logs: LogStore): GroupCoordinator {
    const options = this.#options
    const { clock, logger } = this
    const { committer } = logs
    return new GroupCoordinator({
      clock,
      logger,
      topic: new CoordinatorTopic({
        committer,
        logger,
        partitions: (mayCreate) => internalPartitions(state, offsetsTopic, mayCreate),
      }),
      initialRebalanceDelayMs: options['group.initial.rebalance.delay.ms'],
      sizeMax: options['group.max.size'],
      retentionMs: options['offsets.retention.minutes'] * 60_000,
      offsetMetadataBytesMax: options['offset.metadata.max.bytes'],
    })
  }

  #transactionCoordinator(
    state: BrokerState,
    logs: LogStore,
    groups: GroupCoordinator,
  ): TransactionCoordinator {
    const options = this.#options
    const { clock, logger } = this
    const { committer } = logs
    return new TransactionCoordinator({
      clock,
      logger,
      committer,
      topic: new CoordinatorTopic({
        committer,
        logger,
        partitions: (mayCreate) => internalPartitions(state, transactionsTopic, mayCreate),
      }),
      producerIds: state.producerIds,
      timeoutMsMax: options['transaction.max.timeout.ms'],
      expirationMs: options['transactional.id.expiration.ms'],
      logOf: ({ topic, partition }) => {
        const partitions = state.topics.get(topic)?.partitions
        return partitions && partition < partitions.length ? partitions[partition] : null
      },
      logs: () => logs.logs.values(),
      onEnded: ({ identity }, producerId, isCommit) => {
        if (identity.topic === offsetsTopic)
          groups.endTransaction(identity.partition, producerId, isCommit)
      },
    })
  }

  async #openMetadata(folder: string): Promise<MetadataStore> {
    const connect = this.#options['zookeeper.connect']
    if (connect === undefined) return new FileMetadataStore(folder)
    const { ZookeeperMetadataStore } = await import('../metadata/zookeeper-store.ts')
    return ZookeeperMetadataStore.connect({
      connect,
      folder,
      brokerId: this.#options['broker.id'],
      sessionTimeoutMs: this.#options['zookeeper.session.timeout.ms'],
      connectionTimeoutMs: this.#options['zookeeper.connection.timeout.ms'],
      clock: this.clock,
      logger: this.logger,
    })
  }

  async #listen(
    running: Running,
    state: BrokerState,
    plans: readonly ListenerPlan[],
  ): Promise<void> {
    const options = this.#options
    const { logger } = this
    const decoySecret = randomBytes(32)
    const addresses: Record<string, string> = {}
    for (const plan of plans) {
      const listener = new BrokerListener({
        plan,
        credentials: state.credentials,
        decoySecret,
        onTlsFailure: (error, host) => {
          listener.logins.failed++
          logger.warn({ host, listener: plan.name, err: error }, 'a TLS handshake failed')
        },
      })
      running.listeners.push(listener)
      const services = {
        broker: state,
        listener,
        handlers,
        logger,
        requestBytesMax: options['socket.request.max.bytes'],
        idleMs: options['connections.max.idle.ms'],
        answers: this.#answers,
        requests: this.#requests,
        loginRequests: this.#loginRequests,
        memory: this.#memory,
        failureDelayMs: options['connection.failed.authentication.delay.ms'],
      }
      const address = await listener.open((socket) => {
        if (connectionCount(running) > options['max.connections']) socket.destroy()
        else admit(socket, services)
      })
      if (!plan.isInternal)
        addresses[options.listeners === undefined ? 'kafka' : plan.name] = formatListen(address)
    }
    await state.metadata.register({
      brokerId: state.brokerId,
      endpoints: running.listeners
        .filter(({ plan }) => !plan.isInternal)
        .map(({ plan, advertised }) => ({
          name: plan.name,
          protocol: plan.protocol,
          ...advertised,
        })),
    })
    this.#addresses = addresses
  }

  /** Work that comes round: retention, checkpoints, compaction, expiry. */
  #plan(running: Running, state: BrokerState): void {
    const { logger, clock } = this
    const options = this.#options
    const every = (ms: number, what: string, work: () => void | Promise<void>): void => {
      const index = running.timers.length
      const next = (): void => {
        running.timers[index] = clock.setTimer(async () => {
          try {
            await work()
          } catch (error) {
            logger.error({ err: describeError(error) }, `${what} failed`)
          }
          if (this.#running === running) next()
        }, ms)
      }
      next()
    }
    const { logs } = state
    every(options['log.retention.check.interval.ms'], 'retention', () => {
      const nowMs = clock.nowMs()
      for (const log of logs.logs.values())
        log.producers.expire(nowMs - options['producer.id.expiration.ms'])
      logs.retain(nowMs)
    })
    every(options['log.flush.scheduler.interval.ms'], 'a flush', () => logs.flushDue())
    every(options['log.flush.offset.checkpoint.interval.ms'], 'a checkpoint', () =>
      logs.checkpoint(),
    )
    every(options['offsets.retention.check.interval.ms'], 'the expiry of offsets', () =>
      state.groups.expire(),
    )
    every(
      options['transaction.abort.timed.out.transaction.cleanup.interval.ms'],
      'the end of transactions that took too long',
      () => state.transactions.sweep(),
    )
    every(
      options['transaction.remove.expired.transaction.cleanup.interval.ms'],
      'the expiry of transactional ids',
      () => state.transactions.expire(),
    )
    if (options['log.cleaner.enable'])
      every(options['log.cleaner.backoff.ms'], 'compaction', () =>
        cleanLogs(logs, clock.nowMs(), logger),
      )
  }

  protected async onStop(deadlineMs: number): Promise<void> {
    const running = this.#running
    if (!running) return
    this.#running = undefined
    this.#addresses = {}
    this.#hold?.cancel()
    this.#hold = undefined
    for (const timer of running.timers) this.clock.clearTimer(timer)
    // Joins and syncs that wait get their answer, so that their connections can drain.
    running.groups?.close()
    for (const log of running.logs?.logs.values() ?? []) wakeAll(log)
    await Promise.all(
      running.listeners.map((listener) => listener.close(Math.min(deadlineMs, 1_000))),
    )
    running.transactions?.close()
    await running.logs?.close()
    await running.metadata?.close()
    await running.folder.release()
  }
}

/** The partitions of a topic of the broker's own, which is made where that is allowed. */
async function internalPartitions(
  state: BrokerState,
  name: typeof offsetsTopic | typeof transactionsTopic,
  mayCreate: boolean,
): Promise<readonly (PartitionLog | undefined)[] | undefined> {
  const topic = state.topics.get(name)
  if (topic || !mayCreate) return topic?.partitions
  const { options } = state
  const prefix = name === offsetsTopic ? 'offsets.topic' : 'transaction.state.log'
  try {
    await state.createTopic(name, options[`${prefix}.num.partitions`], {
      'cleanup.policy': 'compact',
      // Whatever the broker's is.
      'compression.type': name === offsetsTopic ? 'producer' : 'uncompressed',
      'segment.bytes': String(options[`${prefix}.segment.bytes`]),
    })
  } catch (error) {
    if (!(error instanceof KafkaError) || error.code !== 'KAFKA_TOPIC_EXISTS') throw error
  }
  return state.topics.get(name)?.partitions
}

function wakeAll(log: PartitionLog): void {
  for (const waiter of [...log.waiters]) waiter()
}

function connectionCount({ listeners }: Running): number {
  return listeners.reduce((sum, listener) => sum + listener.connectionCount, 0)
}

function admit(socket: Socket, services: ConnectionServices): void {
  try {
    new Connection(socket, services)
  } catch (error) {
    services.logger.warn(
      { host: socket.remoteAddress, listener: services.listener.plan.name, err: error },
      'closed a connection',
    )
    socket.destroy()
  }
}
