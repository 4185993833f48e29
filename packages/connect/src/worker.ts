import { hostname } from 'node:os'
import path from 'node:path'
import {
  type Cut,
  CutFolder,
  type DataFolder,
  type Logger,
  MetricsRegistry,
  openDataFolder,
  PartBase,
  type PartContext,
  parseListen,
  systemRandom,
  type VitalItem,
  type Vitals,
} from '@khlong/core'
import { openAccess, type PartAccess } from '@khlong/core/access'
import { clientDefaultsOf } from './config/client-defaults.ts'
import type { ConfigMap } from './config/fields.ts'
import { withoutEffect } from './config/java-worker.ts'
import { configProviders } from './config/providers.ts'
import { applyConnectorFiles, type ConnectorTarget, type FileProblem } from './connector-files.ts'
import { builtInConnectors } from './connectors/index.ts'
import { ConnectError } from './errors.ts'
import { connectFormats } from './formats.ts'
import {
  type ConnectOptions,
  type ResolvedConnectOptions,
  resolveConnectOptions,
} from './options.ts'
import type { ConnectorPlugin } from './plugin.ts'
import { forward } from './rest/forward.ts'
import { Offsets } from './rest/offsets.ts'
import { RestServer } from './rest/server.ts'
import type { Connector } from './runtime/connector.ts'
import { Herder } from './runtime/herder.ts'
import type { ConnectKafka } from './runtime/kafka.ts'
import { LogLevels } from './runtime/log-levels.ts'
import { CounterTable, registerMetrics, type TaskView } from './runtime/metrics.ts'
import { pause } from './runtime/pause.ts'
import type { ExactlyOnce } from './runtime/task.ts'
import { standaloneKafka } from './standalone/standalone-kafka.ts'
import { ConfigStore } from './storage/config-store.ts'
import { OffsetStores } from './storage/connector-offsets.ts'
import { OffsetStore } from './storage/offset-store.ts'
import { StatusStore } from './storage/status-store.ts'
import { loadUserPlugins } from './user-plugins.ts'

/** What a worker is given beside its options and the usual context. */
export interface ConnectContext extends PartContext {
  /** Connectors of the user's own, beside those that are built in. */
  readonly plugins?: readonly ConnectorPlugin[]
  /** Another way to Kafka than our client, for tests. */
  readonly kafka?: ConnectKafka
}

/** How long files of connectors wait for a worker that decides on them. */
const leaderWaitMs = 15_000
const leaderRetryMs = 200

/** What REST says that it speaks: the release of Kafka Connect whose API it is. */
const apiVersion = '4.3.1-khlong'

/**
 * Kafka Connect: a worker with its REST API, connectors, converters and transforms.
 *
 * ```ts
 * await using worker = new ConnectWorker({ listen: 8083, 'bootstrap.servers': '127.0.0.1:9092', data: './data/connect' })
 * await worker.start()
 * console.log(worker.addresses.http)
 * ```
 */
export class ConnectWorker extends PartBase {
  readonly name: string = 'connect'
  readonly options: ResolvedConnectOptions
  readonly #context: PartContext
  #plugins: readonly ConnectorPlugin[]
  readonly #givenKafka: ConnectKafka | undefined
  readonly #registry = new MetricsRegistry()
  readonly #counters = new CounterTable()
  #address: string | undefined
  #folder: DataFolder | undefined
  #access: PartAccess | undefined
  #rest: RestServer | undefined
  #kafka: ConnectKafka | undefined
  #stores: { open(): Promise<void>; close(): Promise<void> }[] = []
  #herder: Herder | undefined
  #problems: FileProblem[] = []

  constructor(options: ConnectOptions = {}, context: ConnectContext = {}) {
    super(context)
    this.#context = context
    this.options = resolveConnectOptions(options)
    this.#plugins = [...(context.plugins ?? []), ...builtInConnectors]
    this.#givenKafka = context.kafka
    registerMetrics(this.#registry, () => ({
      connectors: this.#connectors.map(({ name, state }) => ({ name, state })),
      tasks: this.#connectors.flatMap(tasksOf),
      group: this.#herder?.group ?? { epoch: -1, rebalances: 0, isRebalancing: false },
    }))
  }

  /** `http` is REST; connectors that listen add theirs under their own names. */
  get addresses(): Readonly<Record<string, string>> {
    const own = this.#address === undefined ? {} : { http: this.#address }
    const others = this.#connectors.flatMap(({ tasks }) => tasks.map((task) => task.addresses))
    return Object.assign({}, ...others, own) as Record<string, string>
  }

  get #connectors(): readonly Connector[] {
    return this.#herder?.connectors ?? []
  }

  /**
   * Whether every source that is meant to run gets what it asks for: an MQTT source has its
   * subscription, so that what is published now reaches Kafka.
   */
  sourcesSubscribed(): boolean {
    // Before everything is shared out, sources may be missing here.
    if (this.#herder?.isSettled !== true) return false
    return this.#connectors
      .filter(({ plugin, state }) => plugin?.kind === 'source' && state === 'RUNNING')
      .every(({ tasks }) => tasks.every((task) => task.isReady))
  }

  /** Resolved when every connector runs and every source is subscribed, or has failed, or is paused. */
  async settled(): Promise<void> {
    const herder = this.#herder
    if (!herder) return
    const isSettled = (): boolean =>
      herder.isSettled &&
      herder.connectors.every(
        ({ state, tasks }) =>
          state !== 'RUNNING' || tasks.every((task) => task.isReady || task.state === 'FAILED'),
      )
    await new Promise<void>((resolve) => {
      if (isSettled()) {
        resolve()
        return
      }
      const end = herder.watch(() => {
        if (!isSettled()) return
        end()
        resolve()
      })
    })
  }

  vitals(): Vitals {
    const items: VitalItem[] = this.#connectors.map(itemOf)
    for (const { name, problem } of this.#problems)
      items.push({
        kind: 'connector',
        name,
        state: 'failed',
        recordsIn: 0,
        recordsOut: 0,
        note: problem,
      })
    const sum = (read: (item: VitalItem) => number | undefined): number =>
      items.reduce((total, item) => total + (read(item) ?? 0), 0)
    const tasks = this.#connectors.flatMap((connector) => connector.tasks)
    const failed = tasks.filter((task) => task.state === 'FAILED').length
    return {
      recordsIn: sum((item) => item.recordsIn),
      recordsOut: sum((item) => item.recordsOut),
      lag: sum((item) => item.lag),
      deadLetters: sum((item) => item.deadLetters),
      facts: { connectors: items.length, tasks: tasks.length, ...(failed > 0 ? { failed } : {}) },
      items,
    }
  }

  metrics(): string {
    return this.#registry.render()
  }

  async cut(into: string): Promise<Cut> {
    if (!this.#folder) throw new Error('the worker does not run')
    const cut = new CutFolder(this.#folder.path, into)
    // Each of its files is replaced as a whole.
    cut.keepAll()
    return cut.done(connectFormats)
  }

  protected async onStart(): Promise<void> {
    const { options } = this
    const unused = withoutEffect.filter((name) => name in options)
    if (unused.length > 0)
      this.logger.warn({ settings: unused }, 'settings of Java’s workers that have no effect here')
    this.#folder = await openDataFolder(options.data)
    const listen = parseListen(options.listen)
    this.#access = await openAccess('connect', listen, options, this.#context, {
      isChallenging: true,
    })
    const rest = new RestServer(this.#access.guard, this.clock)
    this.#rest = rest
    rest.text('/-/metrics', 'text/plain; version=0.0.4; charset=utf-8', () => this.metrics())
    this.#address = await rest.listen(listen)
    const kafka = withoutGroup(this.#givenKafka ?? (await openKafka(options, this.logger)), options)
    this.#kafka = kafka
    await kafka.start()

    const workerId = this.#workerId(this.#address)
    const { configs, offsets, statuses } = await this.#openStores(kafka, workerId)
    const exactlyOnce = this.#exactlyOnce(configs, () => herder)
    const pluginProblems = await this.#loadPlugins()
    const levels = new LogLevels(this.logger, this.clock)
    const environment = {
      kafka,
      offsets,
      exactlyOnce,
      statuses,
      workerConfig: workerConfig(options),
      flushIntervalMs: options['offset.flush.interval.ms'],
      shutdownTimeoutMs: options['task.shutdown.graceful.timeout.ms'],
      resolveHost: (host: string) => mapHost(options.hosts, host),
      countersOf: (connector: string, task: number) => this.#counters.of(connector, task),
      clock: this.clock,
      random: systemRandom,
      logger: levels.logger('org.apache.kafka.connect.runtime'),
      loggerOf: (className: string) => levels.logger(className),
    }
    const herder: Herder = new Herder({
      environment,
      configs,
      plugins: this.#plugins,
      workerId,
      groupId: options['group.id'],
      delayMsMax: options['scheduled.rebalance.max.delay.ms'],
      onDeleted: (name) => this.#counters.remove(name),
      onLogLevel: (name, level) => levels.set(name, level),
      onFailure: (error) => this.fail(error),
      accessToken: options['access.token'],
      providers: configProviders(options),
    })
    this.#herder = herder
    await herder.start()
    rest.open({
      herder,
      statuses,
      offsets: new Offsets(kafka, offsets, async (name) => {
        if (exactlyOnce) await herder.fencing.fence(name)
      }),
      workerId,
      levels,
      clusterId: await kafka.clusterId(),
      version: apiVersion,
    })
    this.#problems = pluginProblems
    if (options.connectors !== undefined) {
      const target: ConnectorTarget = {
        config: (name) => configs.get(name)?.config,
        put: (name, config) =>
          this.#whenLed(() => putOnLeader(herder, name, config, options['access.token'])),
      }
      const problems = await applyConnectorFiles(
        options.connectors,
        this.#folder.path,
        target,
        this.logger,
      )
      this.#problems = [...pluginProblems, ...problems]
    }
  }

  protected async onStop(): Promise<void> {
    await this.#rest?.close()
    this.#rest = undefined
    await this.#access?.close()
    this.#access = undefined
    await this.#herder?.stop()
    for (const store of this.#stores) await store.close()
    this.#stores = []
    await this.#kafka?.close()
    this.#kafka = undefined
    await this.#folder?.release()
    this.#folder = undefined
    this.#address = undefined
  }

  /** What sources need to write by transactions; undefined where they do not. */
  #exactlyOnce(configs: ConfigStore, herder: () => Herder): ExactlyOnce | undefined {
    const { options } = this
    if (options['exactly.once.source.support'] !== 'enabled') return undefined
    return {
      transactionalId: (connector, task) => `${options['group.id']}-${connector}-${task}`,
      generation: (connector) => configs.generation(connector),
      fence: (connector, signal) => herder().fencing.request(connector, signal),
      verify: (connector, task, generation) => herder().fencing.verify(connector, task, generation),
    }
  }

  async #openStores(
    kafka: ConnectKafka,
    workerId: string,
  ): Promise<{ configs: ConfigStore; offsets: OffsetStores; statuses: StatusStore }> {
    const { options } = this
    const configTopic = options['config.storage.topic']
    const offsetTopic = options['offset.storage.topic']
    const statusTopic = options['status.storage.topic']
    const compacted = { 'cleanup.policy': 'compact' }
    const offsetPartitions = options['offset.storage.partitions']
    const statusPartitions = options['status.storage.partitions']
    const offsetsTopic = {
      name: offsetTopic,
      partitions: offsetPartitions,
      replicationFactor: options['offset.storage.replication.factor'],
      configs: compacted,
    }
    await kafka.ensureTopics([
      {
        name: configTopic,
        partitions: 1,
        replicationFactor: options['config.storage.replication.factor'],
        configs: compacted,
      },
      offsetsTopic,
      {
        name: statusTopic,
        partitions: statusPartitions,
        replicationFactor: options['status.storage.replication.factor'],
        configs: compacted,
      },
    ])
    const support = options['exactly.once.source.support']
    const isCommitted = support === 'enabled'
    const configs = new ConfigStore(
      kafka.table(configTopic, {
        isCommitted,
        leaderId: support === 'disabled' ? undefined : `connect-cluster-${options['group.id']}`,
      }),
    )
    const main = new OffsetStore(offsetTopic, kafka.table(offsetTopic, { isCommitted }))
    const offsets = new OffsetStores(main, async (topic) => {
      await kafka.ensureTopics([{ ...offsetsTopic, name: topic }])
      const store = new OffsetStore(topic, kafka.table(topic, { isCommitted }))
      await store.open()
      return store
    })
    const statuses = new StatusStore(kafka.table(statusTopic), workerId, this.logger)
    this.#stores = [configs, offsets, statuses]
    await Promise.all(this.#stores.map((store) => store.open()))
    return { configs, offsets, statuses }
  }

  /** Tries again while workers that start together do not know yet who decides, or that one is not ready. */
  async #whenLed(work: () => Promise<void>): Promise<void> {
    const untilMs = this.clock.monotonicMs() + leaderWaitMs
    for (;;)
      try {
        await work()
        return
      } catch (error) {
        const isPassing =
          error instanceof ConnectError &&
          (error.code === 'CONNECT_REBALANCING' || error.code === 'CONNECT_FAILED')
        if (!isPassing || this.clock.monotonicMs() > untilMs) throw error
        await pause(this.clock, leaderRetryMs)
      }
  }

  /** Adds the connectors of the user's folder; gives what cannot be used of it. */
  async #loadPlugins(): Promise<FileProblem[]> {
    const { plugins: folder } = this.options
    if (folder === undefined) return []
    const { plugins, problems } = await loadUserPlugins(folder)
    this.#plugins = [...plugins, ...this.#plugins]
    for (const { file, problem } of problems)
      this.logger.error({ file, problem }, 'a connector of the folder cannot be used')
    return problems.map(({ file, problem }) => ({ file, name: path.basename(file), problem }))
  }

  #workerId(address: string): string {
    const { host, port } = parseListen(address)
    const { 'rest.advertised.host.name': name, 'rest.advertised.port': advertised } = this.options
    // Every address means nothing to another machine; its name does.
    const reachable = host === '0.0.0.0' || host === '::' ? hostname() : host
    return `${name ?? (reachable.includes(':') ? `[${reachable}]` : reachable)}:${advertised ?? port}`
  }
}

/** Makes or changes a connector where that is decided: here, or at another worker. */
async function putOnLeader(
  herder: Herder,
  name: string,
  config: ConfigMap,
  token: string | undefined,
): Promise<void> {
  const leader = await herder.leader()
  if (leader === undefined) {
    await herder.put(name, config)
    return
  }
  const url = `/connectors/${encodeURIComponent(name)}/config`
  // Off loopback workers of one group know each other by the same access.token.
  const authorization = token === undefined ? undefined : `Bearer ${token}`
  const { status, text } = await forward(leader, {
    method: 'PUT',
    url,
    body: config,
    authorization,
  })
  if (status === 409 || status === 503) throw new ConnectError('CONNECT_REBALANCING', text)
  if (status >= 400) throw new ConnectError('CONNECT_BAD_REQUEST', text)
}

/** As Java's standalone worker: where offsets are to be in a file, there are no other workers. */
function withoutGroup(kafka: ConnectKafka, options: ResolvedConnectOptions): ConnectKafka {
  const offsetFile = options['offset.storage.file.filename']
  if (offsetFile === undefined) return kafka
  const offsetTopic = options['offset.storage.topic']
  const ownTopics = new Set([
    options['config.storage.topic'],
    offsetTopic,
    options['status.storage.topic'],
  ])
  return standaloneKafka(kafka, { offsetFile, offsetTopic, ownTopics })
}

async function openKafka(options: ResolvedConnectOptions, logger: Logger): Promise<ConnectKafka> {
  const { KafkaLink } = await import('./runtime/kafka-link.ts')
  return new KafkaLink(options, logger)
}

/** The options that connectors inherit. */
function workerConfig(options: ResolvedConnectOptions): ConfigMap {
  const config: Record<string, string> = {}
  for (const name of [
    'key.converter',
    'key.converter.schemas.enable',
    'value.converter',
    'value.converter.schemas.enable',
    'header.converter',
  ] as const)
    config[name] = String(options[name])
  return { ...config, ...clientDefaultsOf(options) }
}

/** `mosquitto:1883` → what `hosts` says of it, or itself. */
function mapHost(hosts: Readonly<Record<string, string>>, address: string): string {
  if (hosts[address] !== undefined) return hosts[address]
  const match = /^(.*?)(:\d+)?$/.exec(address)
  const mapped = hosts[match?.[1] ?? '']
  if (mapped === undefined) return address
  return /:\d+$/.test(mapped) ? mapped : `${mapped}${match?.[2] ?? ''}`
}

function tasksOf({ name: connector, plugin, tasks }: Connector): TaskView[] {
  return tasks.map(({ id, state, counters }) => ({
    connector,
    task: id,
    kind: plugin?.kind ?? 'sink',
    state,
    counters,
  }))
}

function itemOf(connector: Connector): VitalItem {
  const { name, plugin, tasks, state } = connector
  const isFailed = state === 'FAILED' || tasks.some((task) => task.state === 'FAILED')
  const trace = connector.trace ?? tasks.find((task) => task.trace !== undefined)?.trace
  const note = isFailed
    ? trace?.split('\n')[0]
    : tasks.find((task) => task.note !== undefined)?.note
  const sum = (read: (counters: TaskView['counters']) => number): number =>
    tasks.reduce((total, task) => total + read(task.counters), 0)
  const isStarting = state === 'RUNNING' && !tasks.every((task) => task.isReady)
  return {
    kind: 'connector',
    name,
    state: isFailed
      ? 'failed'
      : state === 'PAUSED'
        ? 'paused'
        : state === 'RUNNING'
          ? isStarting
            ? 'starting'
            : 'running'
          : 'idle',
    recordsIn: sum((counters) => counters.recordsIn),
    recordsOut: sum((counters) => counters.recordsOut),
    ...(plugin?.kind === 'sink' ? { lag: sum((counters) => counters.lag) } : {}),
    deadLetters: sum((counters) => counters.deadLetters),
    ...connector.flow(),
    ...(note === undefined ? {} : { note }),
  }
}
