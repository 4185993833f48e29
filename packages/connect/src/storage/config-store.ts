import type { ConfigMap } from '../config/fields.ts'
import type { KafkaRecord } from '../data/record.ts'
import type { TableTopic } from '../runtime/kafka.ts'

export type TargetState = 'STARTED' | 'PAUSED' | 'STOPPED'

export interface StoredConnector {
  readonly config: ConfigMap
  readonly targetState: TargetState
}

/**
 * Connectors with their configurations and target states, in the compacted config topic, in the
 * records that Java's workers write and read there.
 */
export class ConfigStore {
  readonly #topic: TableTopic
  readonly #configs = new Map<string, ConfigMap>()
  readonly #states = new Map<string, TargetState>()
  readonly #taskCounts = new Map<string, number>()

  constructor(topic: TableTopic) {
    this.#topic = topic
  }

  open(): Promise<void> {
    return this.#topic.open((record) => this.#apply(record))
  }

  close(): Promise<void> {
    return this.#topic.close()
  }

  get names(): string[] {
    return [...this.#configs.keys()].sort()
  }

  get(name: string): StoredConnector | undefined {
    const config = this.#configs.get(name)
    return config && { config, targetState: this.#states.get(name) ?? 'STARTED' }
  }

  async putConnector(name: string, config: ConfigMap, targetState?: TargetState): Promise<void> {
    const entries: [string, string][] = []
    if (targetState) entries.push(stateEntry(name, targetState))
    entries.push([`connector-${name}`, JSON.stringify({ properties: config })])
    await this.#topic.put(entries)
  }

  /** The configurations of a connector's tasks, for other workers to see. */
  async putTasks(name: string, configs: readonly ConfigMap[]): Promise<void> {
    await this.#topic.put([
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

  async removeConnector(name: string): Promise<void> {
    const tasks = Array.from(
      { length: this.#taskCounts.get(name) ?? 0 },
      (_item, task): [string, null] => [`task-${name}-${task}`, null],
    )
    await this.#topic.put([
      [`connector-${name}`, null],
      [`target-state-${name}`, null],
      [`commit-${name}`, null],
      ...tasks,
    ])
  }

  #apply(record: KafkaRecord): void {
    const key = record.key?.toString() ?? ''
    const value = parseObject(record.value)
    if (key.startsWith('connector-')) {
      const name = key.slice('connector-'.length)
      const properties = value?.properties
      if (properties && typeof properties === 'object')
        this.#configs.set(name, properties as ConfigMap)
      else this.#configs.delete(name)
    } else if (key.startsWith('target-state-')) {
      const name = key.slice('target-state-'.length)
      const state = value?.['state.v2'] ?? value?.state
      if (state === 'STARTED' || state === 'PAUSED' || state === 'STOPPED')
        this.#states.set(name, state)
      else this.#states.delete(name)
    } else if (key.startsWith('commit-')) {
      this.#taskCounts.set(key.slice('commit-'.length), Number(value?.tasks ?? 0))
    }
  }
}

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
