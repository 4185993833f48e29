import type { ConnectObject } from '../data/schema.ts'
import { ConnectError } from '../errors.ts'
import type { KnownConnector } from '../runtime/herder.ts'
import type { ConnectKafka } from '../runtime/kafka.ts'
import type { ConnectorOffsets, OffsetStores } from '../storage/connector-offsets.ts'

/** Offsets of sources and sinks, as REST shows and changes them (KIP-875). */
export class Offsets {
  readonly #kafka: ConnectKafka
  readonly #stores: OffsetStores
  /** Before offsets of a source are changed: no task of it writes any more. */
  readonly #fence: (connector: string) => Promise<void>

  constructor(
    kafka: ConnectKafka,
    stores: OffsetStores,
    fence: (connector: string) => Promise<void>,
  ) {
    this.#kafka = kafka
    this.#stores = stores
    this.#fence = fence
  }

  async list(connector: KnownConnector): Promise<unknown[]> {
    if (connector.plugin.kind === 'source') {
      const own = await this.#stores.of(connector.name, connector.config)
      await own.refresh()
      return own.all()
    }
    const offsets = await this.#kafka.groupOffsets(groupOf(connector))
    return offsets.map(({ topic, partition, offset }) => ({
      partition: { kafka_topic: topic, kafka_partition: partition },
      offset: { kafka_offset: offset },
    }))
  }

  /** Forgets them, so that the connector begins anew. */
  async reset(connector: KnownConnector): Promise<string> {
    requireStopped(connector)
    if (connector.plugin.kind === 'sink') await this.#kafka.deleteGroup(groupOf(connector))
    else {
      const own = await this.#ofSource(connector)
      await own.put(own.all().map(({ partition }) => [partition as ConnectObject, null]))
    }
    return 'The offsets for this connector have been reset successfully'
  }

  async alter(connector: KnownConnector, body: unknown): Promise<string> {
    requireStopped(connector)
    const items = readItems(body)
    if (connector.plugin.kind === 'sink')
      await this.#kafka.alterGroupOffsets(groupOf(connector), items.map(readSinkOffset))
    else {
      const offsets = items.map(readSourceOffset)
      await (await this.#ofSource(connector)).put(offsets)
    }
    return 'The offsets for this connector have been altered successfully'
  }

  async #ofSource({ name, config }: KnownConnector): Promise<ConnectorOffsets> {
    await this.#fence(name)
    const own = await this.#stores.of(name, config)
    await own.refresh()
    return own
  }
}

function groupOf(connector: KnownConnector): string {
  return connector.config['consumer.override.group.id'] ?? `connect-${connector.name}`
}

function requireStopped(connector: KnownConnector): void {
  if (connector.targetState === 'STOPPED' && connector.tasks.length === 0) return
  throw new ConnectError(
    'CONNECT_BAD_REQUEST',
    `Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/${connector.name}/stop' endpoint`,
  )
}

interface OffsetItem {
  readonly partition?: ConnectObject | null
  readonly offset?: ConnectObject | null
}

const bad = (message: string): ConnectError => new ConnectError('CONNECT_BAD_REQUEST', message)

function readItems(body: unknown): OffsetItem[] {
  const { offsets } = (body ?? {}) as { offsets?: unknown }
  if (!Array.isArray(offsets) || offsets.length === 0)
    throw bad('Partitions / offsets need to be provided for an alter offsets request')
  return offsets as OffsetItem[]
}

function readSourceOffset({
  partition,
  offset,
}: OffsetItem): [ConnectObject, ConnectObject | null] {
  if (!partition) throw bad('The partition for a source connector offset cannot be null or missing')
  return [partition, offset ?? null]
}

function readSinkOffset({ partition, offset }: OffsetItem) {
  if (!partition) throw bad('The partition for a sink connector offset cannot be null or missing')
  const { kafka_topic: topic, kafka_partition: number } = partition
  if (!('kafka_topic' in partition) || !('kafka_partition' in partition))
    throw bad(
      "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'",
    )
  if (typeof topic !== 'string')
    throw bad('Kafka topic names must be valid strings and may not be null')
  const place = { topic, partition: readInteger('partition', number) }
  if (!offset) return { ...place, offset: null }
  if (!('kafka_offset' in offset))
    throw bad(
      "The offset for a sink connector should either be null or contain the key 'kafka_offset'",
    )
  return { ...place, offset: readInteger('offset', offset.kafka_offset) }
}

function readInteger(what: 'partition' | 'offset', value: unknown): number {
  if (/^\d+$/.test(String(value))) return Number(value)
  const name = what === 'offset' ? 'Offset' : 'Partition'
  throw bad(
    `Failed to parse the following Kafka ${what} value in the provided offsets: '${String(value)}'. ${name} values for sink connectors need to be integers.`,
  )
}
