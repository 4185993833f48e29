import type { ConfigMap } from '../config/fields.ts'
import type { ConnectObject } from '../data/schema.ts'
import type { OutgoingRecord } from '../runtime/kafka.ts'
import type { OffsetEntries, OffsetStore } from './offset-store.ts'

/**
 * The offsets of one source: in the workers' topic, or in a topic of the connector's own
 * (`offsets.storage.topic`), which counts first. The workers' topic is told after it, so that the
 * connector may go back to that.
 */
export class ConnectorOffsets {
  readonly #connector: string
  readonly #first: OffsetStore
  readonly #second: OffsetStore | undefined

  constructor(connector: string, first: OffsetStore, second: OffsetStore | undefined) {
    this.#connector = connector
    this.#first = first
    this.#second = second
  }

  get(partition: ConnectObject): ConnectObject | undefined {
    return (
      this.#first.get(this.#connector, partition) ?? this.#second?.get(this.#connector, partition)
    )
  }

  all(): { partition: unknown; offset: ConnectObject }[] {
    const offsets = new Map<string, { partition: unknown; offset: ConnectObject }>()
    for (const store of [this.#second, this.#first])
      for (const one of store?.all(this.#connector) ?? [])
        offsets.set(JSON.stringify(one.partition), one)
    return [...offsets.values()]
  }

  async put(offsets: OffsetEntries): Promise<void> {
    await this.#first.put(this.#connector, offsets)
    await this.#second?.put(this.#connector, offsets)
  }

  async refresh(): Promise<void> {
    await Promise.all([this.#first.refresh(), this.#second?.refresh()])
  }

  /** What a transaction writes in the place of `put`; {@link copy} is due when it is committed. */
  records(offsets: OffsetEntries): OutgoingRecord[] {
    return this.#first.records(this.#connector, offsets)
  }

  async copy(offsets: OffsetEntries): Promise<void> {
    await this.#second?.put(this.#connector, offsets)
  }
}

/** The offsets topics of a worker: that of all connectors, and those of single ones. */
export class OffsetStores {
  readonly #main: OffsetStore
  readonly #open: (topic: string) => Promise<OffsetStore>
  readonly #others = new Map<string, Promise<OffsetStore>>()

  constructor(main: OffsetStore, open: (topic: string) => Promise<OffsetStore>) {
    this.#main = main
    this.#open = open
  }

  open(): Promise<void> {
    return this.#main.open()
  }

  async close(): Promise<void> {
    const others = await Promise.allSettled(this.#others.values())
    for (const one of others) if (one.status === 'fulfilled') await one.value.close()
    await this.#main.close()
  }

  /** The offsets of a connector; a topic of its own is made where it is missing. */
  async of(connector: string, config: ConfigMap): Promise<ConnectorOffsets> {
    const topic = (config['offsets.storage.topic'] ?? '').trim()
    if (topic === '' || topic === this.#main.topic)
      return new ConnectorOffsets(connector, this.#main, undefined)
    let opening = this.#others.get(topic)
    if (!opening) {
      opening = this.#open(topic)
      this.#others.set(topic, opening)
      opening.catch(() => this.#others.delete(topic))
    }
    return new ConnectorOffsets(connector, await opening, this.#main)
  }
}
