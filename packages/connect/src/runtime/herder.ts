import { Membership } from '../cluster/membership.ts'
import type { WorkPiece } from '../cluster/worker-protocol.ts'
import type { ConfigMap } from '../config/fields.ts'
import { type ConfigProviders, resolveReferences } from '../config/providers.ts'
import { findConnector, requireConnector } from '../connectors/index.ts'
import { ConnectError } from '../errors.ts'
import type { ConnectorPlugin } from '../plugin.ts'
import type {
  ConfigStore,
  RestartRequest,
  StoredConnector,
  TargetState,
} from '../storage/config-store.ts'
import type { StoredStatus } from '../storage/status-store.ts'
import type { Connector } from './connector.ts'
import { LocalWork } from './local-work.ts'
import type { GroupView } from './metrics.ts'
import type { TaskEnvironment } from './task.ts'
import { type ConfigInfos, requireValid, validateConfig } from './validation.ts'
import { ZombieFencing } from './zombie-fencing.ts'

export interface HerderOptions {
  readonly environment: TaskEnvironment
  readonly configs: ConfigStore
  readonly plugins: readonly ConnectorPlugin[]
  readonly workerId: string
  readonly groupId: string
  readonly delayMsMax: number
  /** What other workers know this one by, off loopback. */
  readonly accessToken: string | undefined
  /** What configurations may refer to. */
  readonly providers: ConfigProviders
  /** Called when a connector is gone for good. */
  readonly onDeleted: (name: string) => void
  readonly onLogLevel: (logger: string, level: string) => void
  readonly onFailure: (error: unknown) => void
}

export interface ConnectorInfo {
  name: string
  config: ConfigMap
  tasks: { connector: string; task: number }[]
  type: string
}

export interface TaskStatus {
  id: number
  state: string
  worker_id: string
  version: string
  trace?: string
}

export interface ConnectorStatus {
  name: string
  connector: { state: string; worker_id: string; version: string; trace?: string }
  tasks: TaskStatus[]
  type: string
}

/** A connector as it stands in the config topic. */
export interface KnownConnector extends StoredConnector {
  readonly name: string
  readonly plugin: ConnectorPlugin
}

// How long an answer waits for what it speaks of to be so. It is stored in any case.
const settleMs = 5_000

/**
 * Does what REST asks for, and runs this worker's share of connectors and tasks.
 *
 * Invariants:
 * - The config topic is the truth: what is asked for is stored durably, and every worker does what it
 *   reads there. Only the leader writes connectors and tasks.
 */
export class Herder {
  readonly #options: HerderOptions
  readonly #membership: Membership
  readonly #work: LocalWork
  readonly #fencing: ZombieFencing
  readonly #watchers = new Set<() => void>()
  #writing: Promise<unknown> = Promise.resolve()

  constructor(options: HerderOptions) {
    this.#options = options
    const { environment, configs, workerId, groupId, delayMsMax, onLogLevel, onFailure } = options
    this.#membership = new Membership({
      kafka: environment.kafka,
      groupId,
      url: `http://${workerId}/`,
      delayMsMax,
      configs,
      clock: environment.clock,
      logger: environment.logger,
      configured: () => this.#configured(),
      apply: () => this.#work.apply(),
      onFailure,
    })
    this.#work = new LocalWork({
      environment,
      configs,
      plugins: options.plugins,
      resolve: (config) => this.#resolve(config),
      share: this.#membership,
      afterPass: () => this.#writeTasks(),
      onChange: () => this.#changed(),
    })
    this.#fencing = new ZombieFencing({
      environment,
      configs,
      accessToken: options.accessToken,
      require: (name) => this.require(name, `Unknown connector: ${name}`),
      leader: () => this.leader(),
      has: (connector, task) => this.#membership.has({ connector, task }),
      serially: (work) => this.#serially(work),
    })
    environment.statuses.setGeneration(() => this.#membership.generation)
    configs.listen({
      onChange: (name) => {
        if (!configs.get(name)) options.onDeleted(name)
        void this.#work.apply()
        this.#membership.onConfigChange()
      },
      onRestart: (request) => void this.#work.restartShare(request),
      onLogLevel,
    })
  }

  /** Joins the other workers and starts this one's share. */
  async start(): Promise<void> {
    await this.#membership.start()
  }

  /** Ends all tasks and leaves the group; their target states stay. */
  async stop(): Promise<void> {
    await this.#work.stop()
    await this.#options.environment.statuses.settled()
    await this.#membership.leave()
  }

  get plugins(): readonly ConnectorPlugin[] {
    return this.#options.plugins
  }
  /** The connectors that this worker has a part of. */
  get connectors(): readonly Connector[] {
    return this.#work.connectors
  }
  /**
   * REST of the worker that decides on connectors; undefined where it is this one. Waits a while for
   * workers that agree on their shares.
   *
   * @throws ConnectError `CONNECT_REBALANCING`
   */
  async leader(): Promise<string | undefined> {
    await this.#until(() => this.#membership.leaderUrl !== undefined)
    if (this.#membership.isLeader) return undefined
    const url = this.#membership.leaderUrl
    if (url !== undefined) return url
    throw new ConnectError(
      'CONNECT_REBALANCING',
      'Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.',
    )
  }
  /** Whether all that is stored was shared out, and this worker's share runs. */
  get isSettled(): boolean {
    return this.#membership.isSettled && !this.#work.isBusy && this.#outdatedTasks().length === 0
  }

  /** What the metrics tell of the group of workers. */
  get group(): GroupView {
    const { generation, completedRounds, isJoining } = this.#membership
    return { epoch: generation, rebalances: completedRounds, isRebalancing: isJoining }
  }

  /** Calls `watcher` after each change of a state; gives what ends it. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  names(): string[] {
    return this.#options.configs.names
  }

  /** @throws ConnectError `CONNECT_NOT_FOUND` */
  require(name: string, message = `Connector ${name} not found`): KnownConnector {
    const stored = this.#options.configs.get(name)
    const plugin = stored && findConnector(this.plugins, stored.config['connector.class'] ?? '')
    if (stored && plugin) return { name, plugin, ...stored }
    throw new ConnectError('CONNECT_NOT_FOUND', message)
  }

  info(name: string): ConnectorInfo {
    const { config, tasks, plugin } = this.require(name)
    return {
      name,
      config,
      tasks: tasks.map((_config, task) => ({ connector: name, task })),
      type: plugin.kind,
    }
  }

  status(name: string): ConnectorStatus {
    const { statuses } = this.#options.environment
    const status = statuses.connector(name)
    if (!status)
      throw new ConnectError('CONNECT_NOT_FOUND', `No status found for connector ${name}`)
    const { plugin } = this.require(name, `No status found for connector ${name}`)
    return {
      name,
      connector: statusFields(status, plugin),
      tasks: statuses.tasks(name).map(([id, task]) => ({ id, ...statusFields(task, plugin) })),
      type: plugin.kind,
    }
  }

  taskStatus(name: string, id: number): TaskStatus {
    const message = `No status found for task ${name}-${id}`
    const status = this.#options.environment.statuses.task(name, id)
    if (!status) throw new ConnectError('CONNECT_NOT_FOUND', message)
    return { id, ...statusFields(status, this.require(name, message).plugin) }
  }

  validate(plugin: ConnectorPlugin, config: ConfigMap): ConfigInfos {
    const resolved = this.#resolve(config)
    const { workerConfig, exactlyOnce } = this.#options.environment
    const infos = validateConfig(plugin, resolved, workerConfig, exactlyOnce !== undefined)
    // What a variable holds may be a secret: the answer shows the reference to it.
    for (const { value } of infos.configs) {
      const written = config[value.name]
      const text = resolved[value.name]
      if (written === undefined || text === undefined || written === text) continue
      if (value.value !== '[hidden]') value.value = written
      value.errors = value.errors.map((error) => error.replaceAll(text, () => written))
    }
    return infos
  }

  async create(
    name: string,
    config: ConfigMap,
    target: TargetState = 'STARTED',
  ): Promise<ConnectorInfo> {
    const full = this.#checked(name, config)
    await this.#serially(async () => {
      if (this.#options.configs.get(name))
        throw new ConnectError('CONNECT_EXISTS', `Connector ${name} already exists`)
      await this.#options.configs.putConnector(name, full, target)
    })
    await this.#settled()
    // As in Java, the tasks of a new connector are not there yet when it is answered for.
    return { ...this.info(name), tasks: [] }
  }

  /** Makes or changes a connector; `isNew` says which. */
  async put(name: string, config: ConfigMap): Promise<{ info: ConnectorInfo; isNew: boolean }> {
    const full = this.#checked(name, config)
    const isNew = await this.#serially(async () => {
      const isMissing = !this.#options.configs.get(name)
      await this.#options.configs.putConnector(name, full, isMissing ? 'STARTED' : undefined)
      return isMissing
    })
    await this.#settled()
    const info = this.info(name)
    return { info: isNew ? { ...info, tasks: [] } : info, isNew }
  }

  /** Changes some options; null takes one away. */
  async patch(
    name: string,
    changes: Readonly<Record<string, string | null>>,
  ): Promise<ConnectorInfo> {
    const config: Record<string, string> = { ...this.require(name).config }
    for (const [option, value] of Object.entries(changes))
      if (value === null) delete config[option]
      else config[option] = value
    return (await this.put(name, config)).info
  }

  async delete(name: string): Promise<void> {
    await this.#serially(async () => {
      this.require(name)
      await this.#options.configs.removeConnector(name)
    })
    await this.#settled()
    const { statuses } = this.#options.environment
    await statuses.remove(name)
    await statuses.resetTopics(name)
  }

  async setTargetState(name: string, target: TargetState): Promise<void> {
    await this.#serially(async () => {
      const stored = this.#options.configs.get(name)
      if (!stored) throw new ConnectError('CONNECT_NOT_FOUND', `Unknown connector ${name}`)
      if (stored.targetState !== target) await this.#options.configs.putTargetState(name, target)
    })
    await this.#settled()
  }

  /**
   * Restarts the connector, and its tasks where `includeTasks`; `onlyFailed` spares those that run.
   * Every worker does its part. Gives the states with those that are restarted.
   */
  async restart(request: RestartRequest): Promise<ConnectorStatus> {
    const { connector: name, includeTasks, onlyFailed } = request
    this.require(name, `Unknown connector: ${name}`)
    const plan = this.status(name)
    const isChosen = (state: string): boolean => !onlyFailed || state === 'FAILED'
    if (isChosen(plan.connector.state)) plan.connector.state = 'RESTARTING'
    if (includeTasks)
      for (const task of plan.tasks) if (isChosen(task.state)) task.state = 'RESTARTING'
    await this.#options.configs.putRestart(request)
    await this.#settled()
    return plan
  }

  /** Restarts the connector itself, which runs here. */
  async restartConnector(name: string): Promise<void> {
    this.require(name, `Unknown connector: ${name}`)
    await this.#work.restart(name, { hasConnector: true, tasks: [] })
    await this.#options.environment.statuses.settled()
  }

  /** Restarts a task, which runs here. */
  async restartTask(name: string, id: number): Promise<void> {
    const message = `Unknown task: ${name}-${id}`
    if (!this.require(name, message).tasks[id]) throw new ConnectError('CONNECT_NOT_FOUND', message)
    await this.#work.restart(name, { hasConnector: false, tasks: [id] })
    await this.#options.environment.statuses.settled()
  }

  /** What sources that write by transactions need of the other workers. */
  get fencing(): ZombieFencing {
    return this.#fencing
  }

  /** Asks every worker to log at this level. */
  setLogLevel(logger: string, level: string): Promise<void> {
    return this.#options.configs.putLogLevel(logger, level)
  }

  /** The worker that runs a connector, or a task; undefined where nobody does. */
  workerOf(name: string, task?: number): string | undefined {
    const { statuses } = this.#options.environment
    const status = task === undefined ? statuses.connector(name) : statuses.task(name, task)
    if (!status) return undefined
    return this.#membership.has({ connector: name, task })
      ? this.#options.workerId
      : status.workerId
  }

  // ---- What is stored

  #checked(name: string, config: ConfigMap): ConfigMap {
    const full = { ...config, name }
    const className = full['connector.class' as keyof typeof full]
    if (className === undefined)
      throw new ConnectError(
        'CONNECT_BAD_REQUEST',
        `Connector config {${Object.entries(full)
          .map(([option, value]) => `${option}=${value}`)
          .join(', ')}} contains no connector type`,
      )
    const plugin = requireConnector(this.#options.plugins, className)
    requireValid(this.validate(plugin, full))
    return full
  }

  #resolve(config: ConfigMap): ConfigMap {
    return resolveReferences(config, this.#options.providers)
  }

  /** Every connector and task that is to run on some worker. */
  #configured(): WorkPiece[] {
    const { configs } = this.#options
    return configs.names.flatMap((connector) => [
      { connector },
      ...(configs.get(connector)?.tasks ?? []).map((_config, task) => ({ connector, task })),
    ])
  }

  /** The tasks that a connector should have. */
  #tasksOf(name: string, { config, targetState, tasks }: StoredConnector): readonly ConfigMap[] {
    if (targetState === 'STOPPED') return []
    try {
      const plugin = requireConnector(this.#options.plugins, config['connector.class'] ?? '')
      const resolved = this.#resolve(config)
      const tasksMax = Number(resolved['tasks.max'] ?? 1)
      const count = Math.min(tasksMax, plugin.taskCount?.(resolved, tasksMax) ?? 1)
      const taskClass = plugin.className.replace(/Connector$/, 'Task')
      return Array.from({ length: count }, () => ({ ...config, name, 'task.class': taskClass }))
    } catch {
      // Whoever runs the connector says what is wrong with it. Its tasks stay as they are.
      return tasks
    }
  }

  /** Connectors whose tasks are not what their configurations ask for. */
  #outdatedTasks(): [name: string, tasks: readonly ConfigMap[]][] {
    const { configs } = this.#options
    return configs.names.flatMap((name): [string, readonly ConfigMap[]][] => {
      const stored = configs.get(name)!
      const tasks = this.#tasksOf(name, stored)
      return JSON.stringify(tasks) === JSON.stringify(stored.tasks) ? [] : [[name, tasks]]
    })
  }

  /** As the leader, gives connectors the tasks that their configurations ask for. */
  async #writeTasks(): Promise<void> {
    if (!this.#membership.isLeader) return
    const { configs, environment } = this.#options
    for (const [name, tasks] of this.#outdatedTasks()) {
      await configs.putTasks(name, tasks)
      await environment.statuses.remove(name, tasks.length)
    }
  }

  /** Resolved when what was stored runs, or after a while: answers tell of the state that follows. */
  async #settled(): Promise<void> {
    await this.#until(() => this.isSettled)
    await this.#options.environment.statuses.settled()
  }

  async #until(isSo: () => boolean): Promise<void> {
    const { clock } = this.#options.environment
    if (isSo()) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        end()
        clock.clearTimer(timer)
        resolve()
      }
      const end = this.watch(() => {
        if (isSo()) done()
      })
      const timer = clock.setTimer(done, settleMs)
    })
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#writing.then(work)
    this.#writing = done.catch(() => {})
    return done
  }
}

function statusFields(
  { state, trace, workerId }: StoredStatus,
  { version }: ConnectorPlugin,
): Omit<TaskStatus, 'id'> {
  return {
    state,
    worker_id: workerId,
    version,
    ...(trace === undefined ? {} : { trace }),
  }
}
