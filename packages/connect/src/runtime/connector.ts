import type { ConfigMap } from '../config/fields.ts'
import { resolveVariables, type Variables } from '../config/variables.ts'
import { traceOf } from '../errors.ts'
import type { ConnectorPlugin } from '../plugin.ts'
import type { TargetState } from '../storage/config-store.ts'
import type { RunState } from '../storage/status-store.ts'
import { ConnectorTask, type TaskEnvironment } from './task.ts'

/** A connector of this worker: its configuration as written, its state and its tasks. */
export class Connector {
  readonly name: string
  readonly plugin: ConnectorPlugin
  /** As it was written: references to variables are not resolved. */
  readonly config: ConfigMap
  readonly #environment: TaskEnvironment
  readonly #onChange: () => void
  #resolved: ConfigMap | undefined
  #tasks: ConnectorTask[] = []
  #state: RunState = 'UNASSIGNED'
  #trace: string | undefined

  constructor(
    name: string,
    plugin: ConnectorPlugin,
    config: ConfigMap,
    environment: TaskEnvironment,
    onChange: () => void,
  ) {
    this.name = name
    this.plugin = plugin
    this.config = config
    this.#environment = environment
    this.#onChange = onChange
  }

  get state(): RunState {
    return this.#state
  }
  get trace(): string | undefined {
    return this.#trace
  }
  get tasks(): readonly ConnectorTask[] {
    return this.#tasks
  }
  /** What the tasks get; undefined until the connector was started. */
  get resolvedConfig(): ConfigMap | undefined {
    return this.#resolved
  }

  /** What it reads and writes, for the flow page; empty where its configuration cannot be read. */
  flow(): { from: readonly string[]; to: readonly string[] } {
    const { plugin } = this
    const config = this.#resolved
    if (!config || this.#state === 'FAILED') return { from: [], to: [] }
    const other = plugin.describe(config)
    if (plugin.kind === 'source') return { from: other, to: plugin.topics(config) }
    const topics = config.topics ?? config['topics.regex'] ?? ''
    return { from: topics.split(',').map((topic) => topic.trim()), to: other }
  }

  /** The configurations of its tasks, as REST and the config topic show them. */
  taskConfigs(): ConfigMap[] {
    const taskClass = this.plugin.className.replace(/Connector$/, 'Task')
    return this.#tasks.map(() => ({ ...this.config, 'task.class': taskClass }))
  }

  start(target: TargetState, providers: ReadonlySet<string>, variables: Variables): void {
    this.#trace = undefined
    try {
      this.#resolved = resolveVariables(this.config, providers, variables)
      if (target !== 'STOPPED') this.#makeTasks(this.#resolved)
      this.#setState(target === 'STARTED' ? 'RUNNING' : target)
    } catch (error) {
      this.#trace = traceOf(error)
      this.#environment.logger.error({ connector: this.name, err: error }, 'connector failed')
      this.#setState('FAILED')
      return
    }
    for (const task of this.#tasks)
      if (target === 'STARTED') task.start()
      else task.setState('PAUSED')
  }

  async pause(): Promise<void> {
    await Promise.all(this.#tasks.map((task) => task.stop()))
    for (const task of this.#tasks) task.setState('PAUSED')
    this.#setState('PAUSED')
  }

  /** Ends all tasks and forgets them. */
  async stop(state: 'STOPPED' | 'DESTROYED' | 'RESTARTING' | 'UNASSIGNED'): Promise<void> {
    await Promise.all(this.#tasks.map((task) => task.stop()))
    for (const task of this.#tasks)
      task.setState(state === 'UNASSIGNED' ? 'UNASSIGNED' : 'DESTROYED')
    this.#tasks = []
    this.#setState(state)
  }

  async restartTask(task: ConnectorTask): Promise<void> {
    await task.stop()
    if (this.#state === 'RUNNING') task.start()
  }

  #makeTasks(config: ConfigMap): void {
    const tasksMax = Number(config['tasks.max'] ?? 1)
    const count = Math.min(tasksMax, this.plugin.taskCount?.(config, tasksMax) ?? 1)
    this.#tasks = Array.from(
      { length: count },
      (_item, id) =>
        new ConnectorTask(
          { connector: this.name, id },
          this.plugin,
          { ...config, name: this.name },
          this.#environment,
          this.#onChange,
        ),
    )
  }

  #setState(state: RunState): void {
    this.#state = state
    const { statuses, logger } = this.#environment
    statuses
      .putConnector(this.name, state === 'DESTROYED' ? null : { state, trace: this.#trace })
      .catch((error: unknown) => logger.warn({ err: error }, 'status could not be written'))
    this.#onChange()
  }
}
