import type { ConnectObject } from '../data/schema.ts'
import type { OutgoingRecord, TableTopic } from '../runtime/kafka.ts'
import { parseObject } from './config-store.ts'

/** Places in a source, each with the offset there; null forgets one. */
export type OffsetEntries = readonly (readonly [
  partition: ConnectObject,
  offset: ConnectObject | null,
])[]

/** Where each source is, in a compacted offsets topic: `["name", partition] → offset`. */
export class OffsetStore {
  readonly topic: string
  readonly #table: TableTopic
  readonly #byConnector = new Map<string, Map<string, ConnectObject>>()

  constructor(topic: string, table: TableTopic) {
    this.topic = topic
    this.#table = table
  }

  open(): Promise<void> {
    return this.#table.open((record) => {
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
    return this.#table.close()
  }

  /** Reads what others have written until now. */
  refresh(): Promise<void> {
    return this.#table.refresh()
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

  async put(connector: string, offsets: OffsetEntries): Promise<void> {
    await this.#table.put(offsets.map((entry) => textOf(connector, entry)))
  }

  /** What `put` would write, for a transaction that writes it together with records. */
  records(connector: string, offsets: OffsetEntries): OutgoingRecord[] {
    return offsets.map((entry) => {
      const [key, value] = textOf(connector, entry)
      return {
        topic: this.topic,
        key: Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        headers: [],
      }
    })
  }
}

function textOf(
  connector: string,
  [partition, offset]: OffsetEntries[number],
): [key: string, value: string | null] {
  return [
    `[${JSON.stringify(connector)},${stableText(partition)}]`,
    offset === null ? null : JSON.stringify(offset),
  ]
}

/** Equal partitions have equal text, whatever the order of their fields was. */
function stableText(value: unknown): string {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    return JSON.stringify(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(Object.fromEntries(entries))
}
