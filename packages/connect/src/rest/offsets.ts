import type { ConnectObject } from '../data/schema.ts'
import { ConnectError } from '../errors.ts'
import type { KnownConnector } from '../runtime/herder.ts'
import type { ConnectKafka } from '../runtime/kafka.ts'
import type { OffsetStore } from '../storage/offset-store.ts'

/** Offsets of sources and sinks, as REST shows and changes them (KIP-875). */
export class Offsets {
  readonly #kafka: ConnectKafka
  readonly #store: OffsetStore

  constructor(kafka: ConnectKafka, store: OffsetStore) {
    this.#kafka = kafka
    this.#store = store
  }

  async list(connector: KnownConnector): Promise<unknown[]> {
    if (connector.plugin.kind === 'source') return this.#store.all(connector.name)
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
      const all = this.#store.all(connector.name)
      await this.#store.put(
        connector.name,
        all.map(({ partition }) => [partition as ConnectObject, null]),
      )
    }
    return 'The offsets for this connector have been reset successfully'
  }

  async alter(connector: KnownConnector, body: unknown): Promise<string> {
    requireStopped(connector)
    if (connector.plugin.kind === 'sink')
      throw new ConnectError(
        'CONNECT_NOT_SUPPORTED',
        'changing the offsets of a sink is not supported yet; DELETE resets them',
      )
    await this.#store.put(connector.name, readOffsets(body))
    return 'The offsets for this connector have been altered successfully'
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

function readOffsets(body: unknown): [ConnectObject, ConnectObject | null][] {
  const { offsets } = (body ?? {}) as { offsets?: unknown }
  if (!Array.isArray(offsets) || offsets.length === 0)
    throw new ConnectError(
      'CONNECT_BAD_REQUEST',
      'Partitions / offsets need to be provided for an alter offsets request',
    )
  return offsets.map((item: { partition?: ConnectObject; offset?: ConnectObject | null }) => {
    if (!item?.partition)
      throw new ConnectError(
        'CONNECT_BAD_REQUEST',
        'The partition for a source connector offset cannot be null or missing',
      )
    return [item.partition, item.offset ?? null]
  })
}
