import type { ConnectObject } from '../data/schema.ts'
import type { TableTopic } from '../runtime/kafka.ts'
import { parseObject } from './config-store.ts'

/** Where each source is, in the compacted offsets topic: `["name", partition] → offset`. */
export class OffsetStore {
  readonly #topic: TableTopic
  readonly #byConnector = new Map<string, Map<string, ConnectObject>>()

  constructor(topic: TableTopic) {
    this.#topic = topic
  }

  open(): Promise<void> {
    return this.#topic.open((record) => {
      const key: unknown = parseObject(record.key)
      if (!Array.isArray(key) || typeof key[0] !== 'string') return
      const partition = stableText(key[1])
      let offsets = this.#byConnector.get(key[0])
      if (!offsets) {
        offsets = new Map()
        this.#byConnector.set(key[0], offsets)
      }
      const offset = parseObject(record.value)
      if (offset) offsets.set(partition, offset as ConnectObject)
      else offsets.delete(partition)
    })
  }

  close(): Promise<void> {
    return this.#topic.close()
  }

  get(connector: string, partition: ConnectObject): ConnectObject | undefined {
    return this.#byConnector.get(connector)?.get(stableText(partition))
  }

  all(connector: string): { partition: unknown; offset: ConnectObject }[] {
    return [...(this.#byConnector.get(connector) ?? [])].map(([partition, offset]) => ({
      partition: JSON.parse(partition) as unknown,
      offset,
    }))
  }

  async put(
    connector: string,
    offsets: readonly (readonly [partition: ConnectObject, offset: ConnectObject | null])[],
  ): Promise<void> {
    await this.#topic.put(
      offsets.map(([partition, offset]) => [
        `[${JSON.stringify(connector)},${stableText(partition)}]`,
        offset === null ? null : JSON.stringify(offset),
      ]),
    )
  }
}

/** Equal partitions have equal text, whatever the order of their fields was. */
function stableText(value: unknown): string {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    return JSON.stringify(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(Object.fromEntries(entries))
}
