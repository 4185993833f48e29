import type { Logger } from '@khlong/core'
import type { KafkaRecord } from '../data/record.ts'
import type { TableTopic } from '../runtime/kafka.ts'
import { parseObject } from './config-store.ts'

export type RunState =
  | 'UNASSIGNED'
  | 'RUNNING'
  | 'PAUSED'
  | 'STOPPED'
  | 'FAILED'
  | 'RESTARTING'
  | 'DESTROYED'

export interface RunStatus {
  readonly state: RunState
  readonly trace?: string | undefined
}

/** A state as some worker wrote it. */
export interface StoredStatus extends RunStatus {
  readonly workerId: string
  /** The round of the group in which it was written. */
  readonly generation: number
}

interface ConnectorStatuses {
  connector: StoredStatus | undefined
  readonly tasks: Map<number, StoredStatus>
}

/** States of connectors and tasks, and the topics they used, in the compacted status topic. */
export class StatusStore {
  readonly #topic: TableTopic
  readonly #workerId: string
  readonly #logger: Logger
  readonly #pending = new Set<Promise<void>>()
  #generation: () => number = () => -1
  readonly #byConnector = new Map<string, ConnectorStatuses>()
  readonly #topicsByConnector = new Map<string, Set<string>>()

  constructor(topic: TableTopic, workerId: string, logger: Logger) {
    this.#topic = topic
    this.#workerId = workerId
    this.#logger = logger
  }

  open(): Promise<void> {
    return this.#topic.open((record) => this.#apply(record))
  }

  close(): Promise<void> {
    return this.#topic.close()
  }

  /** Says which round of the group this worker is in. */
  setGeneration(generation: () => number): void {
    this.#generation = generation
  }

  /** Resolved when all that was put until now is durable and seen. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending)
  }

  connector(name: string): StoredStatus | undefined {
    return this.#byConnector.get(name)?.connector
  }

  task(connector: string, task: number): StoredStatus | undefined {
    return this.#byConnector.get(connector)?.tasks.get(task)
  }

  /** The states of a connector's tasks, in the order of their numbers. */
  tasks(connector: string): [task: number, status: StoredStatus][] {
    return [...(this.#byConnector.get(connector)?.tasks ?? [])].sort(([a], [b]) => a - b)
  }

  /** The topics that a connector used since it was made or since they were reset. */
  topics(connector: string): string[] {
    return [...(this.#topicsByConnector.get(connector) ?? [])].sort()
  }

  addTopic(connector: string, task: number, topic: string, nowMs: number): void {
    if (this.#topics(connector).has(topic)) return
    const value = { topic: { name: topic, connector, task, discoverTimestamp: nowMs } }
    this.#put(`status-topic-${topic}:connector-${connector}`, JSON.stringify(value))
  }

  async resetTopics(connector: string): Promise<void> {
    await this.#topic.put(
      this.topics(connector).map((topic) => [`status-topic-${topic}:connector-${connector}`, null]),
    )
  }

  putConnector(connector: string, status: RunStatus): void {
    if (this.#isOurs(this.connector(connector)))
      this.#put(`status-connector-${connector}`, this.#text(status))
  }

  putTask(connector: string, task: number, status: RunStatus): void {
    if (this.#isOurs(this.task(connector, task)))
      this.#put(`status-task-${connector}-${task}`, this.#text(status))
  }

  /** Forgets a connector that was deleted, or its tasks from number `fromTask` on. */
  async remove(connector: string, fromTask?: number): Promise<void> {
    const tasks = this.tasks(connector).filter(([task]) => task >= (fromTask ?? 0))
    await this.#topic.put([
      ...(fromTask === undefined && this.connector(connector)
        ? ([[`status-connector-${connector}`, null]] as const)
        : []),
      ...tasks.map(([task]): [string, null] => [`status-task-${connector}-${task}`, null]),
    ])
  }

  /** Nobody waits for a state to be written; one that cannot be is followed by the next one. */
  #put(key: string, value: string): void {
    const put: Promise<void> = this.#topic
      .put([[key, value]])
      .catch((error: unknown) => {
        this.#logger.warn({ err: error }, 'status could not be written')
      })
      .finally(() => this.#pending.delete(put))
    this.#pending.add(put)
  }

  /** A worker that was put out of the group says nothing about what another one has taken over. */
  #isOurs(known: StoredStatus | undefined): boolean {
    return (
      known === undefined ||
      known.workerId === this.#workerId ||
      known.generation <= this.#generation()
    )
  }

  #text({ state, trace = undefined }: RunStatus): string {
    return JSON.stringify({
      state,
      trace: trace ?? null,
      worker_id: this.#workerId,
      generation: this.#generation(),
    })
  }

  #apply(record: KafkaRecord): void {
    const key = record.key?.toString() ?? ''
    const value = parseObject(record.value)
    const topic = /^status-topic-(.+):connector-(.+)$/.exec(key)
    const task = /^status-task-(.+)-(\d+)$/.exec(key)
    const connector = /^status-connector-(.+)$/.exec(key)
    if (topic) {
      const topics = this.#topics(topic[2]!)
      if (value) topics.add(topic[1]!)
      else topics.delete(topic[1]!)
    } else if (task) {
      const { tasks } = this.#statuses(task[1]!)
      const status = value && statusOf(value)
      if (status) tasks.set(Number(task[2]), status)
      else tasks.delete(Number(task[2]))
      this.#dropEmpty(task[1]!)
    } else if (connector) {
      this.#statuses(connector[1]!).connector = value && statusOf(value)
      this.#dropEmpty(connector[1]!)
    }
  }

  #statuses(connector: string): ConnectorStatuses {
    let statuses = this.#byConnector.get(connector)
    if (!statuses) {
      statuses = { connector: undefined, tasks: new Map() }
      this.#byConnector.set(connector, statuses)
    }
    return statuses
  }

  #dropEmpty(connector: string): void {
    const { connector: own, tasks } = this.#statuses(connector)
    if (!own && tasks.size === 0) this.#byConnector.delete(connector)
  }

  #topics(connector: string): Set<string> {
    let topics = this.#topicsByConnector.get(connector)
    if (!topics) {
      topics = new Set()
      this.#topicsByConnector.set(connector, topics)
    }
    return topics
  }
}

function statusOf(value: Record<string, unknown>): StoredStatus {
  const { state, trace, worker_id: workerId, generation } = value
  return {
    state: String(state) as RunState,
    workerId: String(workerId),
    generation: Number(generation),
    ...(typeof trace === 'string' ? { trace } : {}),
  }
}
