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

export interface StoredStatus {
  readonly state: RunState
  readonly trace?: string | undefined
}

/** States of connectors and tasks, and the topics they used, in the compacted status topic. */
export class StatusStore {
  readonly #topic: TableTopic
  readonly #workerId: string
  readonly #topicsByConnector = new Map<string, Set<string>>()

  constructor(topic: TableTopic, workerId: string) {
    this.#topic = topic
    this.#workerId = workerId
  }

  open(): Promise<void> {
    return this.#topic.open((record) => {
      const match = /^status-topic-(.+):connector-(.+)$/.exec(record.key?.toString() ?? '')
      if (!match) return
      const topics = this.#topics(match[2]!)
      if (parseObject(record.value)) topics.add(match[1]!)
      else topics.delete(match[1]!)
    })
  }

  close(): Promise<void> {
    return this.#topic.close()
  }

  /** The topics that a connector used since it was made or since they were reset. */
  topics(connector: string): string[] {
    return [...(this.#topicsByConnector.get(connector) ?? [])].sort()
  }

  async addTopic(connector: string, task: number, topic: string, nowMs: number): Promise<void> {
    if (this.#topics(connector).has(topic)) return
    const value = { topic: { name: topic, connector, task, discoverTimestamp: nowMs } }
    await this.#topic.put([[`status-topic-${topic}:connector-${connector}`, JSON.stringify(value)]])
  }

  async resetTopics(connector: string): Promise<void> {
    await this.#topic.put(
      this.topics(connector).map((topic) => [`status-topic-${topic}:connector-${connector}`, null]),
    )
  }

  async putConnector(connector: string, status: StoredStatus | null): Promise<void> {
    await this.#topic.put([[`status-connector-${connector}`, this.#text(status)]])
  }

  async putTask(connector: string, task: number, status: StoredStatus | null): Promise<void> {
    await this.#topic.put([[`status-task-${connector}-${task}`, this.#text(status)]])
  }

  #text(status: StoredStatus | null): string | null {
    if (status === null) return null
    const { state, trace = null } = status
    return JSON.stringify({ state, trace, worker_id: this.#workerId, generation: 1 })
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
