import type { Clock, Logger, Random } from '@khlong/core'
import { commonSpec, kindSpecs } from '../config/common.ts'
import type { ConfigMap } from '../config/fields.ts'
import { converterFor, headerConverterFor, optionsUnder } from '../converters/index.ts'
import type { ConnectObject } from '../data/schema.ts'
import { traceOf } from '../errors.ts'
import type { ConnectorPlugin, SinkPlugin, SourcePlugin, TaskContext } from '../plugin.ts'
import type { ConnectorOffsets, OffsetStores } from '../storage/connector-offsets.ts'
import type { RunState, StatusStore } from '../storage/status-store.ts'
import { transformChain } from '../transforms/chain.ts'
import { Backoff } from './backoff.ts'
import { Conversion } from './conversion.ts'
import { ErrorPolicy } from './error-policy.ts'
import { ExactlyOnceRunner, type TransactionBoundary } from './exactly-once-runner.ts'
import type { ConnectKafka } from './kafka.ts'
import type { TaskCounters } from './metrics.ts'
import { pause } from './pause.ts'
import { Retries } from './retries.ts'
import type { RunnerOptions } from './runner-options.ts'
import { SinkRunner } from './sink-runner.ts'
import { SourceRunner } from './source-runner.ts'

/** What tasks of sources need of the group of workers to write by transactions (KIP-618). */
export interface ExactlyOnce {
  transactionalId(connector: string, task: number): string
  /** Changes whenever the tasks of a connector are written anew. */
  generation(connector: string): number
  /** Resolved when tasks of former generations write no more. */
  fence(connector: string, signal: AbortSignal): Promise<void>
  /** @throws ConnectError where the task is not for this worker, or not of this generation. */
  verify(connector: string, task: number, generation: number): Promise<void>
}

/** What all tasks of a worker share. */
export interface TaskEnvironment {
  readonly kafka: ConnectKafka
  readonly offsets: OffsetStores
  /** Undefined: sources do not write by transactions. */
  readonly exactlyOnce: ExactlyOnce | undefined
  readonly statuses: StatusStore
  /** Converters and clients of the worker, for connectors that name none. */
  readonly workerConfig: ConfigMap
  readonly flushIntervalMs: number
  readonly shutdownTimeoutMs: number
  readonly resolveHost: (host: string) => string
  /** What a task counts; it counts on when it is made anew. */
  readonly countersOf: (connector: string, task: number) => TaskCounters
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** The logger of a connector's class. */
  readonly loggerOf: (className: string) => Logger
}

/** How long a transaction may last beyond its interval: Kafka's own limit for one. */
const transactionRoomMs = 60_000

interface Run {
  readonly runner: SinkRunner | SourceRunner | ExactlyOnceRunner
  readonly addresses: () => Readonly<Record<string, string>>
  readonly ended: Promise<void>
}

/** One task of a connector: its state, and the runner while it runs. */
export class ConnectorTask {
  readonly id: number
  readonly counters: TaskCounters
  readonly #connector: string
  readonly #plugin: ConnectorPlugin
  readonly #readConfig: () => ConfigMap
  readonly #environment: TaskEnvironment
  readonly #onChange: () => void
  readonly #logger: Logger
  #config: ConfigMap = {}
  #state: RunState = 'UNASSIGNED'
  #trace: string | undefined
  #run: Run | undefined
  #isStopping = false

  constructor(
    place: { connector: string; id: number },
    plugin: ConnectorPlugin,
    /** Gives the configuration with what it refers to; asked for at each start. */
    readConfig: () => ConfigMap,
    environment: TaskEnvironment,
    onChange: () => void,
  ) {
    this.id = place.id
    this.#connector = place.connector
    this.#plugin = plugin
    this.#readConfig = readConfig
    this.#environment = environment
    this.#onChange = onChange
    this.#logger = environment.loggerOf(plugin.className)
    this.counters = environment.countersOf(place.connector, place.id)
  }

  get state(): RunState {
    return this.#state
  }
  get trace(): string | undefined {
    return this.#trace
  }
  /** Why it does not move, while it tries again by itself. */
  get note(): string | undefined {
    return this.#run?.runner.note
  }
  get addresses(): Readonly<Record<string, string>> {
    return this.#run?.addresses() ?? {}
  }
  /** Whether it gets what its source sends; sinks are ready once they run. */
  get isReady(): boolean {
    if (this.#state !== 'RUNNING' || !this.#run) return false
    return this.#run.runner instanceof SinkRunner ? true : this.#run.runner.isReady
  }

  start(): void {
    this.#isStopping = false
    this.#trace = undefined
    try {
      this.#config = this.#readConfig()
      this.#run =
        this.#plugin.kind === 'sink' ? this.#runSink(this.#plugin) : this.#runSource(this.#plugin)
      this.setState('RUNNING')
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Ends the run; what it took is written first, as far as that is possible in time. */
  async stop(): Promise<void> {
    const run = this.#run
    if (!run) return
    this.#isStopping = true
    run.runner.stop()
    const { clock, shutdownTimeoutMs } = this.#environment
    const late = new AbortController()
    const outcome = await Promise.race([
      run.ended,
      pause(clock, shutdownTimeoutMs, late.signal).then(() => 'late' as const),
    ])
    late.abort()
    if (outcome === 'late') {
      this.#logger.warn({ connector: this.#connector, task: this.id }, 'task did not stop in time')
      await Promise.race([run.runner.cut().then(() => run.ended), pause(clock, 1_000)])
    }
    this.#run = undefined
  }

  setState(state: RunState): void {
    this.#state = state
    this.#environment.statuses.putTask(this.#connector, this.id, { state, trace: this.#trace })
    this.#onChange()
  }

  #fail(error: unknown): void {
    this.#trace = traceOf(error)
    this.#logger.error({ connector: this.#connector, task: this.id, err: error }, 'task failed')
    this.setState('FAILED')
  }

  #watch(runner: Run['runner'], running: Promise<void>): Promise<void> {
    return running.catch((error: unknown) => {
      if (this.#isStopping || this.#run?.runner !== runner)
        this.#logger.warn(
          { connector: this.#connector, task: this.id, err: error },
          'task did not end cleanly',
        )
      else {
        this.#run = undefined
        this.#fail(error)
      }
    })
  }

  #runSink(plugin: SinkPlugin): Run {
    const runner = new SinkRunner({
      ...this.#parts('connector-consumer', plugin.usesHeaders === true),
      groupId: this.#config['consumer.override.group.id'] ?? `connect-${this.#connector}`,
      topics: listOf(this.#config.topics),
      topicsRegex: this.#config['topics.regex'] ?? '',
      consumerOverrides: this.#overrides('consumer'),
    })
    const task = plugin.createTask(this.#config, {
      ...this.#context(),
      reportErrant: (record, error) => runner.reportErrant(record, error),
    })
    const run = async (): Promise<void> => {
      await this.#ensureTopics([])
      await runner.run(task)
    }
    return { runner, ended: this.#watch(runner, run()), addresses: () => task.addresses ?? {} }
  }

  #runSource(plugin: SourcePlugin): Run {
    const { offsets: stores, exactlyOnce } = this.#environment
    const connector = this.#connector
    const parts = {
      ...this.#parts('connector-producer', true),
      producerOverrides: this.#overrides('producer'),
    }
    let offsets: ConnectorOffsets | undefined
    // They are known before the task is started, and no task asks before that.
    const known = (): ConnectorOffsets => offsets!
    const context = {
      ...this.#context(),
      onReadyChange: this.#onChange,
      readOffset: (partition: ConnectObject) => known().get(partition),
      writeOffset: (partition: ConnectObject, offset: ConnectObject) =>
        known().put([[partition, offset]]),
    }
    const open = async (): Promise<ConnectorOffsets> => {
      // Transforms may route records elsewhere; such topics are made by the broker as they come.
      await this.#ensureTopics(this.#config.transforms ? [] : plugin.topics(this.#config))
      offsets = await stores.of(connector, this.#config)
      return offsets
    }
    if (exactlyOnce) {
      const runner = this.#exactlyOnceRunner(exactlyOnce, parts)
      const createTask = () =>
        plugin.createTask(this.#config, { ...context, transactions: runner.wishes })
      const running = open().then((opened) => runner.run(opened, createTask))
      return { runner, ended: this.#watch(runner, running), addresses: () => ({}) }
    }
    const runner = new SourceRunner({ ...parts, writeOffsets: (entries) => known().put(entries) })
    const task = plugin.createTask(this.#config, context)
    const running = open().then(() => runner.run(task))
    return { runner, ended: this.#watch(runner, running), addresses: () => ({}) }
  }

  #exactlyOnceRunner(
    exactlyOnce: ExactlyOnce,
    parts: RunnerOptions & { readonly producerOverrides: ConfigMap },
  ): ExactlyOnceRunner {
    const { flushIntervalMs } = this.#environment
    const connector = this.#connector
    const generation = exactlyOnce.generation(connector)
    const options = kindSpecs.source.parse(this.#config)
    const boundary = options['transaction.boundary'] as TransactionBoundary
    const intervalMs =
      (options['transaction.boundary.interval.ms'] as number | undefined) ?? flushIntervalMs
    return new ExactlyOnceRunner({
      ...parts,
      // The broker ends a transaction that lasts longer.
      producerOverrides:
        boundary === 'interval'
          ? {
              'transaction.timeout.ms': String(intervalMs + transactionRoomMs),
              ...parts.producerOverrides,
            }
          : parts.producerOverrides,
      transactionalId: exactlyOnce.transactionalId(connector, this.id),
      boundary,
      intervalMs,
      onStarted: () => this.#onChange(),
      fence: (signal) => exactlyOnce.fence(connector, signal),
      verify: () => exactlyOnce.verify(connector, this.id, generation),
    })
  }

  /** Topics that are written to are made before the first record, so that none waits for a topic. */
  async #ensureTopics(written: readonly string[]): Promise<void> {
    const common = commonSpec.parse(this.#config)
    const option = (name: string): number =>
      Number(this.#config[`topic.creation.default.${name}`] ?? -1)
    const deadLetters = common['errors.deadletterqueue.topic.name']
    await this.#environment.kafka.ensureTopics([
      ...written.map((name) => ({
        name,
        partitions: option('partitions'),
        replicationFactor: option('replication.factor'),
      })),
      ...(deadLetters === ''
        ? []
        : [
            {
              name: deadLetters,
              partitions: 1,
              replicationFactor: common['errors.deadletterqueue.topic.replication.factor'],
            },
          ]),
    ])
  }

  #parts(role: string, usesHeaders: boolean): RunnerOptions {
    const { kafka, workerConfig, flushIntervalMs, clock, random, statuses } = this.#environment
    const { counters } = this
    const logger = this.#logger
    const connector = this.#connector
    const common = commonSpec.parse(this.#config)
    const transforms = transformChain(this.#config)
    const delayMsMax = common['errors.retry.delay.max.ms']
    return {
      kafka,
      clientId: `${role}-${connector}-${this.id}`,
      conversion: new Conversion({
        keyConverter: converterFor('key.converter', this.#config, workerConfig),
        valueConverter: converterFor('value.converter', this.#config, workerConfig),
        headerConverter: headerConverterFor(this.#config, workerConfig),
        readsHeaders: usesHeaders || transforms !== undefined,
        converterNames: {
          key: this.#named('key.converter'),
          value: this.#named('value.converter'),
          header: this.#named('header.converter'),
        },
        transforms,
      }),
      retries: new Retries({
        timeoutMs: common['errors.retry.timeout'],
        delayMsMax,
        clock,
        random,
        counters,
      }),
      policy: new ErrorPolicy(common, { connector, task: this.id }, logger, counters),
      counters,
      backoff: new Backoff({ minMs: 300, maxMs: Math.min(delayMsMax, 10_000), random }),
      flushIntervalMs,
      clock,
      logger,
      onTopic: (topic: string) => statuses.addTopic(connector, this.id, topic, clock.nowMs()),
    }
  }

  #context(): TaskContext {
    const { clock, random, resolveHost } = this.#environment
    const logger = this.#logger
    return { connector: this.#connector, task: this.id, clock, random, logger, resolveHost }
  }

  #named(option: string): string {
    return this.#config[option] ?? this.#environment.workerConfig[option] ?? option
  }

  #overrides(client: 'producer' | 'consumer'): ConfigMap {
    return {
      ...optionsUnder(this.#environment.workerConfig, `${client}.`),
      ...optionsUnder(this.#config, `${client}.override.`),
    }
  }
}

function listOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}
