import type { ConfigMap } from '../config/fields.ts'
import { resolveVariables, type Variables } from '../config/variables.ts'
import { requireConnector } from '../connectors/index.ts'
import { ConnectError } from '../errors.ts'
import type { ConnectorPlugin } from '../plugin.ts'
import type { ConfigStore, TargetState } from '../storage/config-store.ts'
import { Connector } from './connector.ts'
import type { ConnectorTask, TaskEnvironment } from './task.ts'
import { type ConfigInfos, requireValid, validateConfig } from './validation.ts'

export interface HerderOptions {
  readonly environment: TaskEnvironment
  readonly configs: ConfigStore
  readonly plugins: readonly ConnectorPlugin[]
  readonly workerId: string
  /** Names of config providers that `${name:key}` may use. */
  readonly providers: ReadonlySet<string>
  readonly variables: Variables
  /** Called when a connector is gone for good. */
  readonly onDeleted: (name: string) => void
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

/**
 * Holds the connectors of a worker and does what REST asks for.
 *
 * Invariants:
 * - What changes connectors is done one after another, each stored durably before it takes effect.
 * - The config topic is the truth: a worker that starts again does what stands there.
 */
export class Herder {
  readonly #options: HerderOptions
  readonly #connectors = new Map<string, Connector>()
  #tail: Promise<unknown> = Promise.resolve()
  readonly #watchers = new Set<() => void>()

  constructor(options: HerderOptions) {
    this.#options = options
  }

  /** Starts what the config topic has. */
  async start(): Promise<void> {
    const { configs, environment } = this.#options
    for (const name of configs.names)
      try {
        this.#launch(name)
      } catch (error) {
        // One that this worker has no class for stays in the topic and keeps no other from running.
        environment.logger.error({ connector: name, err: error }, 'connector cannot be started')
      }
  }

  /** Ends all tasks; their target states stay. */
  async stop(): Promise<void> {
    await this.#serially(() =>
      Promise.all([...this.#connectors.values()].map((connector) => connector.stop('UNASSIGNED'))),
    )
  }

  get plugins(): readonly ConnectorPlugin[] {
    return this.#options.plugins
  }
  get connectors(): readonly Connector[] {
    return [...this.#connectors.values()]
  }

  /** Calls `watcher` after each change of a state; gives what ends it. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  names(): string[] {
    return this.#options.configs.names
  }

  has(name: string): boolean {
    return this.#options.configs.get(name) !== undefined
  }

  info(name: string): ConnectorInfo {
    const connector = this.require(name)
    return {
      name,
      config: connector.config,
      tasks: connector.tasks.map((task) => ({ connector: name, task: task.id })),
      type: connector.plugin.kind,
    }
  }

  status(name: string): ConnectorStatus {
    const connector = this.#connectors.get(name)
    if (!connector)
      throw new ConnectError('CONNECT_NOT_FOUND', `No status found for connector ${name}`)
    const { state, trace, plugin } = connector
    return {
      name,
      connector: {
        state,
        worker_id: this.#options.workerId,
        version: plugin.version,
        ...(trace === undefined ? {} : { trace }),
      },
      tasks: connector.tasks.map((task) => this.#taskStatus(task, plugin)),
      type: plugin.kind,
    }
  }

  taskStatus(name: string, id: number): TaskStatus {
    const connector = this.#connectors.get(name)
    const task = connector?.tasks[id]
    if (!connector || !task)
      throw new ConnectError('CONNECT_NOT_FOUND', `No status found for task ${name}-${id}`)
    return this.#taskStatus(task, connector.plugin)
  }

  validate(plugin: ConnectorPlugin, config: ConfigMap): ConfigInfos {
    const { providers, variables, environment } = this.#options
    const resolved = resolveVariables(config, providers, variables)
    const infos = validateConfig(plugin, resolved, environment.workerConfig)
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

  create(name: string, config: ConfigMap, target: TargetState = 'STARTED'): Promise<ConnectorInfo> {
    const full = this.#checked(name, config)
    return this.#serially(async () => {
      if (this.has(name))
        throw new ConnectError('CONNECT_EXISTS', `Connector ${name} already exists`)
      return this.#store(name, full, target)
    })
  }

  /** Makes or changes a connector; `isNew` says which. */
  put(name: string, config: ConfigMap): Promise<{ info: ConnectorInfo; isNew: boolean }> {
    const full = this.#checked(name, config)
    return this.#serially(async () => {
      const isNew = !this.has(name)
      return { info: await this.#store(name, full, isNew ? 'STARTED' : undefined), isNew }
    })
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

  delete(name: string): Promise<void> {
    return this.#serially(async () => {
      const connector = this.require(name)
      await this.#options.configs.removeConnector(name)
      await connector.stop('DESTROYED')
      await this.#options.environment.statuses.resetTopics(name)
      this.#connectors.delete(name)
      this.#options.onDeleted(name)
      this.#changed()
    })
  }

  setTargetState(name: string, target: TargetState): Promise<void> {
    return this.#serially(async () => {
      const stored = this.#options.configs.get(name)
      if (!stored) throw new ConnectError('CONNECT_NOT_FOUND', `Unknown connector ${name}`)
      if (stored.targetState === target) return
      await this.#options.configs.putTargetState(name, target)
      const connector = this.#connectors.get(name)
      if (target === 'PAUSED' && connector?.state === 'RUNNING') await connector.pause()
      else {
        await connector?.stop('STOPPED')
        if (target !== 'STOPPED') this.#launch(name)
      }
    })
  }

  /** Restarts the connector, and its tasks where `includeTasks`; `onlyFailed` spares those that run. */
  restart(
    name: string,
    options: { includeTasks: boolean; onlyFailed: boolean },
  ): { plan: ConnectorStatus; done: Promise<void> } {
    const connector = this.#connectors.get(name)
    if (!connector) throw new ConnectError('CONNECT_NOT_FOUND', `Unknown connector: ${name}`)
    const chosen = (state: string): boolean => !options.onlyFailed || state === 'FAILED'
    const restartsConnector = chosen(connector.state)
    const tasks = options.includeTasks ? connector.tasks.filter((task) => chosen(task.state)) : []
    const plan = this.status(name)
    if (restartsConnector) plan.connector.state = 'RESTARTING'
    for (const { id } of tasks) plan.tasks[id]!.state = 'RESTARTING'
    const done = this.#serially(async () => {
      // The connector itself only makes tasks: one that failed has none to spare.
      if (restartsConnector && connector.state === 'FAILED') {
        await connector.stop('RESTARTING')
        this.#launch(name)
        return
      }
      await Promise.all(tasks.map((task) => connector.restartTask(task)))
    })
    return { plan, done }
  }

  restartTask(name: string, id: number): Promise<void> {
    return this.#serially(async () => {
      const connector = this.#connectors.get(name)
      const task = connector?.tasks[id]
      if (!connector || !task)
        throw new ConnectError('CONNECT_NOT_FOUND', `Unknown task: ${name}-${id}`)
      await connector.restartTask(task)
    })
  }

  /** @throws ConnectError `CONNECT_NOT_FOUND` */
  require(name: string): Connector {
    const connector = this.#connectors.get(name)
    if (connector) return connector
    throw new ConnectError('CONNECT_NOT_FOUND', `Connector ${name} not found`)
  }

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

  async #store(
    name: string,
    config: ConfigMap,
    target: TargetState | undefined,
  ): Promise<ConnectorInfo> {
    const before = this.#connectors.get(name)
    await this.#options.configs.putConnector(name, config, target)
    if (before) await before.stop('RESTARTING')
    const connector = this.#launch(name)
    const info = this.info(name)
    // As in Java, the tasks of a new connector are not there yet when it is answered for.
    return before ? info : { ...info, config: connector.config, tasks: [] }
  }

  #launch(name: string): Connector {
    const { configs, plugins, environment, providers, variables } = this.#options
    const { config, targetState } = configs.get(name)!
    const plugin = requireConnector(plugins, config['connector.class'] ?? '')
    const connector = new Connector(name, plugin, config, environment, () => this.#changed())
    this.#connectors.set(name, connector)
    connector.start(targetState, providers, variables)
    if (targetState !== 'STOPPED')
      // For other workers to see; this one knows its tasks.
      configs.putTasks(name, connector.taskConfigs()).catch((error: unknown) => {
        environment.logger.warn(
          { connector: name, err: error },
          'task configs could not be written',
        )
      })
    return connector
  }

  #taskStatus(task: ConnectorTask, plugin: ConnectorPlugin): TaskStatus {
    return {
      id: task.id,
      state: task.state,
      worker_id: this.#options.workerId,
      version: plugin.version,
      ...(task.trace === undefined ? {} : { trace: task.trace }),
    }
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher()
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(work)
    this.#tail = done.catch(() => {})
    return done
  }
}
