import type { ConfigMap } from '../config/fields.ts'
import type { KafkaRecord } from '../data/record.ts'
import type { TableTopic } from '../runtime/kafka.ts'

export type TargetState = 'STARTED' | 'PAUSED' | 'STOPPED'

export interface StoredConnector {
  readonly config: ConfigMap
  readonly targetState: TargetState
  /** The configurations of its tasks, by number. */
  readonly tasks: readonly ConfigMap[]
}

export interface RestartRequest {
  readonly connector: string
  readonly includeTasks: boolean
  readonly onlyFailed: boolean
}

/** Who is told of what comes from the config topic, by this worker or another. */
export interface ConfigListener {
  /** A connector, its target state or its tasks changed, or it is gone. */
  onChange(connector: string): void
  onRestart(request: RestartRequest): void
  onLogLevel(logger: string, level: string): void
}

/**
 * Connectors with their configurations, target states and tasks, in the compacted config topic, in
 * the records that Java's workers write and read there.
 *
 * Invariant: tasks count from the commit record on that follows them, so that no worker sees half of
 * a change.
 */
export class ConfigStore {
  readonly #topic: TableTopic
  readonly #configs = new Map<string, ConfigMap>()
  readonly #states = new Map<string, TargetState>()
  readonly #tasks = new Map<string, readonly ConfigMap[]>()
  /** Tasks that were written and not yet committed. */
  readonly #written = new Map<string, Map<number, ConfigMap>>()
  /** How often the tasks of a connector were written anew. */
  readonly #generations = new Map<string, number>()
  /** How many tasks a connector had when its zombies were last fenced (KIP-618); outlives the connector. */
  readonly #fencedCounts = new Map<string, number>()
  readonly #unfenced = new Set<string>()
  #offset = 0
  #listener: ConfigListener | undefined

  constructor(topic: TableTopic) {
    this.#topic = topic
  }

  open(): Promise<void> {
    return this.#topic.open((record) => this.#apply(record))
  }

  close(): Promise<void> {
    return this.#topic.close()
  }

  /** Who hears of changes from now on. */
  listen(listener: ConfigListener): void {
    this.#listener = listener
  }

  /** The offset behind all that is known: workers with the same one know the same. */
  get offset(): number {
    return this.#offset
  }

  /** Reads what others have written until now. */
  refresh(): Promise<void> {
    return this.#topic.refresh()
  }

  get names(): string[] {
    return [...this.#configs.keys()].sort()
  }

  get(name: string): StoredConnector | undefined {
    const config = this.#configs.get(name)
    return (
      config && {
        config,
        targetState: this.#states.get(name) ?? 'STARTED',
        tasks: this.#tasks.get(name) ?? [],
      }
    )
  }

  /** Takes the right to write as the leader from whoever had it, and reads what that one wrote. */
  async claim(): Promise<void> {
    await this.#topic.claim()
    await this.#topic.refresh()
  }

  /** Another worker leads from now on. */
  relinquish(): void {
    this.#topic.relinquish()
  }

  /** Changes whenever the tasks of a connector are written. */
  generation(name: string): number {
    return this.#generations.get(name) ?? 0
  }

  /**
   * How many tasks of former generations may still write: undefined where none ever could, 'none'
   * where they were fenced since the tasks were written.
   */
  zombies(name: string): number | 'none' | undefined {
    return this.#unfenced.has(name) ? this.#fencedCounts.get(name) : 'none'
  }

  /** Notes that all former tasks of a connector are fenced, and how many it has now. */
  async putFenced(name: string, taskCount: number): Promise<void> {
    await this.#topic.putAsLeader([
      [`tasks-fencing-${name}`, JSON.stringify({ 'task-count': taskCount })],
    ])
  }

  async putConnector(name: string, config: ConfigMap, targetState?: TargetState): Promise<void> {
    const entries: [string, string][] = []
    if (targetState) entries.push(stateEntry(name, targetState))
    entries.push([`connector-${name}`, JSON.stringify({ properties: config })])
    await this.#topic.putAsLeader(entries)
  }

  async putTasks(name: string, configs: readonly ConfigMap[]): Promise<void> {
    await this.#topic.putAsLeader([
      ...configs.map((config, task): [string, string] => [
        `task-${name}-${task}`,
        JSON.stringify({ properties: config }),
      ]),
      [`commit-${name}`, JSON.stringify({ tasks: configs.length })],
    ])
  }

  async putTargetState(name: string, state: TargetState): Promise<void> {
    await this.#topic.put([stateEntry(name, state)])
  }

  /** Asks all workers to restart their parts of a connector (KIP-745). */
  async putRestart({ connector, includeTasks, onlyFailed }: RestartRequest): Promise<void> {
    const value = { 'include-tasks': includeTasks, 'only-failed': onlyFailed }
    await this.#topic.putAsLeader([[`restart-connector-${connector}`, JSON.stringify(value)]])
  }

  /** Asks all workers to log at this level (KIP-976). */
  async putLogLevel(logger: string, level: string): Promise<void> {
    await this.#topic.put([[`logger-cluster-${logger}`, JSON.stringify({ level })]])
  }

  async removeConnector(name: string): Promise<void> {
    const tasks = (this.#tasks.get(name) ?? []).map((_config, task): [string, null] => [
      `task-${name}-${task}`,
      null,
    ])
    await this.#topic.putAsLeader([
      [`connector-${name}`, null],
      [`target-state-${name}`, null],
      [`commit-${name}`, null],
      ...tasks,
    ])
  }

  #apply(record: KafkaRecord): void {
    this.#offset = Math.max(this.#offset, record.offset + 1)
    const key = record.key?.toString() ?? ''
    const value = parseObject(record.value)
    const kind = kinds.find((prefix) => key.startsWith(prefix))
    if (kind === undefined) return
    const name = key.slice(kind.length)
    if (kind === 'restart-connector-') {
      const includeTasks = value?.['include-tasks'] === true
      const onlyFailed = value?.['only-failed'] === true
      if (value) this.#listener?.onRestart({ connector: name, includeTasks, onlyFailed })
    } else if (kind === 'logger-cluster-') {
      if (typeof value?.level === 'string') this.#listener?.onLogLevel(name, value.level)
    } else if (kind === 'tasks-fencing-') {
      const count = value?.['task-count']
      this.#unfenced.delete(name)
      if (typeof count === 'number') this.#fencedCounts.set(name, count)
    } else if (kind === 'task-') this.#applyTask(name, value)
    else {
      if (kind === 'connector-') this.#applyConnector(name, value)
      else if (kind === 'target-state-') this.#applyState(name, value)
      else this.#applyCommit(name, value)
      this.#listener?.onChange(name)
    }
  }

  #applyConnector(name: string, value: Record<string, unknown> | undefined): void {
    const properties = value?.properties
    if (properties && typeof properties === 'object')
      this.#configs.set(name, properties as ConfigMap)
    else {
      this.#configs.delete(name)
      this.#tasks.delete(name)
      this.#written.delete(name)
    }
  }

  #applyState(name: string, value: Record<string, unknown> | undefined): void {
    const state = value?.['state.v2'] ?? value?.state
    if (state === 'STARTED' || state === 'PAUSED' || state === 'STOPPED')
      this.#states.set(name, state)
    else this.#states.delete(name)
  }

  #applyTask(place: string, value: Record<string, unknown> | undefined): void {
    const [, name = '', task = ''] = /^(.+)-(\d+)$/.exec(place) ?? []
    const properties = value?.properties
    let written = this.#written.get(name)
    if (!written) {
      written = new Map()
      this.#written.set(name, written)
    }
    if (properties && typeof properties === 'object')
      written.set(Number(task), properties as ConfigMap)
    else written.delete(Number(task))
  }

  #applyCommit(name: string, value: Record<string, unknown> | undefined): void {
    const count = Number(value?.tasks ?? 0)
    this.#generations.set(name, this.generation(name) + 1)
    this.#unfenced.add(name)
    const written = this.#written.get(name)
    const configs = Array.from({ length: count }, (_item, task) => written?.get(task))
    // Compaction may have taken a part of an older state: it counts once it is written again.
    if (configs.every((config) => config !== undefined)) this.#tasks.set(name, configs)
    else this.#tasks.delete(name)
  }
}

const kinds = [
  'connector-',
  'target-state-',
  'task-',
  'commit-',
  'tasks-fencing-',
  'restart-connector-',
  'logger-cluster-',
] as const

function stateEntry(name: string, state: TargetState): [string, string] {
  // Workers older than Kafka 3.5 know no STOPPED: they read PAUSED.
  const former = state === 'STOPPED' ? 'PAUSED' : state
  return [`target-state-${name}`, JSON.stringify({ state: former, 'state.v2': state })]
}

/** A record's value as an object; anything else counts as absent. */
export function parseObject(bytes: Uint8Array | null): Record<string, unknown> | undefined {
  if (bytes === null) return undefined
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    return value !== null && typeof value === 'object'
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
