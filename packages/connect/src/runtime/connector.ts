import type { ConfigMap } from '../config/fields.ts'
import { ConnectError, traceOf } from '../errors.ts'
import type { ConnectorPlugin } from '../plugin.ts'
import type { StoredConnector, TargetState } from '../storage/config-store.ts'
import type { RunState } from '../storage/status-store.ts'
import { ConnectorTask, type TaskEnvironment } from './task.ts'

export interface ConnectorOptions {
  readonly name: string
  /** Undefined: this worker has no class of that name. */
  readonly plugin: ConnectorPlugin | undefined
  readonly environment: TaskEnvironment
  /** Puts in what a configuration refers to. @throws ConnectError `CONNECT_CONFIG` */
  readonly resolve: (config: ConfigMap) => ConfigMap
  readonly onChange: () => void
}

/** What of a connector this worker is to run. */
export interface ConnectorShare {
  /** The connector itself: it says in which state it is. */
  readonly hasConnector: boolean
  readonly tasks: readonly number[]
}

interface RunningTask {
  readonly task: ConnectorTask
  readonly config: ConfigMap
  /** Of the connector's tasks, where they write by transactions. */
  readonly generation: number | undefined
  target: TargetState
}

/** The part of a connector that this worker has: the connector itself, some of its tasks, or both. */
export class Connector {
  readonly name: string
  readonly #options: ConnectorOptions
  readonly #tasks = new Map<number, RunningTask>()
  #config: ConfigMap | undefined
  #resolved: ConfigMap | undefined
  /** What the connector itself was started for; undefined while it is another worker's. */
  #own: { config: ConfigMap; target: TargetState } | undefined
  #state: RunState = 'UNASSIGNED'
  #trace: string | undefined

  constructor(options: ConnectorOptions) {
    this.name = options.name
    this.#options = options
  }

  get plugin(): ConnectorPlugin | undefined {
    return this.#options.plugin
  }
  /** The state of the connector itself where it runs here, else what its tasks are for. */
  get state(): RunState {
    if (this.#own) return this.#state
    const [first] = this.#tasks.values()
    return first?.target === 'STARTED' ? 'RUNNING' : (first?.target ?? 'UNASSIGNED')
  }
  get trace(): string | undefined {
    return this.#trace
  }
  /** The tasks that run here. */
  get tasks(): readonly ConnectorTask[] {
    return [...this.#tasks.values()].map(({ task }) => task)
  }
  get hasConnector(): boolean {
    return this.#own !== undefined
  }

  /** What it reads and writes, for the flow page; empty where its configuration cannot be read. */
  flow(): { from: readonly string[]; to: readonly string[] } {
    const { plugin } = this
    const config = this.#resolved
    if (!plugin || !config || this.#state === 'FAILED') return { from: [], to: [] }
    const other = plugin.describe(config)
    if (plugin.kind === 'source') return { from: other, to: plugin.topics(config) }
    const topics = config.topics ?? config['topics.regex'] ?? ''
    return { from: topics.split(',').map((topic) => topic.trim()), to: other }
  }

  get #generation(): number | undefined {
    const { environment, plugin } = this.#options
    return plugin?.kind === 'source' ? environment.exactlyOnce?.generation(this.name) : undefined
  }

  /** Makes what runs agree with what is stored and with this worker's share. */
  async apply(stored: StoredConnector | undefined, share: ConnectorShare): Promise<void> {
    this.#config = stored?.config
    const wanted = new Set(stored?.targetState === 'STOPPED' ? [] : share.tasks)
    const outdated = [...this.#tasks].filter(
      ([id, running]) =>
        !wanted.has(id) ||
        !isSame(running.config, stored?.tasks[id]) ||
        // Whoever fences zombies takes tasks of an older generation for such.
        running.generation !== this.#generation,
    )
    await Promise.all(
      outdated.map(async ([id, { task }]) => {
        await task.stop()
        this.#tasks.delete(id)
        const isElsewhere = stored?.tasks[id] !== undefined && !share.tasks.includes(id)
        if (isElsewhere) task.setState('UNASSIGNED')
      }),
    )
    this.#applyOwn(stored, share)
    if (!stored) return
    for (const id of wanted) await this.#applyTask(id, stored)
  }

  /** Starts the connector itself, or its tasks, anew. */
  async restart(chosen: ConnectorShare): Promise<void> {
    if (chosen.hasConnector && this.#own) {
      this.#setState('RESTARTING')
      this.#startOwn(this.#own)
    }
    await Promise.all(
      chosen.tasks.map(async (id) => {
        const running = this.#tasks.get(id)
        if (!running) return
        await running.task.stop()
        if (running.target === 'STARTED') running.task.start()
      }),
    )
  }

  #applyOwn(stored: StoredConnector | undefined, share: ConnectorShare): void {
    if (!stored || !share.hasConnector) {
      if (this.#own && stored) this.#setState('UNASSIGNED')
      this.#own = undefined
      return
    }
    const { config, targetState: target } = stored
    if (this.#own?.config === config && this.#own.target === target) return
    this.#own = { config, target }
    this.#startOwn(this.#own)
  }

  #startOwn({ config, target }: { config: ConfigMap; target: TargetState }): void {
    this.#trace = undefined
    try {
      if (!this.plugin)
        throw new ConnectError(
          'CONNECT_FAILED',
          `Failed to find any class that implements Connector and which name matches ${config['connector.class']}`,
        )
      this.#resolved = this.#options.resolve(config)
      this.#setState(target === 'STARTED' ? 'RUNNING' : target)
    } catch (error) {
      this.#trace = traceOf(error)
      this.#options.environment.logger.error(
        { connector: this.name, err: error },
        'connector failed',
      )
      this.#setState('FAILED')
    }
  }

  async #applyTask(id: number, { tasks, targetState: target }: StoredConnector): Promise<void> {
    const { environment, plugin, onChange, resolve } = this.#options
    const config = tasks[id]
    if (!config || !plugin) return
    let running = this.#tasks.get(id)
    if (running?.target === target) return
    if (!running) {
      this.#resolved ??= attempt(() => resolve(this.#config ?? config))
      const place = { connector: this.name, id }
      const task = new ConnectorTask(place, plugin, () => resolve(config), environment, onChange)
      running = { task, config, target, generation: this.#generation }
      this.#tasks.set(id, running)
    }
    running.target = target
    if (target === 'STARTED') running.task.start()
    else {
      await running.task.stop()
      running.task.setState('PAUSED')
    }
  }

  #setState(state: RunState): void {
    this.#state = state
    this.#options.environment.statuses.putConnector(this.name, { state, trace: this.#trace })
    this.#options.onChange()
  }
}

/** Configurations come anew with each record, and mean the same where they say the same. */
function isSame(a: ConfigMap, b: ConfigMap | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}

function attempt<Result>(call: () => Result): Result | undefined {
  try {
    return call()
  } catch {
    return undefined
  }
}
